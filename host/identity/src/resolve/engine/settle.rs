//! Taking statistics, and deciding everything anew by them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::index::At;
use super::super::keys::keys;
use super::{Engine, SHARED};
use crate::compare::{Reason, Statistics};
use crate::features::{Feature, View};
use crate::weights::Weights;

impl Engine {
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
}
