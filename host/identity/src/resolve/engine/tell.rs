//! What was found: people, reasons, questions.

use rustc_hash::FxHashMap;

use super::super::index::At;
use super::{Decision, Engine, Question};
use crate::compare::Reason;
use crate::record::RecordId;

impl Engine {
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
}
