//! Watches how a connector's calls end in one connection, and lets none through while its version is in quarantine.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::rules::quarantine::{Change, Conduct, Pass, Quarantine, QuarantineRule};

/// What is known of one version in one connection.
pub(super) struct Watch {
    rule: QuarantineRule,
    seen: Mutex<Seen>,
}

struct Seen {
    conduct: Conduct,
    /// Set when a quarantine begins, goes on or ends, until somebody wrote it down.
    changed: bool,
}

impl Watch {
    pub fn new(rule: QuarantineRule, known: Option<Quarantine>) -> Self {
        Self { rule, seen: Mutex::new(Seen { conduct: Conduct::known(known), changed: false }) }
    }

    /// The right to make one call. Whoever drops it without a word gave the call up.
    pub fn enter(&self, now: i64) -> Result<Permit<'_>, Quarantine> {
        let pass = self.seen().conduct.enter(now)?;
        Ok(Permit { watch: self, pass: Some(pass) })
    }

    pub fn quarantine(&self) -> Option<Quarantine> {
        self.seen().conduct.quarantine().cloned()
    }

    /// As [`Conduct::follow_clock`].
    pub fn follow_clock(&self, by_ms: i64) {
        self.seen().conduct.follow_clock(by_ms);
    }

    /// What is to be written down. None: nothing changed.
    pub fn take_change(&self) -> Option<Change> {
        let mut seen = self.seen();
        let now = || seen.conduct.quarantine().cloned().map_or(Change::Ended, Change::Stands);
        let change = seen.changed.then(now);
        seen.changed = false;
        change
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to make one call.
pub(super) struct Permit<'a> {
    watch: &'a Watch,
    pass: Option<Pass>,
}

impl Permit<'_> {
    pub fn succeeded(mut self) {
        if let Some(pass) = self.pass.take() {
            let mut seen = self.watch.seen();
            seen.changed |= seen.conduct.succeeded(pass);
        }
    }

    pub fn failed(mut self, now: i64, reason: &str) {
        if let Some(pass) = self.pass.take() {
            let mut seen = self.watch.seen();
            seen.changed |= seen.conduct.failed(&self.watch.rule, pass, now, reason);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.watch.seen().conduct.given_up(pass);
        }
    }
}
