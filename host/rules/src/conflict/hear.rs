//! Takes what a record tells, what people here decide, and what was written.

use std::collections::{BTreeMap, BTreeSet};

use patchbay_schemas::{RecordFields, Timestamp};
use serde_json::Value;

use super::fields::{Field, alike, is_empty, values};
use super::reach::Reach;
use super::words::{By, Crossed, HUB, Saying, Sayings, Shows, Sources, Word, concede, holding, is_known, settled, showed_since, version};

/// When a record was changed, when the hub heard of it, and what else went on.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// By the source's clock.
    pub changed_at: Timestamp,
    /// By the hub's clock.
    pub heard_at: Timestamp,
    /// How the hub heard of it.
    pub telling: Telling,
}

/// How the hub heard what a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// The sink told, while nothing was written to this record.
    Quiet,
    /// The sink told while a write was under way, or after one of which no answer came: this may be what was written.
    Amid,
    /// A receipt says what stood there before the write, and all earlier writes were answered.
    Before,
    /// The same, but an earlier try was not answered and may have written it.
    BeforeAgain,
}

impl Telling {
    fn may_be_echo(self) -> bool {
        matches!(self, Self::Amid | Self::BeforeAgain)
    }

    /// Reading and writing were one call, behind all earlier ones: no late news.
    fn is_current(self) -> bool {
        matches!(self, Self::Before | Self::BeforeAgain)
    }
}

/// What follows from what a record told.
#[derive(Debug, Default, PartialEq)]
pub struct News {
    /// What is shown of each field of which its people said something new.
    pub shown: BTreeMap<Field, Value>,
    /// The record itself shows something else in one of these fields.
    pub overruled: bool,
    /// What its people say of the lead's person is another thing than before in these fields.
    pub person: BTreeSet<Field>,
    /// What is kept of the source is another than before.
    pub changed: bool,
}

/// Takes what the record of a source tells. `shown`: what the lead shows; `trusted`: connectors, the most trusted first.
pub fn hear(sources: &mut Sources, source: &str, fields: &RecordFields, shown: &RecordFields, heard: Heard, trusted: &[String]) -> News {
    let (mut news, shown, number) = (News::default(), values(shown), version(sources) + 1);
    for (field, value) in values(fields) {
        let ours = shown.get(&field);
        let saying = sources.get(source).and_then(|it| it.says.get(&field)).cloned().unwrap_or_default();
        if field.is_of_person() && saying.record.is_none() && is_empty(&value) {
            continue;
        }
        let taken = saying.record.as_ref().map_or(0, |it| it.taken);
        // Rules of the hub may have changed the lead since anybody spoke of it: then nothing that was said before counts any more.
        let is_moved = settled(sources, field, trusted).is_some_and(|it| !ours.is_some_and(|ours| alike(field, ours, &it)));
        let ear = Ear {
            field,
            shown: ours,
            showed: showed_since(sources, field, taken, &value),
            known: is_known(sources, field, &value),
            holding: holding(sources, field, trusted).map(|(_, it)| it.number),
            heard,
            number,
            seen: if is_moved { number - 1 } else { taken },
        };
        let mut after = saying.clone();
        let is_word = ear.take(&mut after, value);
        if after == saying {
            continue;
        }
        news.changed |=
            is_word || after.record.as_ref().map(|it| (&it.value, &it.by)) != saying.record.as_ref().map(|it| (&it.value, &it.by));
        if field.is_of_person() {
            if after.word() != saying.word() {
                news.person.insert(field);
            }
            sources.entry(source.to_owned()).or_default().says.insert(field, after);
            continue;
        }
        let stands = after.record.as_ref().map(|it| it.value.clone());
        sources.entry(source.to_owned()).or_default().says.insert(field, after);
        concede(sources, field, trusted);
        if let Some(value) = settled(sources, field, trusted).filter(|_| is_word) {
            news.overruled |= stands.is_some_and(|it| !alike(field, &it, &value));
            news.shown.insert(field, value);
        }
    }
    news
}

/// One field of what a record tells.
struct Ear<'a> {
    field: Field,
    /// What the lead shows.
    shown: Option<&'a Value>,
    /// The lead showed this since the record's last receipt.
    showed: bool,
    /// Somebody said it, or the lead showed it once.
    known: bool,
    /// The number of the word that is shown.
    holding: Option<u64>,
    heard: Heard,
    /// The number of the word, if it is one.
    number: u64,
    seen: u64,
}

