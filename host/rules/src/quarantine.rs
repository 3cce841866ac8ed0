//! When a version of a connector is left alone in one connection: because it traps or runs into its limits again and again there.
//!
//! It is judged connection by connection. What makes one trap is as often a body or a configuration as the code, and a stranger who finds such
//! a body must not stop the connector for everybody; a version that is broken for all is noticed in each.

use std::collections::VecDeque;

use super::retry::Backoff;

/// When a version is put into quarantine, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineRule {
    /// So many more calls must fail than succeed. 0: never.
    pub failures: usize,
    /// Within so many milliseconds.
    pub within_ms: i64,
    /// How long it stays there; `tries` means nothing here.
    pub waits: Backoff,
}

/// A version that is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Since when, milliseconds since 1970 UTC.
    pub since: i64,
    /// It is not called before, milliseconds since 1970 UTC; then one call finds out.
    pub until: i64,
    /// How often it was found no better.
    pub rounds: i64,
    /// What the last call ran into, for people.
    pub reason: String,
}

/// What became of a quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It began, or goes on for longer.
    Stands(Quarantine),
    /// It ended.
    Ended,
}

/// How a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Like any other.
    Free,
    /// It finds out whether the version does better now.
    Probe,
}

/// What is known of a version in one connection.
#[derive(Debug, Default)]
pub struct Conduct {
    /// When calls failed that no success has made up for.
    failures: VecDeque<i64>,
    quarantine: Option<Quarantine>,
    probing: bool,
}

impl Conduct {
    /// What was found before, by this process or another.
    #[must_use]
    pub fn known(quarantine: Option<Quarantine>) -> Self {
        Self { quarantine, ..Self::default() }
    }

    /// The quarantine that it is in.
    #[must_use]
    pub fn quarantine(&self) -> Option<&Quarantine> {
        self.quarantine.as_ref()
    }

    /// Whether it may be called now. The error is why not.
    pub fn enter(&mut self, now: i64) -> Result<Pass, Quarantine> {
        match &self.quarantine {
            None => Ok(Pass::Free),
            Some(it) if self.probing || now < it.until => Err(it.clone()),
            Some(_) => {
                self.probing = true;
                Ok(Pass::Probe)
            }
        }
    }

    /// A call came to an end as it should. True: that ended the quarantine.
    pub fn succeeded(&mut self, pass: Pass) -> bool {
        if pass == Pass::Probe {
            *self = Self::default();
            return true;
        }
        self.failures.pop_front();
        false
    }

    /// A call trapped or ran into a limit. True: the quarantine began, or goes on.
    pub fn failed(&mut self, rule: &QuarantineRule, pass: Pass, now: i64, reason: &str) -> bool {
        let before = match (pass, self.quarantine.take()) {
            // It began before the quarantine did.
            (Pass::Free, Some(it)) => {
                self.quarantine = Some(it);
                return false;
            }
            (Pass::Free, None) => {
                self.failures.push_back(now);
                while self.failures.front().is_some_and(|it| now - it > rule.within_ms) {
                    self.failures.pop_front();
                }
                if rule.failures == 0 || self.failures.len() < rule.failures {
                    // Where it is never reached, nothing is gathered.
                    self.failures.truncate(rule.failures);
                    return false;
                }
                None
            }
            (Pass::Probe, before) => before,
        };
        let (since, rounds) = before.map_or((now, 0), |it| (it.since, it.rounds + 1));
        let until = now.saturating_add(rule.waits.full_ms(rounds + 1));
        *self = Self::known(Some(Quarantine { since, until, rounds, reason: reason.to_owned() }));
        true
    }

    /// The clock was put back (less than zero) or forward by so many milliseconds: what is left alone is so for as long as before.
    pub fn follow_clock(&mut self, by_ms: i64) {
        self.failures.iter_mut().for_each(|at| *at = at.saturating_add(by_ms));
        if let Some(it) = &mut self.quarantine {
            it.until = it.until.saturating_add(by_ms);
        }
    }

