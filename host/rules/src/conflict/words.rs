//! What each source said of a field, what its record shows, and which word is shown.

use std::collections::BTreeMap;

use patchbay_schemas::{RecordFields, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{Field, alike, values};
use crate::survivorship::{Claim, in_order, trust};

/// The source that stands for people in the hub, as it may be named among the trusted ones.
pub const HUB: &str = "hub";
/// Most words that are kept of what one source said of one field: the last ones.
const MOST_WORDS: usize = 32;

/// What people of a source said of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// As [`RecordFields`] has it.
    pub value: Value,
    /// When they said so, by their own clock.
    pub at: Timestamp,
    /// When the hub heard of it, by its clock.
    pub heard_at: Timestamp,
    /// Its place among all words about the lead, as the hub heard them. Words that one record told together share it.
    pub number: u64,
    /// They had before them what other sources said up to this number, and answer it.
    pub seen: u64,
    /// The number of the word that was shown instead when both were in conflict first, or that had said the same: who answers that one answers this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub falls_with: Option<u64>,
    /// What the lead showed when the hub heard of it. A write that began before may still carry that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Value>,
}

impl Word {
    /// When it was said, as far as words of several sources can be compared: a clock that is ahead must not win for ever.
    #[must_use]
    pub fn said_at(&self) -> Timestamp {
        self.at.min(self.heard_at)
    }
}

/// What a sink's record shows in a field, as far as the hub knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shows {
    /// As [`RecordFields`] has it.
    pub value: Value,
    /// The record was changed then, or later, by the sink's clock.
    pub at: Timestamp,
    /// The version that the record took last: [`Word::number`] of the last word that the hub knew when it wrote.
    pub taken: u64,
    /// What stood there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Who put the value there.
    #[serde(flatten)]
    pub by: By,
    /// The sink told that it stands there, since it was written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

/// Who put a value into a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum By {
    /// Its people.
    People {
        /// The number of their word.
        number: u64,
        /// What was being written when the hub heard of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        crossed: Option<Crossed>,
    },
    /// The hub: a receipt said so.
    Hub,
    /// The hub, as it seems: a write was under way, and the lead had shown the same since the last receipt.
    Echo {
        /// What was written by a receipt that came later, after tries of which no answer came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        crossed: Option<Crossed>,
    },
}

/// A value that the hub wrote over, or under, one that it heard of meanwhile: the record shows either.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crossed {
    /// As it was written.
    pub value: Value,
    /// The version that was written.
    pub version: u64,
}

/// What a source says of a field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Saying {
    /// What its people said, the last word last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// What its record shows. None: nobody told yet; people in the hub have no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Shows>,
}

impl Saying {
    /// What its people said last, whatever stands there now.
    #[must_use]
    pub fn word(&self) -> Option<&Word> {
        self.words.last()
    }

    /// Keeps one more word.
    pub(super) fn say(&mut self, word: Word) {
        self.keep(self.words.len(), word);
    }

    /// Keeps a word that was heard behind later ones of the same people.
    pub(super) fn say_late(&mut self, word: Word) {
        let place = self.words.partition_point(|it| it.at <= word.at);
        self.keep(place, word);
    }

    fn keep(&mut self, place: usize, word: Word) {
        self.words.insert(place, word);
        self.words.drain(..self.words.len().saturating_sub(MOST_WORDS));
    }
}

/// What one source says of a lead.
pub type Sayings = BTreeMap<Field, Saying>;

/// A source of words about a lead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Source {
    /// The connector of a connection; [`HUB`].
    pub connector: String,
    /// What it says.
    pub says: Sayings,
}

/// What each source says of a lead: by connection, and [`HUB`].
pub type Sources = BTreeMap<String, Source>;

/// The number of the last word about a lead; 0: nobody said anything.
#[must_use]
pub fn version(sources: &Sources) -> u64 {
    let words = sources.values().flat_map(|it| it.says.values()).flat_map(|it| &it.words);
    words.map(|it| it.number).max().unwrap_or(0)
}

/// Whether the lead showed a value of a field since a version, so that a write may carry it.
pub(super) fn showed_since(sources: &Sources, field: Field, version: u64, value: &Value) -> bool {
    let words = sources.values().filter_map(|it| it.says.get(&field)).flat_map(|it| &it.words);
    words.filter(|it| it.number > version).filter_map(|it| it.instead_of.as_ref()).any(|it| alike(field, it, value))
}

/// Whether anybody said a value of a field, or the lead showed it before somebody spoke.
pub(super) fn is_known(sources: &Sources, field: Field, value: &Value) -> bool {
    let words = sources.values().filter_map(|it| it.says.get(&field)).flat_map(|it| &it.words);
    words.flat_map(|it| [Some(&it.value), it.instead_of.as_ref()]).flatten().any(|it| alike(field, it, value))
}

/// The last words of a field that none of another source answers: source, connector and word.
fn open<'a>(sources: &'a Sources, field: Field) -> Vec<(&'a str, &'a str, &'a Word)> {
    let said = |(name, it): (&'a String, &'a Source)| Some((name.as_str(), it.connector.as_str(), it.says.get(&field)?));
    let last: Vec<(&str, &str, &Saying)> = sources.iter().filter_map(said).collect();
    let answers = |saying: &Saying, number: u64| {
        saying.word().is_some_and(|it| it.seen >= number) || saying.words.iter().any(|it| it.number == number)
    };
    let is_answered = |name: &str, word: &Word| {
        last.iter().filter(|(other, ..)| *other != name).any(|(_, _, it)| {
            it.word().is_some_and(|it| it.seen >= word.number) || word.falls_with.is_some_and(|number| answers(it, number))
        })
    };
    let words = last.iter().filter_map(|(name, connector, it)| Some((*name, *connector, it.word()?)));
    words.filter(|(name, _, it)| !is_answered(name, it)).collect()
}

