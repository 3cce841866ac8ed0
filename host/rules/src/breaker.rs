//! When a vendor is left alone: because it said so, or because it seems to be down.

use std::collections::BTreeSet;

use super::retry::Backoff;

/// A vendor that names a later time is asked again after so long all the same, milliseconds: a day and an hour, for daily quotas.
pub const LONGEST_HOLD_MS: i64 = 25 * 3_600_000;

/// What one try told of the vendor itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nothing: it was not asked.
    Unknown,
    /// It answered.
    Up,
    /// No answer, an answer that broke off, or a 5xx.
    Down,
    /// It wants to be left alone, for so many milliseconds where it said so.
    Busy(Option<i64>),
}

/// Why a connection's vendor is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It said when it may be asked again; then all goes on.
    After,
    /// It seems to be down: from then on one lane at a time tries.
    Breaker {
        /// Probes that failed.
        probes: i64,
        /// True while a lane tries.
        probing: bool,
    },
}

/// A connection whose vendor is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub why: Why,
    /// Since when, milliseconds since 1970 UTC.
    pub since: i64,
    /// Nothing is asked before, milliseconds since 1970 UTC.
    pub until: i64,
    /// `code: message` of the failure that caused it.
    pub reason: String,
}

/// When a breaker opens, and how far apart its probes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRule {
    /// Lanes in a row that must find the vendor down. 0: it never opens.
    pub failures: usize,
    /// Between probes; `tries` means nothing here.
    pub probes: Backoff,
}

/// The failures since the vendor last answered.
#[derive(Debug, Default)]
pub struct Run {
    lanes: BTreeSet<String>,
    busy: i64,
}

impl Run {
    /// Takes note of a try of a lane, and says whether the vendor is to be left alone from now on. One lane that fails again and again
    /// says nothing of the vendor, so only different ones count. `random` spreads out the probes.
    pub fn note(&mut self, rule: &BreakerRule, lane: &str, health: &Health, reason: &str, now: i64, random: u32) -> Option<Hold> {
        let hold = |why, wait: i64| Some(Hold { why, since: now, until: now.saturating_add(wait), reason: reason.to_owned() });
        match health {
            Health::Unknown => None,
            Health::Up => {
                *self = Self::default();
                None
            }
            Health::Busy(said) => {
                self.lanes.clear();
                self.busy += 1;
                // Never at once, so that a vendor that says "after 0 ms" is not asked in a circle.
                let own = rule.probes.full_ms(self.busy);
                hold(Why::After, said.map_or(own, |it| it.max(rule.probes.first_ms.min(1_000))).min(LONGEST_HOLD_MS))
            }
            Health::Down => {
                self.lanes.insert(lane.to_owned());
                if rule.failures == 0 || self.lanes.len() < rule.failures {
                    return None;
                }
                self.lanes.clear();
                hold(Why::Breaker { probes: 0, probing: false }, spread(&rule.probes, 1, random))
            }
        }
    }
}

/// What `Retry-After` says (RFC 9110, section 10.2.3), as milliseconds from now: seconds or a date. None: neither.
#[must_use]
pub fn retry_after(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds) * 1_000);
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some((at.as_millisecond() - now).max(0))
}

/// What becomes of a breaker by its probe. None: it closes.
#[must_use]
pub fn probed(rule: &BreakerRule, probes: i64, health: &Health, now: i64, random: u32) -> Option<i64> {
    matches!(health, Health::Down).then(|| now.saturating_add(spread(&rule.probes, probes + 2, random)))
}

/// Between half of the full wait and all of it.
fn spread(backoff: &Backoff, failures: i64, random: u32) -> i64 {
    let full = backoff.full_ms(failures);
    full / 2 + backoff.wait_ms(failures, random) / 2
}