impl Ear<'_> {
    /// True: it is a new word of its people.
    fn take(&self, saying: &mut Saying, value: Value) -> bool {
        if self.field.kind().is_some() {
            return self.take_reach(saying, value);
        }
        let Heard { changed_at: at, telling, .. } = self.heard;
        let is_shown = self.shown.is_some_and(|it| self.alike(it, &value));
        // Who types in what is shown of a person says nothing new; a value of their own that they change for that is another matter.
        let is_no_news = is_shown && self.field.is_of_person() && !matches!(&saying.record, Some(Shows { by: By::People { .. }, .. }));
        let may_be_echo = is_no_news || (telling.may_be_echo() && (is_shown || self.showed));
        let Some(record) = &mut saying.record else {
            return self.put(saying, value, may_be_echo);
        };
        let same = match &record.by {
            By::People { .. } => record.value == value,
            // What the hub wrote reads a little otherwise there: another id of the same person, another word for the same reason.
            By::Hub | By::Echo { .. } => self.alike(&record.value, &value),
        };
        if self.is_late(record, &value) && !(same && telling.is_current()) {
            return self.take_late(saying, value);
        }
        // Nothing else was being written: so what seemed to be an echo was not.
        let is_taken_back = telling == Telling::Before && !is_shown && record.by == By::Echo { crossed: None };
        if same && !is_taken_back {
            (record.value, record.at) = (value, record.at.max(at));
            return false;
        }
        let crossed = match &record.by {
            By::People { crossed, .. } | By::Echo { crossed } => crossed.as_ref().filter(|it| self.alike(&it.value, &value)),
            By::Hub => None,
        };
        if let Some(Crossed { version, .. }) = crossed {
            let before = Some(std::mem::take(&mut record.value));
            *record = Shows { value, at, taken: record.taken.max(*version), before, by: By::Hub, told: true };
            return false;
        }
        self.put(saying, value, may_be_echo)
    }

    /// The phones, or the addresses, of the person. True: what its people say is another thing than before.
    fn take_reach(&self, saying: &mut Saying, value: Value) -> bool {
        let Heard { changed_at: at, telling, .. } = self.heard;
        let is_late = saying.record.as_ref().is_some_and(|it| self.is_late(it, &value));
        if is_late {
            return false;
        }
        let reach = Reach { typed: saying.word().map(|it| &it.value), record: saying.record.as_ref(), shown: self.shown, value: &value };
        if telling.may_be_echo() && reach.may_be_written() {
            let before = saying.record.take();
            let (at, taken) = before.as_ref().map_or((at, 0), |it| (it.at.max(at), it.taken));
            let before = before.map(|it| if it.by == (By::Echo { crossed: None }) { it.before } else { Some(it.value) });
            saying.record = Some(Shows { value, at, taken, before: before.flatten(), by: By::Echo { crossed: None }, told: true });
            return false;
        }
        let typed = reach.typed_in(telling.may_be_echo());
        let is_word = typed != reach.typed_before();
        let by = if is_word { By::People { number: self.number, crossed: None } } else { reach.by() };
        let (at, taken, before) = match saying.record.take() {
            Some(it) => (it.at.max(at), it.taken, Some(it.value)),
            None => (at, 0, None),
        };
        saying.record = Some(Shows { value, at, taken, before, by, told: true });
        if is_word {
            saying.say(self.word(typed, self.seen));
        }
        is_word
    }

    fn put(&self, saying: &mut Saying, value: Value, is_echo: bool) -> bool {
        let by = if is_echo { By::Echo { crossed: None } } else { By::People { number: self.number, crossed: None } };
        let changed_at = self.heard.changed_at;
        let former = saying.record.take().map(|it| (it.at.max(changed_at), it.taken, Some(it.value)));
        let (at, taken, before) = former.unwrap_or((changed_at, 0, None));
        saying.record = Some(Shows { value: value.clone(), at, taken, before, by, told: true });
        if !is_echo {
            saying.say(self.word(value, self.seen));
        }
        !is_echo
    }

    /// Told of the record as it was before what is known of it. What stood there before a write is late where the record was heard of since.
    fn is_late(&self, record: &Shows, value: &Value) -> bool {
        let (at, is_current) = (self.heard.changed_at, self.heard.telling.is_current());
        // Within one moment of the sink's clock.
        let stood = (record.by == By::Hub) != is_current && record.before.as_ref().is_some_and(|it| self.alike(it, value));
        at < record.at || (at == record.at && stood)
    }

    /// An older word of the same people, which comes behind newer news, unless it is what the record showed before for another reason. Whom they had
    /// heard then is not known.
    fn take_late(&self, saying: &mut Saying, value: Value) -> bool {
        let record = saying.record.as_ref().into_iter().flat_map(|it| [Some(&it.value), it.before.as_ref()]);
        let stood = record.flatten().chain(self.shown).any(|it| self.alike(it, &value));
        let is_word = !self.known && !stood;
        if is_word {
            saying.say_late(self.word(value, 0));
        }
        is_word
    }

    fn word(&self, value: Value, seen: u64) -> Word {
        let Heard { changed_at, heard_at, .. } = self.heard;
        let falls_with = self.holding.filter(|_| self.shown.is_some_and(|it| self.alike(it, &value)));
        Word { value, at: changed_at, heard_at, number: self.number, seen, falls_with, instead_of: self.shown.cloned() }
    }

    fn alike(&self, one: &Value, other: &Value) -> bool {
        alike(self.field, one, other)
    }
}