/// The word that is shown, and whose it is: see the head of this module's parent.
pub(super) fn holding<'a>(sources: &'a Sources, field: Field, trusted: &[String]) -> Option<(&'a str, &'a Word)> {
    let open = open(sources, field);
    let decided_at = open.iter().find(|(name, ..)| *name == HUB).map(|(.., it)| it.said_at());
    let claims = open.iter().filter(|(.., it)| decided_at.is_none_or(|decided| it.said_at() >= decided));
    let claim = |connector: &str, it: &Word| Claim {
        value: it.value.to_string(),
        trust: trust(trusted, connector),
        said_at: it.said_at(),
        corrects: false,
    };
    claims.min_by(|(_, a, one), (_, b, other)| in_order(&claim(a, one), &claim(b, other))).map(|(name, _, word)| (*name, *word))
}

/// The value that is shown of a field of which somebody said something.
#[must_use]
pub fn settled(sources: &Sources, field: Field, trusted: &[String]) -> Option<Value> {
    holding(sources, field, trusted).map(|(_, it)| it.value.clone())
}

/// Notes which words were in conflict with the one that is shown, and lost. Who answers that one has answered them as well.
pub(super) fn concede(sources: &mut Sources, field: Field, trusted: &[String]) {
    let Some(number) = holding(sources, field, trusted).map(|(_, it)| it.number) else { return };
    let lost: Vec<String> =
        open(sources, field).iter().filter(|(.., it)| it.number != number).map(|(name, ..)| (*name).to_owned()).collect();
    for name in lost {
        let word = sources.get_mut(&name).and_then(|it| it.says.get_mut(&field)).and_then(|it| it.words.last_mut());
        if let Some(word) = word {
            word.falls_with.get_or_insert(number);
        }
    }
}

/// Fields in which a sink's record shows, by its own people or from a write that was overtaken, something else than the lead: there the lead's value
/// is written over it. What the hub wrote there last its connector knows.
#[must_use]
pub fn overruled(sayings: &Sayings, shown: &RecordFields) -> Vec<Field> {
    let shown = values(shown);
    let differs =
        |field: &Field, it: &Shows| !matches!(it.by, By::Hub) && shown.get(field).is_some_and(|ours| !alike(*field, &it.value, ours));
    sayings.iter().filter(|(field, it)| it.record.as_ref().is_some_and(|it| differs(field, it))).map(|(field, _)| *field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(value: &str, at: i64, number: u64, seen: u64) -> Word {
        let at = Timestamp::from_second(at).unwrap();
        Word { value: value.into(), at, heard_at: at, number, seen, falls_with: None, instead_of: None }
    }

    fn sources(said: &[(&str, Word)]) -> Sources {
        let source = |(connector, word): &(&str, Word)| {
            let saying = Saying { words: vec![word.clone()], record: None };
            ((*connector).to_owned(), Source { connector: (*connector).to_owned(), says: Sayings::from([(Field::Title, saying)]) })
        };
        said.iter().map(source).collect()
    }

    fn shown(said: &[(&str, Word)], trusted: &[&str]) -> String {
        let trusted: Vec<String> = trusted.iter().map(|it| (*it).to_owned()).collect();
        settled(&sources(said), Field::Title, &trusted).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn of_words_in_conflict_the_trusted_one_is_shown_then_the_later_one() {
        let said = [("odoo", word("A", 1, 1, 0)), ("bitrix24", word("B", 2, 2, 0))];
        assert_eq!((shown(&said, &[]), shown(&said, &["odoo"])), ("B".to_owned(), "A".to_owned()));
    }

    #[test]
    fn who_had_the_others_word_before_them_answers_it_whatever_clocks_and_trust_say() {
        let said = [("odoo", word("A", 100, 1, 0)), ("bitrix24", word("B", 2, 2, 1))];
        assert_eq!((shown(&said, &[]), shown(&said, &["odoo"])), ("B".to_owned(), "B".to_owned()));
        let said = [("odoo", word("C", 3, 3, 2)), ("bitrix24", word("B", 200, 2, 1)), (HUB, word("H", 300, 1, 0))];
        assert_eq!(shown(&said, &["bitrix24", HUB]), "C");
    }

    #[test]
    fn a_decision_answers_all_that_was_heard_and_what_was_said_before_it() {
        let heard = [("odoo", word("A", 9, 1, 0)), (HUB, word("H", 5, 2, 1))];
        assert_eq!(shown(&heard, &["odoo"]), "H", "a clock that is ahead does not help");
        let unheard = |at| [("odoo", word("A", at, 2, 0)), (HUB, word("H", 5, 1, 0))];
        assert_eq!((shown(&unheard(4), &["odoo"]), shown(&unheard(6), &[])), ("H".to_owned(), "A".to_owned()));
    }

    #[test]
    fn a_word_that_comes_late_takes_its_place_and_so_many_are_kept() {
        let mut saying = Saying::default();
        saying.say(word("A", 1, 1, 0));
        saying.say(word("C", 3, 2, 0));
        saying.say_late(word("B", 2, 3, 0));
        let values: Vec<&str> = saying.words.iter().filter_map(|it| it.value.as_str()).collect();
        assert_eq!(values, ["A", "B", "C"]);
        for number in 4..=u64::try_from(MOST_WORDS).unwrap() {
            saying.say(word(&number.to_string(), 4, number, 0));
        }
        assert_eq!((saying.words.len(), &saying.words[0].value), (MOST_WORDS, &Value::from("A")));
        saying.say(word("more", 5, 99, 0));
        assert_eq!((saying.words.len(), &saying.words[0].value), (MOST_WORDS, &Value::from("B")));
    }
}