/// The hold that results when a new one meets one that is there: a breaker that is open stays so until its probe says otherwise, and no
/// wait becomes shorter.
#[must_use]
pub fn joined(there: Option<Hold>, new: Hold) -> Hold {
    match there {
        Some(Hold { why: why @ Why::Breaker { .. }, since, until, reason }) => Hold { why, since, until: until.max(new.until), reason },
        Some(there) if there.why == new.why => Hold { since: there.since, until: there.until.max(new.until), ..new },
        Some(_) | None => new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: BreakerRule = BreakerRule { failures: 3, probes: Backoff { first_ms: 5_000, longest_ms: 300_000, tries: i64::MAX } };

    fn note(run: &mut Run, lane: &str, health: &Health) -> Option<Hold> {
        run.note(&RULE, lane, health, "vendor.http_502: no", 1_000_000, u32::MAX)
    }

    #[test]
    fn it_opens_after_failures_of_different_lanes_in_a_row() {
        let mut run = Run::default();
        for lane in ["a", "a", "a", "a", "b"] {
            assert_eq!(note(&mut run, lane, &Health::Down), None, "one stuck lead is no vendor that is down");
        }
        assert_eq!(note(&mut run, "c", &Health::Up), None);
        for lane in ["a", "b"] {
            assert_eq!(note(&mut run, lane, &Health::Down), None, "the answer began a new row");
        }
        assert_eq!(note(&mut run, "d", &Health::Unknown), None);
        let hold = note(&mut run, "c", &Health::Down).unwrap();
        assert_eq!((hold.why, hold.until), (Why::Breaker { probes: 0, probing: false }, 1_005_000));
        let never = BreakerRule { failures: 0, ..RULE };
        assert!((0..99).all(|it| Run::default().note(&never, &it.to_string(), &Health::Down, "", 0, 0).is_none()));
    }

    #[test]
    fn what_the_vendor_says_is_obeyed_within_reason() {
        let until = |said| note(&mut Run::default(), "a", &Health::Busy(said)).unwrap().until - 1_000_000;
        assert_eq!(until(Some(90_000)), 90_000);
        assert_eq!(until(Some(0)), 1_000, "never at once");
        assert_eq!(until(Some(i64::MAX)), LONGEST_HOLD_MS, "never for ever");
        let mut run = Run::default();
        let waits = [(); 3].map(|()| note(&mut run, "a", &Health::Busy(None)).unwrap().until - 1_000_000);
        assert_eq!(waits, [5_000, 10_000, 20_000], "a vendor that names no time is asked less and less often");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 120 ", 0), Some(120_000));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 10_000), Some(50_000));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 90_000), Some(0), "a date that is over");
        assert_eq!((retry_after("soon", 0), retry_after("-1", 0)), (None, None));
    }

    #[test]
    fn probes_come_at_longer_and_longer_intervals_until_the_vendor_answers() {
        let next: Vec<i64> = (0..8).map(|it| probed(&RULE, it, &Health::Down, 0, u32::MAX).unwrap()).collect();
        assert_eq!(next, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
        assert_eq!(probed(&RULE, 0, &Health::Down, 0, 0), Some(5_000), "half of it at least");
        assert_eq!(probed(&RULE, 9, &Health::Up, 0, 0), None);
        assert_eq!(probed(&RULE, 9, &Health::Unknown, 0, 0), None, "a probe that never came to the vendor must not keep it shut");
    }

    #[test]
    fn holds_join_without_getting_shorter() {
        let hold = |why, since, until| Hold { why, since, until, reason: String::new() };
        let breaker = Why::Breaker { probes: 4, probing: true };
        let closed = Why::Breaker { probes: 0, probing: false };
        assert_eq!(joined(None, hold(Why::After, 5, 9)), hold(Why::After, 5, 9));
        assert_eq!(joined(Some(hold(Why::After, 1, 20)), hold(Why::After, 5, 9)), hold(Why::After, 1, 20));
        assert_eq!(joined(Some(hold(Why::After, 1, 20)), hold(closed.clone(), 5, 9)), hold(closed.clone(), 5, 9));
        assert_eq!(joined(Some(hold(breaker.clone(), 1, 20)), hold(closed, 5, 9)), hold(breaker, 1, 20));
    }
}
