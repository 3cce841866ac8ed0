//! What is read of a delivery now against what was read of it before, event by event.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::ingest::CheckedEvent;

/// Most places that are named of one event.
const MOST_PLACES: usize = 20;

/// An event as it was read before.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The connector's deduplication key.
    pub key: &'a str,
    /// `message`, `call` …
    pub kind: &'a str,
    /// JSON.
    pub payload: &'a str,
    /// False: it did not fit its schema.
    pub accepted: bool,
    /// False: it came with another delivery, so that it is not missed in this one.
    pub here: bool,
}

impl<'a> Before<'a> {
    /// An event that was read of the very delivery.
    #[must_use]
    pub fn of(event: &'a CheckedEvent) -> Self {
        Self { key: &event.key, kind: &event.kind, payload: &event.payload, accepted: event.body.is_ok(), here: true }
    }
}

/// How one event is read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reread<'a> {
    /// The connector's deduplication key.
    pub key: &'a str,
    /// `message`, `call` …
    pub kind: &'a str,
    /// What became of it.
    pub now: Now,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Now {
    /// It says what it said.
    Same,
    /// It was not there, or did not fit its schema.
    New,
    /// It says something else.
    Changed {
        /// Which one of those before it is.
        before: usize,
        /// Which one of those now.
        after: usize,
        /// JSON pointers into its payload.
        places: Vec<String>,
    },
    /// It says something else that cannot be taken over.
    Misfit {
        /// JSON pointers into its payload.
        places: Vec<String>,
        /// Why not.
        problem: String,
    },
    /// It is new and does not fit its schema.
    Unreadable(String),
    /// It is not read any more.
    Gone,
}

/// Compares what is read now with what was read before. Of a key that comes twice the first one counts.
#[must_use]
pub fn compare<'a>(now: &'a [CheckedEvent], before: &[Before<'a>]) -> Vec<Reread<'a>> {
    let known: HashMap<&str, usize> = before.iter().enumerate().map(|(at, it)| (it.key, at)).collect();
    let mut seen = BTreeSet::new();
    let mut compared = Vec::new();
    for (after, event) in now.iter().enumerate().filter(|(_, it)| seen.insert(it.key.as_str())) {
        let known = known.get(event.key.as_str()).map(|it| (*it, &before[*it])).filter(|(_, it)| it.accepted);
        let now = match (known, &event.body) {
            // A dead one is taken anew, as a redrive does; one that is dead again is nothing new.
            (None, Err(fault)) => Now::Unreadable(fault.clone()),
            (None, Ok(_)) => Now::New,
            (Some((at, it)), body) => {
                let places = differences(it.payload, &event.payload);
                match body {
                    _ if places.is_empty() && it.kind == event.kind => Now::Same,
                    Err(fault) => {
                        let problem = format!("it does not fit its schema, so the event stays as it was: {fault}");
                        Now::Misfit { places, problem }
                    }
                    Ok(_) if it.kind != event.kind => {
                        let problem = format!("it was `{}`: an event does not change its kind, so it stays as it was", it.kind);
                        Now::Misfit { places, problem }
                    }
                    Ok(_) => Now::Changed { before: at, after, places },
                }
            }
        };
        compared.push(Reread { key: &event.key, kind: &event.kind, now });
    }
    let gone = before.iter().filter(|it| it.here && it.accepted && !seen.contains(it.key));
    compared.extend(gone.map(|it| Reread { key: it.key, kind: it.kind, now: Now::Gone }));
    compared
}

/// JSON pointers of what differs between two documents.
fn differences(before: &str, after: &str) -> Vec<String> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut places = Vec::new();
    walk(&parsed(before), &parsed(after), "", &mut places);
    places.truncate(MOST_PLACES);
    places
}

fn walk(before: &Value, after: &Value, at: &str, places: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                walk(one.get(name).unwrap_or(&Value::Null), other.get(name).unwrap_or(&Value::Null), &place, places);
            }
        }
        (one, other) if one == other => {}
        _ => places.push(at.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use patchbay_schemas::EventBody;

    use super::*;

    fn read(key: &str, text: &str) -> CheckedEvent {
        let payload = serde_json::json!({ "direction": "in", "text": text, "message": {} });
        let body = EventBody::parse("message", payload.clone()).map_err(|error| error.to_string());
        CheckedEvent { key: key.to_owned(), kind: "message".to_owned(), occurred_at: None, payload: payload.to_string(), body }
    }

    #[test]
    fn each_event_is_the_same_new_changed_or_gone() {
        let before = [read("a", "same"), read("b", "before"), read("c", "gone"), read("d", "was dead"), read("o", "of another delivery")];
        let mut before: Vec<Before<'_>> = before.iter().map(Before::of).collect();
        before[3].accepted = false;
        before[4].here = false;
        let now = [read("a", "same"), read("b", "after"), read("d", "is sound"), read("e", "new"), read("e", "twice")];
        let compared = compare(&now, &before);
        let said: Vec<(&str, &Now)> = compared.iter().map(|it| (it.key, &it.now)).collect();
        let changed = Now::Changed { before: 1, after: 1, places: vec!["/text".to_owned()] };
        assert_eq!(said, [("a", &Now::Same), ("b", &changed), ("d", &Now::New), ("e", &Now::New), ("c", &Now::Gone)]);
    }

    #[test]
    fn an_event_that_fits_no_more_or_is_of_another_kind_stays_as_it_was() {
        let before = read("a", "before");
        let misfit = CheckedEvent { body: Err("/payload/text: no".to_owned()), ..read("a", "after") };
        let other = CheckedEvent { kind: "comment".to_owned(), ..read("a", "before") };
        for event in [misfit.clone(), other] {
            assert!(matches!(compare(&[event], &[Before::of(&before)])[0].now, Now::Misfit { .. }));
        }
        assert!(matches!(compare(&[misfit], &[])[0].now, Now::Unreadable(_)));
    }

    #[test]
    fn what_differs_is_named_by_its_place() {
        assert_eq!(differences(r#"{"a":{"b/c":1,"d":[1]},"e":2}"#, r#"{"a":{"b/c":2,"d":[1,2]},"f":2}"#), ["/a/b~1c", "/a/d", "/e", "/f"]);
        assert!(differences(r#"{"a":1,"b":null}"#, r#"{ "a": 1 }"#).is_empty());
    }
}
