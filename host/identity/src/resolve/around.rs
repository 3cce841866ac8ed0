//! Some records out of very many: for a store that keeps records and keys in tables, and decides a few people at a time.
//!
//! ```text
//! seeds ─ keys_of ─► (the store looks up blocks) ─ load, close ─► expand ─► neighbours whose blocks must be loaded too ─► … ─► decide ─► people
//! ```
//! What is decided of a record whose blocks were all loaded, and of all that hang together with it, is what an [`Engine`] with all records would decide by
//! the same statistics: a region depends on nothing beyond the blocks of its records.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::engine::SHARED;
use super::keys::{Key, keys};
use super::{Decision, Engine, Settings, Verdict};
use crate::features::{Kind, View, read};
use crate::record::{Record, RecordId};
use crate::symbols::Symbols;
use crate::terms::Terms;

/// Some records, with what decides about them.
pub struct Around {
    engine: Engine,
    partners: FxHashMap<RecordId, Vec<RecordId>>,
}

/// The blocking keys of a record.
#[must_use]
pub fn keys_of(record: &Record, region: &str) -> Vec<Key> {
    let mut symbols = Symbols::default();
    let features = read(record, region, &mut symbols);
    keys(&View::new(&features), &symbols)
}

impl Around {
    /// Nothing is loaded yet. `terms` are the statistics.
    #[must_use]
    pub fn new(settings: &Settings, terms: &Arc<Terms>) -> Self {
        let mut engine = Engine::new(settings);
        engine.count_elsewhere(terms);
        Self { engine, partners: FxHashMap::default() }
    }

    /// Says that a block is too large to say anything of any two of its records.
    pub fn close(&mut self, key: Key) {
        self.engine.close_block(key);
    }

    /// Takes a record in. Nothing is decided yet.
    pub fn load(&mut self, id: RecordId, record: &Record) {
        self.engine.load(id, record);
    }

    /// True of a record that was loaded.
    #[must_use]
    pub fn holds(&self, id: RecordId) -> bool {
        self.engine.person(id).is_some()
    }

    /// Takes in what was decided of two records for ever.
    pub fn answer(&mut self, one: RecordId, other: RecordId, verdict: Verdict) {
        self.engine.note_verdict(one, other, verdict);
        self.partners.entry(one).or_default().push(other);
        self.partners.entry(other).or_default().push(one);
    }

    /// Links a record, whose blocks are all loaded, to whoever it meets; gives those that may be the same person, and whose blocks must be loaded too.
    pub fn expand(&mut self, id: RecordId) -> Vec<RecordId> {
        self.engine.link(id, self.partners.get(&id).map_or(&[], Vec::as_slice));
        self.engine.strong_links(id)
    }

    /// Joins what was expanded.
    pub fn decide(&mut self, ids: &[RecordId]) {
        self.engine.regroup_of(ids);
    }

    /// The record that stands for the person of this one: the first by id.
    #[must_use]
    pub fn person(&self, id: RecordId) -> Option<RecordId> {
        self.engine.person(id)
    }

    /// Records that may be the same person as this one, or are, and their odds in thousandths of a bit.
    #[must_use]
    pub fn links(&self, id: RecordId) -> Vec<(RecordId, i32)> {
        self.engine.links_of(id)
    }

    /// Why two records are one person, or two.
    #[must_use]
    pub fn why(&self, one: RecordId, other: RecordId) -> Option<Decision> {
        self.engine.why(one, other)
    }

    /// The phones, addresses and names of accounts of a record that was expanded, each with the number of people who are known by it.
    #[must_use]
    pub fn known_by(&self, id: RecordId) -> Vec<(Kind, String, u32)> {
        self.engine.known_by_of(id, &SHARED)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::record::{Assurance, Said};

    fn people() -> Vec<Record> {
        let names = ["Иван Петров", "Ivan Petrov", "Мария Петрова", "", "Bob Smith", "Robert Smith"];
        let phones = ["+79123456789", "+79031112233", "", "+14155552671"];
        let cities = ["", "Москва", "Boston"];
        let mut records = Vec::new();
        for (at, name) in names.iter().enumerate() {
            for (bt, phone) in phones.iter().enumerate() {
                let phones =
                    if phone.is_empty() { Vec::new() } else { vec![Said { value: (*phone).into(), assurance: Assurance::Vendor }] };
                let handles = vec![("telegram".to_owned(), format!("{}", (at * 7 + bt) % 9))];
                records.push(Record {
                    full_name: (*name).into(),
                    phones,
                    handles,
                    city: cities[(at + bt) % 3].into(),
                    ..Record::default()
                });
            }
        }
        records
    }

    /// What a store does: blocks by key, records by id, whatever is asked for.
    fn decide(all: &[Record], seed: usize, settings: &Settings) -> (RecordId, BTreeSet<RecordId>) {
        let id = |at: usize| RecordId(at as u128);
        let mut blocks: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (at, record) in all.iter().enumerate() {
            for key in keys_of(record, &settings.region) {
                blocks.entry(key).or_default().push(at);
            }
        }
        let mut around = Around::new(settings, &Arc::default());
        let (mut frontier, mut expanded) = (vec![seed], BTreeSet::new());
        while let Some(at) = frontier.pop() {
            if !expanded.insert(id(at)) {
                continue;
            }
            for key in keys_of(&all[at], &settings.region) {
                let block = &blocks[&key];
                if block.len() > key.largest_block() {
                    around.close(key);
                    continue;
                }
                for other in block {
                    around.load(id(*other), &all[*other]);
                }
            }
            around.load(id(at), &all[at]);
            frontier.extend(around.expand(id(at)).into_iter().map(|it| usize::try_from(it.0).unwrap()));
        }
        around.decide(&expanded.iter().copied().collect::<Vec<_>>());
        let person = around.person(id(seed)).unwrap();
        (person, expanded.into_iter().filter(|it| around.person(*it) == Some(person)).collect())
    }

    #[test]
    fn a_part_of_the_records_decides_as_all_of_them_do() {
        let settings = Settings::shipped("RU");
        let all = people();
        let mut whole = Engine::new(&settings);
        for (at, record) in all.iter().enumerate() {
            whole.add(RecordId(at as u128), record);
        }
        for at in 0..all.len() {
            let (person, group) = decide(&all, at, &settings);
            assert_eq!(whole.person(RecordId(at as u128)), Some(person), "record {at}");
            let theirs: BTreeSet<RecordId> = whole.people().filter(|it| it.1 == person).map(|it| it.0).collect();
            assert_eq!(group, theirs, "record {at}");
        }
    }
}
