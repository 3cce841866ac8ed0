//! What one CRM says of a lead's person, telling by telling.

use patchbay_schemas::{Identity, Name, Person, RecordFields, Timestamp};
use serde_json::{Value, json};

use super::*;

const CRM: &str = "cxn_1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn person(name: &str, phones: &[&str]) -> RecordFields {
    let identities = phones.iter().map(|it| Identity::phone(*it)).collect();
    let person = Person { identities, name: Name::full(name), ..Person::default() };
    RecordFields { person: Some(person), person_whole: true, ..RecordFields::default() }
}

/// A CRM whose record the hub made of this person.
struct Scene {
    sources: Sources,
    shown: RecordFields,
}

impl Scene {
    fn new(name: &str, phones: &[&str]) -> Self {
        let sources = Sources::from([(CRM.to_owned(), Source { connector: "odoo".to_owned(), says: Sayings::new() })]);
        let mut scene = Self { sources, shown: person(name, phones) };
        scene.writes(name, phones, None);
        scene
    }

    fn hears(&mut self, fields: &RecordFields, second: i64, telling: Telling) -> Vec<&'static str> {
        let heard = Heard { changed_at: at(second), heard_at: at(second + 10), telling };
        let news = hear(&mut self.sources, CRM, fields, &self.shown.clone(), heard, &[]);
        news.person.into_iter().map(Field::as_str).collect()
    }

    fn tells(&mut self, name: &str, phones: &[&str], second: i64) -> Vec<&'static str> {
        self.hears(&person(name, phones), second, Telling::Quiet)
    }

    /// The hub shows this, and writes it; `written`: the fields that its connector put over what stood there.
    fn writes(&mut self, name: &str, phones: &[&str], over: Option<(RecordFields, i64, Vec<Field>)>) {
        self.shown = person(name, phones);
        let before = over.map(|(fields, second, written)| Stood { at: at(second), fields, written: Some(written) });
        let fields = RecordFields { person_whole: false, ..self.shown.clone() };
        let writing = Writing { fields, version: version(&self.sources), retried: false, before };
        // Where it is not certain what the record shows, it is written once more.
        if !wrote(&mut self.sources.get_mut(CRM).unwrap().says, &writing) {
            assert!(wrote(&mut self.sources.get_mut(CRM).unwrap().says, &writing));
        }
    }

    /// What its people said of a field last.
    fn claims(&self, field: Field) -> Value {
        self.sources[CRM].says.get(&field).and_then(Saying::word).map(|it| it.value.clone()).unwrap_or_default()
    }
}

#[test]
fn what_people_type_into_a_record_is_theirs_and_what_the_hub_wrote_never_is() {
    let mut scene = Scene::new("Anna", &["+1"]);
    assert!(scene.tells("Anna", &["+1"], 2).is_empty(), "an echo");
    assert_eq!(scene.tells("Anna Lee", &["+1", "+2"], 3), ["name", "phones"]);
    assert_eq!((scene.claims(Field::Name), scene.claims(Field::Phones)), ("Anna Lee".into(), json!(["+2"])));
    assert!(scene.tells("Anna Lee", &["+1", "+2"], 3).is_empty());
    // What the hub adds, because of that or for another reason, is its own.
    scene.writes("Anna Lee", &["+1", "+2", "+3"], Some((person("Anna Lee", &["+1", "+2"]), 3, vec![Field::Phones])));
    assert!(scene.tells("Anna Lee", &["+1", "+2", "+3"], 5).is_empty());
    // They take theirs away, and what the hub had found by it stays the hub's.
    assert_eq!(scene.tells("Anna Lee", &["+1", "+3"], 6), ["phones"]);
    assert_eq!(scene.claims(Field::Phones), Value::Array(Vec::new()));
    assert!(scene.tells("Anna Lee", &["+1"], 7).is_empty(), "nobody said what the hub wrote");
    // A name that was emptied is withdrawn, and one that was only not told is not.
    assert!(scene.hears(&RecordFields { person_whole: false, ..person("", &[]) }, 8, Telling::Quiet).is_empty());
    assert_eq!(scene.tells("", &["+1"], 9), ["name"]);
    assert_eq!(scene.claims(Field::Name), "");
}

