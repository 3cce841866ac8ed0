//! Links: which records meet, and what they say of each other.

use rustc_hash::FxHashSet;

use super::super::index::At;
use super::super::keys::{Key, LARGEST_BLOCK, keys};
use super::{Engine, SHARED, Verdict};
use crate::features::{Feature, Kind, View};
use crate::record::RecordId;

/// The odds of two records of which a person said that they are one, in thousandths of a bit.
pub(crate) const SAID: i32 = 1_000_000;

impl Engine {
    pub(super) fn candidates(&self, own: &[Key], at: At) -> Vec<At> {
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
    pub(super) fn close(&mut self, key: Key, touched: &mut Vec<At>) {
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

    pub(super) fn known_by(&self, feature: Feature) -> u32 {
        self.people.get(&feature).copied().unwrap_or(1)
    }

    /// Counts anew who is known by the identities of a record.
    pub(super) fn recount(&mut self, at: At, touched: &mut Vec<At>) {
        for feature in self.entries[at as usize].features.clone().iter().filter(|it| SHARED.contains(&it.kind())) {
            self.recount_one(*feature, touched);
        }
    }

    pub(super) fn recount_one(&mut self, feature: Feature, touched: &mut Vec<At>) {
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
    pub(super) fn count_people(&self, feature: Feature) -> u32 {
        let key = Key::identity(feature, &self.symbols);
        let block = self.index.block(key);
        if self.index.is_closed(key) {
            return u32::try_from(LARGEST_BLOCK + 1).unwrap_or(u32::MAX);
        }
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
    pub(super) fn odds(&self, a: At, b: At) -> Option<i32> {
        // Sums are the same from either side, but the better half of a swapped name is not: the smaller id always comes first.
        let (a, b) = if self.entries[a as usize].id <= self.entries[b as usize].id { (a, b) } else { (b, a) };
        if !self.verdicts.is_empty() {
            match self.verdicts.get(&(self.entries[a as usize].id, self.entries[b as usize].id)) {
                Some(Verdict::Same) => return Some(SAID),
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

    pub(super) fn relink(&mut self, one: At, other: At) {
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
}
