//! Phones and addresses of a person in a record: which of them its people typed in, and which the hub wrote.
//!
//! The hub adds what it knows, people add what they know, and a sink may hold fewer than the hub wrote (Odoo has one phone). So what is new in a record is
//! its people's, what was theirs is theirs while it stands, and what the hub wrote is never theirs.

use serde_json::Value;

use super::fields::texts;
use super::words::{By, Shows};

/// What a record tells of one of these fields, and what is known of it.
pub(super) struct Reach<'a> {
    /// Those that its people had typed in.
    pub(super) typed: Option<&'a Value>,
    /// What stood there.
    pub(super) record: Option<&'a Shows>,
    /// All that the hub shows of the person.
    pub(super) shown: Option<&'a Value>,
    /// What stands there now.
    pub(super) value: &'a Value,
}

impl Reach<'_> {
    /// Those that its people have typed in, and that stand there now. `amid`: a write is under way, and may have added what is shown.
    pub(super) fn typed_in(&self, amid: bool) -> Value {
        let (typed, shown) = (self.typed.map(texts).unwrap_or_default(), self.shown.map(texts).unwrap_or_default());
        // The sink holds fewer than were written: that is nobody's word.
        if self.record.is_some_and(|it| it.by == By::Hub && !it.told) && self.is_within(&self.known()) {
            return self.typed_before();
        }
        let (known, now) = (self.known(), texts(self.value));
        let is_ours = |it: &str| known.contains(&it) || ((amid || self.record.is_none()) && shown.contains(&it));
        // What the hub wrote over was not taken away by anybody.
        let left = typed.iter().filter(|it| now.contains(it) || !known.contains(it));
        let new = now.iter().filter(|it| !typed.contains(it) && !is_ours(it));
        left.chain(new).copied().collect()
    }

    /// Those that its people had typed in before.
    pub(super) fn typed_before(&self) -> Value {
        self.typed.cloned().unwrap_or_else(|| Value::Array(Vec::new()))
    }

    /// Nothing stands there that a write which is under way may not have left there, and something else than before.
    pub(super) fn may_be_written(&self) -> bool {
        let Some(record) = self.record else { return false };
        let (mut known, now) = (texts(&record.value), texts(self.value));
        if now.len() == known.len() && self.is_within(&known) {
            return false;
        }
        known.extend(self.shown.map(texts).unwrap_or_default());
        self.is_within(&known)
    }

    /// Who put there what stands there, where nobody said anything new.
    pub(super) fn by(&self) -> By {
        self.record.map(|it| it.by.clone()).filter(|it| matches!(it, By::People { .. })).unwrap_or(By::Hub)
    }

    /// What stood there for certain.
    fn known(&self) -> Vec<&str> {
        match self.record {
            Some(Shows { by: By::Echo { .. }, before, .. }) => before.as_ref().map(texts).unwrap_or_default(),
            Some(Shows { value, .. }) => texts(value),
            None => Vec::new(),
        }
    }

    fn is_within(&self, others: &[&str]) -> bool {
        texts(self.value).iter().all(|it| others.contains(it))
    }
}
