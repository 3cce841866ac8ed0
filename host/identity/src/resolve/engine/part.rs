//! What [`super::super::Around`] needs: a part of the records, linked one by one.

use std::sync::Arc;

use super::super::keys::{Key, keys};
use super::{Engine, Verdict};
use crate::features::{Kind, View};
use crate::record::RecordId;
use crate::symbols::Symbols;
use crate::terms::Terms;

impl Engine {
    pub(crate) fn count_elsewhere(&mut self, terms: &Arc<Terms>) {
        self.symbols = Symbols::counted_elsewhere(Arc::clone(terms));
        self.taken = terms.taken;
    }

    pub(crate) fn close_block(&mut self, key: Key) {
        self.index.close(key);
    }

    pub(crate) fn note_verdict(&mut self, one: RecordId, other: RecordId, verdict: Verdict) {
        self.verdicts.insert((one.min(other), one.max(other)), verdict);
    }

    /// Links a record to whoever it meets, and to these.
    pub(crate) fn link(&mut self, id: RecordId, partners: &[RecordId]) {
        let Some(at) = self.places.get(&id).copied() else { return };
        // Its shared identities are counted; nobody is touched, since each record of the region is linked by itself.
        self.recount(at, &mut Vec::new());
        let own = keys(&View::new(&self.entries[at as usize].features), &self.symbols);
        let mut others = self.candidates(&own, at);
        others.extend(partners.iter().filter_map(|it| self.places.get(it).copied()));
        others.sort_unstable();
        others.dedup();
        for other in others {
            self.relink(at, other);
        }
    }

    pub(crate) fn strong_links(&self, id: RecordId) -> Vec<RecordId> {
        self.links_of(id).into_iter().filter(|it| it.1 >= self.table.merge).map(|it| it.0).collect()
    }

    pub(crate) fn links_of(&self, id: RecordId) -> Vec<(RecordId, i32)> {
        let Some(at) = self.places.get(&id) else { return Vec::new() };
        self.links[*at as usize].iter().map(|(other, bits)| (self.entries[*other as usize].id, *bits)).collect()
    }

    pub(crate) fn regroup_of(&mut self, ids: &[RecordId]) {
        let touched = ids.iter().filter_map(|it| self.places.get(it).copied()).collect();
        self.regroup(touched);
    }

    pub(crate) fn known_by_of(&self, id: RecordId, kinds: &[Kind]) -> Vec<(Kind, String, u32)> {
        let Some(at) = self.places.get(&id) else { return Vec::new() };
        let features = self.entries[*at as usize].features.iter().filter(|it| kinds.contains(&it.kind()));
        features.map(|it| (it.kind(), self.symbols.text(it.symbol()).into_owned(), self.known_by(*it))).collect()
    }
}