#[test]
fn a_phone_that_is_typed_over_another_takes_its_place() {
    let mut scene = Scene::new("Anna", &["+1"]);
    assert_eq!(scene.tells("Anna", &["+2"], 3), ["phones"]);
    scene.writes("Anna", &["+2", "+1", "+7"], Some((person("Anna", &["+2"]), 3, Vec::new())));
    assert!(scene.tells("Anna", &["+2"], 4).is_empty());
    assert_eq!(scene.tells("Anna", &["+3"], 5), ["phones"]);
    assert_eq!(scene.claims(Field::Phones), json!(["+3"]), "+2 is said by nobody any more");
}

#[test]
fn a_sink_that_holds_one_phone_of_several_that_were_written_says_nothing_by_that() {
    let mut scene = Scene::new("Anna", &["+1", "+2"]);
    assert!(scene.tells("Anna", &["+1"], 3).is_empty());
    assert_eq!(scene.tells("Anna", &["+4"], 4), ["phones"]);
    // The hub writes another one over it: theirs stands nowhere, and is not withdrawn by that.
    scene.writes("Anna", &["+1", "+2", "+4"], Some((person("Anna", &["+4"]), 4, vec![Field::Phones])));
    assert!(scene.tells("Anna", &["+1"], 6).is_empty());
    assert!(scene.tells("Anna", &["+1"], 7).is_empty());
    assert_eq!(scene.claims(Field::Phones), json!(["+4"]));
}

#[test]
fn what_a_write_that_is_under_way_may_have_left_there_is_nobodys_word() {
    let mut scene = Scene::new("Anna", &["+1"]);
    scene.shown = person("Anna Lee", &["+1", "+2"]);
    assert!(scene.hears(&person("Anna Lee", &["+2"]), 3, Telling::Amid).is_empty());
    scene.writes("Anna Lee", &["+1", "+2"], Some((person("Anna", &["+1"]), 1, vec![Field::Name, Field::Phones])));
    assert!(scene.tells("Anna Lee", &["+2"], 4).is_empty());
    assert_eq!((scene.claims(Field::Name), scene.claims(Field::Phones)), (Value::Null, Value::Null));
    // What cannot be of the hub is theirs, also then.
    assert_eq!(scene.hears(&person("Bob", &["+9"]), 5, Telling::Amid), ["name", "phones"]);
}

#[test]
fn of_a_record_that_was_there_before_the_hub_what_differs_is_its_peoples() {
    let mut scene = Scene::new("Anna", &["+1"]);
    scene.sources.get_mut(CRM).unwrap().says.clear();
    let stood = person("Anna Lee", &["+1", "+5"]);
    scene.writes("Anna", &["+1"], Some((stood.clone(), 1, Vec::new())));
    assert_eq!(scene.hears(&stood, 2, Telling::Quiet), ["name", "phones"]);
    assert_eq!((scene.claims(Field::Name), scene.claims(Field::Phones)), ("Anna Lee".into(), json!(["+5"])));
}

#[test]
fn a_word_that_was_written_over_before_anybody_heard_it_is_heard_by_the_receipt() {
    let mut scene = Scene::new("Anna", &["+1"]);
    scene.shown = person("Anna Maria", &["+1"]);
    let stood = person("Anna Lee", &["+6"]);
    assert_eq!(scene.hears(&stood, 4, Telling::Before), ["name", "phones"]);
    scene.writes("Anna Maria", &["+1"], Some((stood, 4, vec![Field::Name, Field::Phones])));
    assert!(scene.tells("Anna Maria", &["+1"], 5).is_empty(), "the echo takes nothing back");
    assert_eq!((scene.claims(Field::Name), scene.claims(Field::Phones)), ("Anna Lee".into(), json!(["+6"])));
}

#[test]
fn late_news_of_a_person_change_nothing() {
    let mut scene = Scene::new("Anna", &["+1"]);
    assert_eq!(scene.tells("Anna Lee", &["+2"], 9), ["name", "phones"]);
    assert!(scene.tells("Anna", &["+1"], 5).is_empty());
    assert_eq!((scene.claims(Field::Name), scene.claims(Field::Phones)), ("Anna Lee".into(), json!(["+2"])));
}
