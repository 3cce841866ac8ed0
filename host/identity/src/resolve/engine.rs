//! The engine: records in memory, people out.

use rustc_hash::{FxHashMap, FxHashSet};

use super::index::{At, Index};
use super::join::{Link, join};
use super::keys::{Key, LARGEST_BLOCK, keys};
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
const SHARED: [Kind; 3] = [Kind::Phone, Kind::Email, Kind::Username];

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

    /// True when so many records came since statistics were last taken that they should be taken anew.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.live >= 200 && self.live >= self.settled * 2
    }

    /// Takes statistics, and decides everything anew by them: once with every record taken for a person of its own, to see how many people there
    /// are and how often each is written down, then once more by the frequencies among people.
    #[expect(clippy::cast_precision_loss, reason = "statistics are estimates")]
    pub fn settle(&mut self) {
        let all: Vec<At> = (0..self.entries.len()).filter_map(|it| At::try_from(it).ok()).filter(|it| !self.is_gone(*it)).collect();
        self.settled = self.live;
        self.symbols.settle();
        self.taken = Statistics { records: all.len() as f32, people: all.len() as f32, doubles: 0.5 };
        self.decide_all(&all);
        let mut people: FxHashMap<At, Vec<Feature>> = FxHashMap::default();
        let mut sizes: FxHashMap<At, usize> = FxHashMap::default();
        for at in &all {
            let person = self.person[*at as usize];
            people.entry(person).or_default().extend(self.entries[*at as usize].features.iter());
            *sizes.entry(person).or_default() += 1;
        }
        let pairs: usize = sizes.values().map(|it| it * (it - 1)).sum();
        self.taken =
            Statistics { records: all.len() as f32, people: people.len() as f32, doubles: pairs as f32 / (all.len() as f32).max(1.0) };
        for features in people.values_mut() {
            let mut seen: Vec<usize> = Vec::new();
            features.sort_unstable();
            features.retain(|it| {
                let counted = self.symbols.counted(it.symbol());
                let first = !seen.contains(&counted);
                seen.push(counted);
                first
            });
        }
        self.symbols.settle_people(people.into_values().flatten().map(Feature::symbol));
        self.decide_all(&all);
    }

    fn decide_all(&mut self, all: &[At]) {
        self.people.clear();
        for links in &mut self.links {
            links.clear();
        }
        let mut known: FxHashSet<Feature> = FxHashSet::default();
        for at in all {
            for feature in self.entries[*at as usize].features.clone().iter().filter(|it| SHARED.contains(&it.kind())) {
                if known.insert(*feature) {
                    let people = self.count_people(*feature);
                    if people > 1 {
                        self.people.insert(*feature, people);
                    }
                }
            }
        }
        drop(known);
        for at in all {
            let own = keys(&View::new(&self.entries[*at as usize].features), &self.symbols);
            let mut others = self.candidates(&own, *at);
            others.retain(|it| it < at);
            for other in others {
                self.relink(*at, other);
            }
        }
        for (one, other) in self.verdicts.keys().copied().collect::<Vec<_>>() {
            if let (Some(a), Some(b)) = (self.places.get(&one).copied(), self.places.get(&other).copied()) {
                self.relink(a, b);
            }
        }
        self.regroup(all.to_vec());
    }

    /// Decides everything anew by the statistics that were taken last.
    #[cfg(test)]
    pub(crate) fn decide_anew(&mut self) {
        let all: Vec<At> = (0..self.entries.len()).filter_map(|it| At::try_from(it).ok()).filter(|it| !self.is_gone(*it)).collect();
        self.decide_all(&all);
    }

    /// The record that stands for the person of this record: the first by id.
    #[must_use]
    pub fn person(&self, id: RecordId) -> Option<RecordId> {
        let at = self.places.get(&id)?;
        Some(self.entries[self.person[*at as usize] as usize].id)
    }

    /// Every record with the one that stands for its person, in no order.
    pub fn people(&self) -> impl Iterator<Item = (RecordId, RecordId)> + '_ {
        self.places.iter().map(|(id, at)| (*id, self.entries[self.person[*at as usize] as usize].id))
    }

    /// Why two records are one person, or two.
    #[must_use]
    pub fn why(&self, one: RecordId, other: RecordId) -> Option<Decision> {
        let (a, b) = (*self.places.get(&one.min(other))?, *self.places.get(&one.max(other))?);
        let comparer = self.comparer();
        let mut reasons = Vec::new();
        let (a, b) = (self.view(a), self.view(b));
        let total = comparer.compare(&a, &b, |it| self.known_by(it), |field, level, milli| reasons.push(Reason { field, level, milli }));
        let prior = comparer.prior();
        let verdict = self.verdicts.get(&(one.min(other), one.max(other))).copied();
        Some(Decision { prior, reasons, total, verdict })
    }

    /// Pairs of people who may be one, the likeliest first.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        let mut best: FxHashMap<(At, At), Question> = FxHashMap::default();
        for (one, links) in self.links.iter().enumerate() {
            for (other, bits) in links.iter().filter(|it| (it.0 as usize) < one) {
                let (here, there) = (self.person[one], self.person[*other as usize]);
                let (one, other) = (self.entries[one].id, self.entries[*other as usize].id);
                let verdict = self.verdicts.get(&(one.min(other), one.max(other)));
                if here == there || verdict.is_some() {
                    continue;
                }
                let question = Question { one: one.min(other), other: one.max(other), bits: *bits };
                let rank = |it: &Question| (it.bits, std::cmp::Reverse((it.one, it.other)));
                best.entry((here.min(there), here.max(there)))
                    .and_modify(|it| {
                        if rank(&question) > rank(it) {
                            *it = question;
                        }
                    })
                    .or_insert(question);
            }
        }
        let mut questions: Vec<Question> = best.into_values().collect();
        questions.sort_unstable_by_key(|it| (std::cmp::Reverse(it.bits), it.one, it.other));
        questions
    }

    /// Hands out every pair that blocking brings together: the odds before comparing, and the reasons.
    pub(crate) fn each_candidate(&self, mut hear: impl FnMut(i32, &[Reason])) {
        let comparer = self.comparer();
        let prior = comparer.prior();
        let mut reasons = Vec::new();
        for (at, entry) in (0..).zip(&self.entries).filter(|it| !self.is_gone(it.0)) {
            let view = View::new(&entry.features);
            for other in self.candidates(&keys(&view, &self.symbols), at).into_iter().filter(|it| *it < at) {
                let (a, b) = if self.entries[other as usize].id < entry.id { (self.view(other), view) } else { (view, self.view(other)) };
                reasons.clear();
                comparer.compare(&a, &b, |it| self.known_by(it), |field, level, milli| reasons.push(Reason { field, level, milli }));
                hear(prior, &reasons);
            }
        }
    }

    /// The same records under other weights, decided anew.
    #[must_use]
    pub fn under(&self, weights: &Weights) -> Self {
        let mut other = Self { table: weights.table(), ..self.clone() };
        other.settle();
        other
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

    fn is_gone(&self, at: At) -> bool {
        self.places.get(&self.entries[at as usize].id) != Some(&at)
    }

    fn view(&self, at: At) -> View<'_> {
        View::new(&self.entries[at as usize].features)
    }

    fn comparer(&self) -> Comparer<'_> {
        Comparer { symbols: &self.symbols, table: &self.table, taken: self.taken }
    }

    fn candidates(&self, own: &[Key], at: At) -> Vec<At> {
        let mut others: Vec<At> = Vec::new();
        for key in own {
            others.extend_from_slice(self.index.open_block(*key));
        }
        others.sort_unstable();
        others.dedup();
        others.retain(|it| *it != at);
        others
    }

    /// True when two records have an open block in common.
    fn meet(&self, one: At, other: At) -> bool {
        let theirs = keys(&self.view(other), &self.symbols);
        keys(&self.view(one), &self.symbols).iter().any(|key| theirs.binary_search(key).is_ok() && !self.index.open_block(*key).is_empty())
    }

    /// A block has become too large: pairs that met nowhere else are no longer linked.
    fn close(&mut self, key: Key, touched: &mut Vec<At>) {
        let block: FxHashSet<At> = self.index.block(key).iter().copied().collect();
        for one in &block {
            let gone: Vec<At> = self.links[*one as usize]
                .iter()
                .map(|it| it.0)
                .filter(|it| it > one && block.contains(it) && !self.meet(*one, *it))
                .collect();
            for other in gone {
                let (a, b) = (self.entries[*one as usize].id, self.entries[other as usize].id);
                if self.verdicts.contains_key(&(a.min(b), a.max(b))) {
                    continue;
                }
                self.unlink(*one, other);
                touched.extend([*one, other]);
            }
        }
    }

    fn known_by(&self, feature: Feature) -> u32 {
        self.people.get(&feature).copied().unwrap_or(1)
    }

    /// Counts anew who is known by the identities of a record.
    fn recount(&mut self, at: At, touched: &mut Vec<At>) {
        for feature in self.entries[at as usize].features.clone().iter().filter(|it| SHARED.contains(&it.kind())) {
            self.recount_one(*feature, touched);
        }
    }

    fn recount_one(&mut self, feature: Feature, touched: &mut Vec<At>) {
        let people = self.count_people(feature);
        let before = if people > 1 { self.people.insert(feature, people).unwrap_or(1) } else { self.people.remove(&feature).unwrap_or(1) };
        if before == people {
            return;
        }
        let block = self.index.open_block(Key::identity(feature, &self.symbols)).to_vec();
        for (at, one) in block.iter().enumerate() {
            for other in &block[at + 1..] {
                self.relink(*one, *other);
            }
        }
        touched.extend(block);
    }

    /// By how many people an identity is known: as many as there are names among its records of which no two may be one person's. Full names speak
    /// first; records without a name count for nobody.
    fn count_people(&self, feature: Feature) -> u32 {
        let block = self.index.block(Key::identity(feature, &self.symbols));
        if block.len() < 2 {
            return 1;
        }
        if block.len() > LARGEST_BLOCK {
            return u32::try_from(block.len()).unwrap_or(u32::MAX);
        }
        let mut named: Vec<(bool, bool, RecordId, View<'_>)> = Vec::with_capacity(block.len());
        for at in block {
            let view = self.view(*at);
            let (given, surname) = (view.one(Kind::Given).is_some(), view.one(Kind::Surname).is_some());
            if given || surname {
                named.push((!(given && surname), !given, self.entries[*at as usize].id, view));
            }
        }
        named.sort_unstable_by_key(|it| (it.0, it.1, it.2));
        let comparer = self.comparer();
        let mut people: Vec<&View<'_>> = Vec::new();
        for (.., view) in &named {
            if !people.iter().any(|it| comparer.may_be_one(it, view)) {
                people.push(view);
            }
        }
        u32::try_from(people.len().max(1)).unwrap_or(u32::MAX)
    }

    /// The odds of two records in thousandths of a bit; none where a person said that they are two.
    fn odds(&self, a: At, b: At) -> Option<i32> {
        // Sums are the same from either side, but the better half of a swapped name is not: the smaller id always comes first.
        let (a, b) = if self.entries[a as usize].id <= self.entries[b as usize].id { (a, b) } else { (b, a) };
        if !self.verdicts.is_empty() {
            match self.verdicts.get(&(self.entries[a as usize].id, self.entries[b as usize].id)) {
                Some(Verdict::Same) => return Some(1_000_000),
                Some(Verdict::Different) => return None,
                None => {}
            }
        }
        let comparer = self.comparer();
        Some(comparer.compare(&self.view(a), &self.view(b), |it| self.known_by(it), |_, _, _| {}))
    }

    fn unlink(&mut self, one: At, other: At) {
        self.links[one as usize].retain(|it| it.0 != other);
        self.links[other as usize].retain(|it| it.0 != one);
    }

    fn relink(&mut self, one: At, other: At) {
        if one == other {
            return;
        }
        if !self.links[one as usize].is_empty() && !self.links[other as usize].is_empty() {
            self.unlink(one, other);
        }
        if let Some(bits) = self.odds(one, other).filter(|it| *it >= self.table.ask) {
            self.links[one as usize].push((other, bits));
            self.links[other as usize].push((one, bits));
        }
    }

    /// Joins anew every region that one of these records belongs to.
    fn regroup(&mut self, touched: Vec<At>) {
        let mut seen: FxHashSet<At> = FxHashSet::default();
        for start in touched {
            if !seen.insert(start) {
                continue;
            }
            let mut members = vec![start];
            let mut next = 0;
            while next < members.len() {
                for (other, _) in self.links[members[next] as usize].iter().filter(|it| it.1 >= self.table.merge) {
                    if seen.insert(*other) {
                        members.push(*other);
                    }
                }
                next += 1;
            }
            self.join_region(members);
        }
    }

    fn join_region(&mut self, mut members: Vec<At>) {
        if let [only] = members.as_slice() {
            self.person[*only as usize] = *only;
            return;
        }
        let id = |at: At| self.entries[at as usize].id;
        members.sort_unstable_by_key(|it| id(*it));
        let mut links: Vec<Link> = Vec::new();
        for one in &members {
            links.extend(
                self.links[*one as usize].iter().filter(|it| it.1 >= self.table.merge && id(*one) < id(it.0)).map(|(other, bits)| Link {
                    a: *one,
                    b: *other,
                    bits: *bits,
                }),
            );
        }
        links.sort_unstable_by_key(|it| (std::cmp::Reverse(it.bits), id(it.a), id(it.b)));
        let groups = join(&members, &links, self.table.together + self.comparer().prior(), |a, b| self.odds(a, b));
        for group in groups {
            for it in &group {
                self.person[*it as usize] = group[0];
            }
        }
    }
}
