//! What one CRM and people in the hub say of one lead, telling by telling.

use patchbay_schemas::{RecordFields, Responsible, Timestamp};
use serde_json::Value;

use super::*;

const CRM: &str = "cxn_1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn titled(title: &str) -> RecordFields {
    let responsible = Some(Responsible { id: None, name: "Anna".to_owned() });
    RecordFields { title: Some(title.to_owned()), responsible, ..RecordFields::default() }
}

/// A lead with its title, and one CRM whose record the hub made at the beginning.
struct Scene {
    sources: Sources,
    shown: String,
}

impl Scene {
    fn new(title: &str) -> Self {
        let sources = Sources::from([(CRM.to_owned(), Source { connector: "odoo".to_owned(), says: Sayings::new() })]);
        let mut scene = Self { sources, shown: title.to_owned() };
        assert!(scene.wrote(title, None));
        scene
    }

    /// The record tells its title, changed at a second by its clock, heard ten seconds later by ours.
    fn hears(&mut self, title: &str, second: i64, telling: Telling) -> News {
        let heard = Heard { changed_at: at(second), heard_at: at(second + 10), telling };
        let shown = titled(&self.shown);
        let news = hear(&mut self.sources, CRM, &titled(title), &shown, heard, &[]);
        if let Some(title) = news.shown.get(&Field::Title).and_then(Value::as_str) {
            title.clone_into(&mut self.shown);
        }
        news
    }

    fn decides(&mut self, title: &str, second: i64) {
        let fields = RecordFields { title: Some(title.to_owned()), ..RecordFields::default() };
        decide(&mut self.sources, &fields, &titled(&self.shown), at(second));
        title.clone_into(&mut self.shown);
    }

    /// What would be written now. `before`: what stands there, and since when.
    fn writing(&self, before: Option<(&str, i64)>) -> Writing {
        let before = before.map(|(title, second)| Stood { at: at(second), fields: titled(title), written: None });
        Writing { fields: titled(&self.shown), version: version(&self.sources), retried: false, before }
    }

    fn wrote(&mut self, title: &str, before: Option<(&str, i64)>) -> bool {
        let writing = Writing { fields: titled(title), ..self.writing(before) };
        self.takes(&writing)
    }

    fn takes(&mut self, writing: &Writing) -> bool {
        wrote(&mut self.sources.get_mut(CRM).unwrap().says, writing)
    }

    /// What its people said of the title, the last word last.
    fn said(&self) -> Vec<&str> {
        let saying = self.sources[CRM].says.get(&Field::Title);
        saying.into_iter().flat_map(|it| &it.words).filter_map(|it| it.value.as_str()).collect()
    }

    fn overruled(&self) -> Vec<Field> {
        overruled(&self.sources[CRM].says, &titled(&self.shown))
    }
}

#[test]
fn what_is_told_again_and_an_echo_are_nobodys_word() {
    let mut scene = Scene::new("A");
    let mut echo = titled("A");
    echo.responsible.as_mut().unwrap().id = Some("7".to_owned());
    let heard = Heard { changed_at: at(2), heard_at: at(2), telling: Telling::Quiet };
    assert!(hear(&mut scene.sources, CRM, &echo, &titled("A"), heard, &[]).shown.is_empty(), "another id of the same person");
    assert_eq!(scene.hears("B", 3, Telling::Quiet).shown[&Field::Title], "B");
    assert_eq!(scene.hears("B", 4, Telling::Quiet), News::default());
    assert_eq!((scene.said(), scene.sources[CRM].says[&Field::Title].word().unwrap().at), (vec!["B"], at(3)));
}

#[test]
fn an_echo_that_is_heard_before_the_receipt_is_nobodys_word_either() {
    let mut scene = Scene::new("A");
    scene.decides("B", 5);
    let writing = scene.writing(Some(("A", 1)));
    assert!(scene.hears("B", 6, Telling::Amid).shown.is_empty());
    assert!(scene.takes(&writing) && scene.said().is_empty());
    // The same, while nothing is written, are people who agree.
    assert_eq!(scene.hears("C", 7, Telling::Quiet).shown[&Field::Title], "C");
    scene.decides("D", 8);
    assert!(!scene.hears("D", 9, Telling::Quiet).overruled);
    assert_eq!(scene.said(), ["C", "D"]);
}

#[test]
fn a_decision_is_not_undone_by_the_echo_of_what_was_written_before_it() {
    let mut scene = Scene::new("A");
    scene.decides("B", 5);
    let writing = scene.writing(Some(("A", 1)));
    scene.decides("C", 6);
    assert!(scene.hears("B", 20, Telling::Amid).shown.is_empty());
    assert!(scene.takes(&writing), "this was what was written");
    assert_eq!((scene.shown.as_str(), scene.said()), ("C", vec![]));
    // Who took C and goes back to B means it.
    assert!(scene.wrote("C", Some(("B", 20))));
    assert_eq!(scene.hears("B", 21, Telling::Quiet).shown[&Field::Title], "B");
}

