//! What stood in a sink's record before the hub wrote into it. Its people may have changed it since the record last told: then the write went
//! over a word of which nobody had heard.

use patchbay_schemas::command::{Before, RecordsMerged};
use patchbay_schemas::{EventBody, Extra, RecordAction, RecordChange, RecordFields};

use super::Sender;
use super::carry::Carry;
use crate::committer::DELIVERY_SHARD;
use crate::plugin::Event;
use crate::reading;
use crate::registry::Running;
use crate::rules::conflict::{Field, Heard, Stood, Telling, hear};
use crate::rules::ingest::{Intake, Way, canonical};
use crate::store::StoreError;
use crate::store::outbox::{Moved, Told, Waiting};

/// The detail of a receipt that holds it.
const BEFORE: &str = "before";

/// A receipt's details as they are kept, and what stood in the record before. The latter is nothing that a connector is to remember.
pub(super) fn apart(details: String) -> (String, Option<Before>) {
    let read = |text: &str| -> Option<(String, Before)> {
        let mut details: Extra = serde_json::from_str(text).ok()?;
        let before = serde_json::from_value(details.remove(BEFORE)?).ok()?;
        Some((serde_json::to_string(&details).ok()?, before))
    };
    match read(&details) {
        Some((details, before)) => (details, Some(before)),
        None => (details, None),
    }
}

/// A receipt's details as they are kept, and where the record went. `named`: the record that the command named, `written`: the one that the receipt names.
pub(super) fn moved(details: String, named: Option<&str>, written: Option<&str>) -> (String, Moved) {
    let read = |text: &str| -> Option<(String, Moved)> {
        let mut details: Extra = serde_json::from_str(text).ok()?;
        let (merged, person) = (details.remove("merged"), details.remove("person_ref"));
        if merged.is_none() && person.is_none() {
            return None;
        }
        let is_sound = |it: &RecordsMerged| {
            written == Some(it.into.as_str()) && named.is_some_and(|named| named != it.into && it.records.iter().any(|it| it == named))
        };
        let merged = merged.and_then(|it| serde_json::from_value(it).ok()).is_some_and(|it| is_sound(&it));
        let person = person.and_then(|it| it.as_str().map(str::to_owned));
        Some((serde_json::to_string(&details).ok()?, Moved { merged, person }))
    };
    read(&details).unwrap_or((details, Moved::default()))
}

/// What stood in the record, as the rules take it.
pub(super) fn stood(before: Before, region: &str) -> Stood {
    let named = |it: &String| Field::ALL.into_iter().find(|field| field.as_str() == it);
    let written = before.written.map(|it| it.iter().filter_map(named).collect());
    Stood { at: before.at, fields: compared(&before.fields, region), written }
}

/// The same with its person as records are compared.
fn compared(fields: &RecordFields, region: &str) -> RecordFields {
    RecordFields { person: fields.person.as_ref().map(|it| canonical(it, region)), ..fields.clone() }
}

impl<C: Carry> Sender<C> {
    /// Takes a word of which nobody had heard, as if the record had told it before it was written.
    pub(super) async fn hear_before(
        &self,
        running: &Running,
        row: &Waiting,
        told: &Told,
        remote: &str,
        before: &Before,
    ) -> Result<(), StoreError> {
        let (store, now, retried) = (&self.hub.store, self.hub.store.clock.now(), told.writing.retried);
        let telling = if retried { Telling::BeforeAgain } else { Telling::Before };
        let heard = Heard { changed_at: before.at, heard_at: now, telling };
        let mut sources = store.sources(told.lead).await?;
        // Most often nobody changed anything, and then nothing is to be kept of it. By whom a word is trusted matters to the lead alone.
        let source = running.connection.id.to_string();
        let fields = compared(&before.fields, &self.hub.region_of(row.workspace));
        if !hear(&mut sources, &source, &fields, &told.writing.fields, heard, &[]).changed {
            return Ok(());
        }
        // A record that was found just now is heard of when it tells of itself.
        if store.reference(running.connection.id, "lead", &told.lead.to_string()).await?.is_none() {
            return Ok(());
        }
        let record = RecordChange {
            entity: "lead".to_owned(),
            action: RecordAction::Updated,
            external_id: remote.to_owned(),
            lead: Some(told.lead.to_string()),
            person_ref: None,
            fields: before.fields.clone(),
            extra: Extra::default(),
        };
        let body = EventBody::Record(record);
        let payload = body.payload().map_err(|error| StoreError::Database(sqlx::Error::Encode(Box::new(error))))?;
        let delivery = store.ids.next();
        let event = Event {
            // By the delivery and not by the count of tries: a try whose end could not be written down leaves that as it was.
            id: format!("before:{}:{delivery}", row.id),
            kind: body.kind().to_owned(),
            occurred_at_ms: u64::try_from(before.at.as_millisecond()).ok(),
            payload: payload.clone(),
        };
        let intake = Intake {
            id: delivery,
            origin: running.origin.clone(),
            way: Way::Receipt { retried },
            request: None,
            body: payload.into_bytes(),
            fingerprint: None,
            received_at: now,
            reading: reading::events(vec![event]),
            cursor: None,
        };
        store.ingest(&[intake], &self.hub.registry.current().contexts, DELIVERY_SHARD).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_went_into_another_only_where_the_receipt_names_both() {
        let merged = |details: &str, named| moved(details.to_owned(), named, Some("4")).1.merged;
        let sound = r#"{"merged":{"into":"4","records":["7"]},"url":"u"}"#;
        assert_eq!(moved(sound.to_owned(), Some("7"), Some("4")), (r#"{"url":"u"}"#.to_owned(), Moved { merged: true, person: None }));
        assert!(!merged(sound, None) && !merged(sound, Some("8")) && !merged(r#"{"merged":{"into":"5","records":["7"]}}"#, Some("7")));
        assert!(!merged(r#"{"merged":{"into":"4","records":["4"]}}"#, Some("4")) && !merged(r#"{"merged":7}"#, Some("7")));
        let (kept, put) = moved(r#"{"person_ref":"57"}"#.to_owned(), Some("4"), Some("4"));
        assert_eq!((kept.as_str(), put.person.as_deref()), ("{}", Some("57")));
        for other in ["{}", "[]", "no JSON"] {
            assert_eq!(moved(other.to_owned(), Some("7"), Some("4")), (other.to_owned(), Moved::default()));
        }
    }

    #[test]
    fn what_stood_there_before_is_taken_out_of_what_a_connector_remembers() {
        let details = r#"{"before":{"at":"2026-03-14T09:26:53Z","fields":{"title":"Theirs"}},"url":"https://crm.example/7"}"#;
        let (kept, before) = apart(details.to_owned());
        assert_eq!(kept, r#"{"url":"https://crm.example/7"}"#);
        assert_eq!(before.unwrap().fields.title.as_deref(), Some("Theirs"));
        for other in ["{}", r#"{"before":7}"#, "[]", "no JSON"] {
            assert_eq!(apart(other.to_owned()), (other.to_owned(), None));
        }
    }
}
