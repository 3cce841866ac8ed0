//! The engine: records in memory, people out.

mod links;
mod part;
mod regions;
mod settle;
mod tell;

pub(crate) use links::SAID;
use rustc_hash::FxHashMap;

use super::index::{At, Index};
use super::keys::keys;
use crate::compare::{Comparer, Reason, Statistics};
use crate::features::{Feature, Kind, View, read};
use crate::record::{Record, RecordId};
use crate::symbols::Symbols;
use crate::weights::{Table, Weights};

/// What the engine is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// ISO 3166 country of phones without a country code.
    pub region: String,
    /// Weights.
    pub weights: Weights,
}

impl Settings {
    /// The shipped weights.
    #[must_use]
    pub fn shipped(region: &str) -> Self {
        Self { region: region.to_owned(), weights: Weights::shipped() }
    }
}

/// What a person said of two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// One person.
    Same,
    /// Two people, whatever comes.
    Different,
}

/// Why two records are one person, or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The odds before anything was compared, in thousandths of a bit.
    pub prior: i32,
    /// Field by field.
    pub reasons: Vec<Reason>,
    /// The sum.
    pub total: i32,
    /// What a person said.
    pub verdict: Option<Verdict>,
}

/// Two people who may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// A record of the one.
    pub one: RecordId,
    /// A record of the other: of all pairs, the likeliest.
    pub other: RecordId,
    /// Their odds in thousandths of a bit.
    pub bits: i32,
}

#[derive(Debug, Clone)]
struct Entry {
    id: RecordId,
    /// Empty when it was withdrawn.
    features: Box<[Feature]>,
}

/// Records in memory, and who is who among them.
#[derive(Clone)]
pub struct Engine {
    region: String,
    table: Table,
    symbols: Symbols,
    entries: Vec<Entry>,
    places: FxHashMap<RecordId, At>,
    index: Index,
    /// Links of each record, to others.
    links: Vec<Vec<(At, i32)>>,
    /// The first record of each record's person.
    person: Vec<At>,
    /// By how many people a shared identity is known; those that are missing here are known by one.
    people: FxHashMap<Feature, u32>,
    verdicts: FxHashMap<(RecordId, RecordId), Verdict>,
    live: usize,
    taken: Statistics,
    settled: usize,
}

/// Kinds whose values several people may share.
pub(crate) const SHARED: [Kind; 3] = [Kind::Phone, Kind::Email, Kind::Username];

impl Engine {
    /// An engine without records.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            region: settings.region.clone(),
            table: settings.weights.table(),
            symbols: Symbols::default(),
            entries: Vec::new(),
            places: FxHashMap::default(),
            index: Index::default(),
            links: Vec::new(),
            person: Vec::new(),
            people: FxHashMap::default(),
            verdicts: FxHashMap::default(),
            live: 0,
            taken: Statistics::default(),
            settled: 0,
        }
    }

    /// Records that are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// True where none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Takes a record in, or its new content, and decides whose it is. A record that is there already changes nothing.
    pub fn add(&mut self, id: RecordId, record: &Record) {
        let Some(at) = self.store(id, record) else { return };
        let mut touched = vec![at];
        let own = keys(&View::new(&self.entries[at as usize].features), &self.symbols);
        for key in &own {
            let size = self.index.insert(*key, at);
            if size == key.largest_block() + 1 {
                self.close(*key, &mut touched);
            }
        }
        self.recount(at, &mut touched);
        let others = self.candidates(&own, at);
        for other in others {
            self.relink(at, other);
        }
        self.regroup(touched);
    }

    /// Takes a record back, and with it everything that followed from it.
    pub fn withdraw(&mut self, id: RecordId) {
        let Some(at) = self.places.remove(&id) else { return };
        let features = std::mem::take(&mut self.entries[at as usize].features);
        for feature in &features {
            self.symbols.count(feature.symbol(), false);
        }
        self.live -= 1;
        let mut touched: Vec<At> = Vec::new();
        for (other, _) in std::mem::take(&mut self.links[at as usize]) {
            self.links[other as usize].retain(|it| it.0 != at);
            touched.push(other);
        }
        let mut opened = Vec::new();
        for key in keys(&View::new(&features), &self.symbols) {
            if self.index.remove(key, at) == key.largest_block() {
                opened.push(key);
            }
        }
        for key in opened {
            let block = self.index.block(key).to_vec();
            for (at, one) in block.iter().enumerate() {
                for other in &block[at + 1..] {
                    self.relink(*one, *other);
                }
            }
            touched.extend(block);
        }
        for feature in features.iter().filter(|it| SHARED.contains(&it.kind())) {
            self.recount_one(*feature, &mut touched);
        }
        self.person[at as usize] = at;
        self.regroup(touched);
    }

    /// Takes records in without deciding anything yet; [`Engine::settle`] decides.
    pub fn load(&mut self, id: RecordId, record: &Record) {
        let Some(at) = self.store(id, record) else { return };
        for key in keys(&View::new(&self.entries[at as usize].features), &self.symbols) {
            self.index.insert(key, at);
        }
    }

    /// Says that two records are one person, or two.
    pub fn answer(&mut self, one: RecordId, other: RecordId, verdict: Option<Verdict>) {
        let pair = (one.min(other), one.max(other));
        match verdict {
            Some(verdict) => self.verdicts.insert(pair, verdict),
            None => self.verdicts.remove(&pair),
        };
        if let (Some(a), Some(b)) = (self.places.get(&one).copied(), self.places.get(&other).copied()) {
            self.relink(a, b);
            self.regroup(vec![a, b]);
        }
    }

    fn store(&mut self, id: RecordId, record: &Record) -> Option<At> {
        let features = read(record, &self.region, &mut self.symbols);
        if let Some(at) = self.places.get(&id) {
            if self.entries[*at as usize].features == features {
                return None;
            }
            self.withdraw(id);
        }
        for feature in &features {
            self.symbols.count(feature.symbol(), true);
        }
        let at = At::try_from(self.entries.len()).expect("fewer than two thousand million records fit into memory");
        self.entries.push(Entry { id, features });
        self.places.insert(id, at);
        self.links.push(Vec::new());
        self.person.push(at);
        self.live += 1;
        Some(at)
    }

    pub(super) fn is_gone(&self, at: At) -> bool {
        self.places.get(&self.entries[at as usize].id) != Some(&at)
    }

    pub(super) fn view(&self, at: At) -> View<'_> {
        View::new(&self.entries[at as usize].features)
    }

    pub(super) fn comparer(&self) -> Comparer<'_> {
        Comparer { symbols: &self.symbols, table: &self.table, taken: self.taken }
    }
}