#[test]
fn what_seemed_an_echo_and_was_none_is_heard_with_the_next_receipt() {
    let mut scene = Scene::new("A");
    scene.decides("B", 5);
    scene.decides("C", 6);
    let writing = scene.writing(Some(("A", 1)));
    // C is being written; people there call it B, as it was called a moment ago here.
    scene.hears("B", 20, Telling::Amid);
    assert!(!scene.takes(&writing), "it may stand there");
    let writing = scene.writing(Some(("B", 20)));
    assert_eq!(scene.hears("B", 20, Telling::Before).shown[&Field::Title], "B", "they had C before them");
    assert!(scene.takes(&writing));
    assert_eq!(scene.said(), ["B"]);
}

#[test]
fn a_word_that_is_heard_while_the_hub_writes_is_settled_by_the_next_write() {
    let mut scene = Scene::new("A");
    scene.decides("B", 50);
    let writing = scene.writing(None);
    let news = scene.hears("C", 5, Telling::Amid);
    assert!(news.overruled && scene.shown == "B", "the decision is later, and they had not seen it");
    assert!(scene.takes(&writing));
    assert_eq!(scene.overruled(), [Field::Title], "C may have come behind B");
    let writing = scene.writing(Some(("C", 5)));
    assert!(scene.takes(&writing) && scene.overruled().is_empty());
    assert_eq!(scene.said(), ["C"]);
}

#[test]
fn who_had_a_decision_before_them_answers_it_though_their_clock_is_behind() {
    let mut scene = Scene::new("A");
    scene.decides("B", 1_000);
    assert!(scene.wrote("B", Some(("A", 1))));
    assert_eq!(scene.hears("C", 5, Telling::Quiet).shown[&Field::Title], "C");
    assert_eq!(scene.said(), ["C"]);
}

#[test]
fn late_news_change_nothing_and_a_late_word_is_kept() {
    let mut scene = Scene::new("A");
    assert_eq!(scene.hears("C", 10, Telling::Quiet).shown[&Field::Title], "C");
    assert!(scene.hears("A", 5, Telling::Quiet).shown.is_empty() && scene.hears("B", 7, Telling::Quiet).shown[&Field::Title] == "C");
    assert_eq!(scene.said(), ["B", "C"]);
    scene.decides("D", 20);
    assert!(scene.wrote("D", Some(("C", 10))));
    assert!(scene.hears("C", 10, Telling::Quiet).shown.is_empty(), "read before it was written over, told behind");
    assert_eq!((scene.shown.as_str(), scene.said()), ("D", vec!["B", "C"]));
}

#[test]
fn an_echo_of_a_try_that_was_not_answered_undoes_no_decision() {
    let mut scene = Scene::new("A");
    scene.decides("B", 5);
    // B was written, no answer came, and here they went back to A.
    scene.decides("A", 6);
    let writing = Writing { retried: true, ..scene.writing(Some(("B", 20))) };
    assert!(scene.hears("B", 20, Telling::BeforeAgain).shown.is_empty());
    assert!(!scene.takes(&writing), "the connector had nothing new to write");
    assert_eq!(scene.overruled(), [Field::Title]);
    let writing = scene.writing(Some(("B", 20)));
    assert!(scene.hears("B", 20, Telling::Before).shown.is_empty());
    assert!(scene.takes(&writing) && scene.overruled().is_empty());
    assert_eq!((scene.shown.as_str(), scene.said()), ("A", vec![]));
}

#[test]
fn what_a_sink_cannot_hold_is_no_word_against_it() {
    let mut scene = Scene::new("A");
    scene.decides("B", 5);
    let left = |mut writing: Writing| {
        writing.before.as_mut().unwrap().written = Some(Vec::new());
        writing
    };
    let writing = left(scene.writing(Some(("A", 1))));
    assert!(scene.takes(&writing));
    for second in 6..9 {
        assert!(scene.hears("A", second, Telling::Quiet).shown.is_empty(), "it could not be written");
        assert!(scene.hears("A", second, Telling::Before).shown.is_empty());
        let writing = left(scene.writing(Some(("A", second))));
        assert!(scene.takes(&writing));
    }
    assert_eq!((scene.shown.as_str(), scene.said()), ("B", vec![]));
    assert_eq!(scene.hears("C", 9, Telling::Quiet).shown[&Field::Title], "C", "they had not seen B, and are later");
}

#[test]
fn what_rules_made_of_a_lead_is_answered_by_who_speaks_next() {
    let mut scene = Scene::new("A");
    assert_eq!(scene.hears("B", 50, Telling::Quiet).shown[&Field::Title], "B");
    "by a rule".clone_into(&mut scene.shown);
    let other = Heard { changed_at: at(5), heard_at: at(60), telling: Telling::Quiet };
    let news = hear(&mut scene.sources, "cxn_2", &titled("C"), &titled("by a rule"), other, &[]);
    assert_eq!(news.shown[&Field::Title], "C", "B is no longer in question");
}