/// Takes what people in the hub decided, which answers all that was heard. `before`: what the lead showed.
pub fn decide(sources: &mut Sources, fields: &RecordFields, before: &RecordFields, at: Timestamp) {
    let (mut before, seen) = (values(before), version(sources));
    let here = sources.entry(HUB.to_owned()).or_default();
    HUB.clone_into(&mut here.connector);
    for (field, value) in values(fields) {
        let word = Word { value, at, heard_at: at, number: seen + 1, seen, falls_with: None, instead_of: before.remove(&field) };
        here.says.entry(field).or_default().say(word);
    }
}

/// What the hub wrote into the record of a sink.
#[derive(Debug, Clone)]
pub struct Writing {
    /// What the lead showed.
    pub fields: RecordFields,
    /// The number of the last word that the hub knew by then.
    pub version: u64,
    /// Tries before this one may have written something else.
    pub retried: bool,
    /// What stood in the record before; None: the connector does not say.
    pub before: Option<Stood>,
}

/// What stood in a record before the hub wrote into it.
#[derive(Debug, Clone)]
pub struct Stood {
    /// Since when, by the sink's clock.
    pub at: Timestamp,
    /// What it said.
    pub fields: RecordFields,
    /// Fields that were written over; the others stay. None: all of which something stood there, and of which the lead says something else.
    pub written: Option<Vec<Field>>,
}

/// Notes that a record took what the hub wrote. True: it is certain what it shows. Else the next write finds out, whose receipt says what stood there.
pub fn wrote(sayings: &mut Sayings, writing: &Writing) -> bool {
    let mut is_certain = true;
    let mut stood = writing.before.as_ref().map(|it| values(&it.fields)).unwrap_or_default();
    for (field, value) in values(&writing.fields) {
        let saying = sayings.entry(field).or_default();
        let ink = Ink { field, value, stood: stood.remove(&field), writing };
        saying.record = match saying.record.take() {
            Some(record) => Some(ink.over(record, &mut is_certain)),
            None => ink.is_written().then(|| ink.first()),
        };
    }
    is_certain
}

/// One field of what was written.
struct Ink<'a> {
    field: Field,
    value: Value,
    stood: Option<Value>,
    writing: &'a Writing,
}

impl Ink<'_> {
    /// The record shows it, unless people changed it since.
    fn is_written(&self) -> bool {
        let written = self.writing.before.as_ref().and_then(|it| it.written.as_ref());
        let stood = self.stood.as_ref().is_some_and(|it| alike(self.field, it, &self.value));
        stood || written.is_none_or(|it| it.contains(&self.field))
    }

    fn before_at(&self) -> Timestamp {
        self.writing.before.as_ref().map_or(Timestamp::UNIX_EPOCH, |it| it.at)
    }

    fn first(self) -> Shows {
        Shows { at: self.before_at(), taken: self.writing.version, before: self.stood, by: By::Hub, value: self.value, told: false }
    }

    fn over(self, record: Shows, is_certain: &mut bool) -> Shows {
        let Writing { version, retried, .. } = *self.writing;
        let (at, taken) = (record.at.max(self.before_at()), record.taken.max(version));
        if alike(self.field, &record.value, &self.value) {
            return match record.by {
                By::People { number, .. } => Shows { at, taken, by: By::People { number, crossed: None }, ..record },
                By::Hub | By::Echo { .. } => Shows { at, taken, before: self.stood.or(record.before), by: By::Hub, ..record },
            };
        }
        let is_told_since = self.writing.before.as_ref().is_some_and(|it| record.at > it.at);
        let stays = self.stood.as_ref().is_some_and(|it| alike(self.field, it, &record.value)) && !self.is_written();
        let crossed = || Some(Crossed { value: self.value.clone(), version });
        match record.by {
            // It came behind this write, or is written over.
            By::People { number, .. } if number > version || is_told_since => {
                *is_certain &= number > version;
                let crossed = if self.is_written() { crossed() } else { None };
                Shows { by: By::People { number, crossed }, ..record }
            }
            // An earlier try wrote it, and nobody answered; or people did, which cannot be told then.
            By::Echo { crossed: None } if retried && (stays || self.is_written()) => {
                *is_certain = false;
                Shows { by: By::Echo { crossed: crossed() }, ..record }
            }
            _ if !self.is_written() => {
                *is_certain &= stays || record.by != By::Echo { crossed: None };
                record
            }
            // The hub wrote no such thing as was told: people did, before this write or after it.
            by => {
                *is_certain &= by != By::Echo { crossed: None };
                let before = Some(self.stood.clone().unwrap_or(record.value));
                Shows { value: self.value, at, taken, before, by: By::Hub, told: false }
            }
        }
    }
}