    /// A call was given up by whoever made it: nothing is known, and another one may find out.
    pub fn given_up(&mut self, pass: Pass) {
        if pass == Pass::Probe {
            self.probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: QuarantineRule =
        QuarantineRule { failures: 3, within_ms: 1_000, waits: Backoff { first_ms: 100, longest_ms: 350, tries: i64::MAX } };

    fn failing(times: &[i64]) -> Conduct {
        let mut conduct = Conduct::default();
        for at in times {
            let pass = conduct.enter(*at).expect("it is free");
            conduct.failed(&RULE, pass, *at, "it trapped");
        }
        conduct
    }

    #[test]
    fn three_within_the_time_are_needed_and_two_are_not_enough() {
        assert!(failing(&[0, 1]).quarantine().is_none());
        assert!(failing(&[0, 1, 1_002]).quarantine().is_none(), "too far apart");
        let quarantine = failing(&[0, 1, 1_000]).quarantine().cloned().unwrap();
        assert_eq!(quarantine, Quarantine { since: 1_000, until: 1_100, rounds: 0, reason: "it trapped".to_owned() });
    }

    #[test]
    fn a_stranger_who_makes_every_second_call_trap_stops_nobody() {
        let mut conduct = Conduct::default();
        for at in 0..100 {
            let pass = conduct.enter(at).unwrap();
            assert!(!conduct.failed(&RULE, pass, at, "it trapped"));
            let pass = conduct.enter(at).unwrap();
            conduct.succeeded(pass);
        }
    }

    #[test]
    fn one_probe_at_a_time_ends_it_or_doubles_the_wait() {
        let mut conduct = failing(&[0, 0, 0]);
        assert_eq!(conduct.enter(99).unwrap_err().until, 100);
        assert_eq!(conduct.enter(100), Ok(Pass::Probe));
        assert!(conduct.enter(100).is_err(), "one at a time");
        conduct.given_up(Pass::Probe);
        assert_eq!(conduct.enter(110), Ok(Pass::Probe), "nothing was found out");
        for (rounds, wait) in [(1, 200), (2, 350), (3, 350)] {
            assert!(conduct.failed(&RULE, Pass::Probe, 1_000, "still"));
            let now = conduct.quarantine().cloned().unwrap();
            assert_eq!((now.since, now.until, now.rounds), (0, 1_000 + wait, rounds));
            assert_eq!(conduct.enter(5_000), Ok(Pass::Probe));
        }
        assert!(conduct.succeeded(Pass::Probe));
        assert_eq!(conduct.quarantine(), None);
        assert_eq!(conduct.enter(0), Ok(Pass::Free));
    }

    #[test]
    fn a_clock_that_is_put_back_or_forward_makes_a_quarantine_no_longer_and_no_shorter() {
        let mut conduct = failing(&[500, 500, 500]);
        conduct.follow_clock(-86_400_000);
        assert_eq!(conduct.enter(599 - 86_400_000).unwrap_err().until, 600 - 86_400_000);
        conduct.follow_clock(86_400_000);
        assert!(conduct.enter(599).is_err());
        assert_eq!(conduct.enter(600), Ok(Pass::Probe));
        let mut conduct = failing(&[0, 0]);
        conduct.follow_clock(86_400_000);
        assert!(conduct.failed(&RULE, Pass::Free, 86_400_000, "it trapped"), "what failed a moment ago still counts");
    }

    #[test]
    fn a_call_that_was_under_way_decides_nothing_and_without_a_rule_nothing_does() {
        let mut conduct = failing(&[0, 0, 0]);
        assert!(!conduct.failed(&RULE, Pass::Free, 50, "late") && !conduct.succeeded(Pass::Free));
        assert_eq!(conduct.quarantine().unwrap().until, 100);
        let (never, mut conduct) = (QuarantineRule { failures: 0, ..RULE }, Conduct::default());
        assert!((0..100).all(|at| !conduct.failed(&never, Pass::Free, at, "it trapped")));
        assert!(conduct.failures.is_empty());
    }
}
