//! What the people who keep a hub must hear of, connection by connection.

use super::breaker::{Hold, Why};

/// Fewer tries say nothing of a share.
const FEWEST_TRIES: i64 = 10;
/// Fewer deliveries say nothing of what is usual.
const FEWEST_TALKS: i64 = 20;
/// Nobody is called silent sooner, milliseconds.
const SHORTEST_SILENCE_MS: i64 = 3_600_000;
/// After so long without a look, nobody knows when a connection talked meanwhile, milliseconds.
const LONGEST_LOOK_MS: i64 = 300_000;
/// Tries in a row to tell a vendor where to post that must fail: some two minutes.
const UNREGISTERED_FAILURES: i64 = 5;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The vendor refused the credential.
    Authorisation,
    /// The connector's version is left alone.
    Quarantined,
    /// The vendor seems to be down.
    Down,
    /// The oldest command waits too long.
    Waiting,
    /// Too many tries fail.
    Failing,
    /// The vendor does not take the address to post to.
    Unregistered,
    /// A connection that usually talks does not.
    Silent,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Authorisation, Self::Quarantined, Self::Down, Self::Waiting, Self::Failing, Self::Unregistered, Self::Silent];

    /// As it stands in the database, in the API and in webhooks.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorisation => "authorisation",
            Self::Quarantined => "quarantined",
            Self::Down => "down",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Unregistered => "unregistered",
            Self::Silent => "silent",
        }
    }
}

/// When an alert is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Age of the oldest command that waits, milliseconds.
    pub waiting_ms: i64,
    /// Share of tries that failed, percent.
    pub failing_percent: i64,
}

/// When a connection talked: what is usual for it is learned from its own pauses, so that nights and weekends alarm nobody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Talk {
    /// Deliveries so far.
    pub received: i64,
    /// When the last one was seen, milliseconds since 1970 UTC.
    pub talked_at: i64,
    /// Longest pause between two that was seen, milliseconds. Each new one takes a hundredth off, so that one long holiday is forgotten.
    pub longest_ms: i64,
    /// Pauses that were seen.
    pub talks: i64,
    /// When it was last looked at, milliseconds since 1970 UTC.
    pub looked_at: i64,
}

impl Talk {
    /// What is known after another look.
    #[must_use]
    pub fn look(self, received: i64, now: i64) -> Self {
        let watched = self.looked_at > 0 && now - self.looked_at <= LONGEST_LOOK_MS;
        if !watched {
            // What happened meanwhile is unknown: the pause begins anew.
            return Self { received, talked_at: now, looked_at: now, ..self };
        }
        if received == self.received {
            return Self { looked_at: now, ..self };
        }
        let pause = now - self.talked_at;
        let longest_ms = pause.max(self.longest_ms - self.longest_ms / 100);
        Self { received, talked_at: now, longest_ms, talks: self.talks + 1, looked_at: now }
    }

    /// How long it has been silent, where that is more than half as long again as its longest pause; milliseconds.
    #[must_use]
    pub fn silence(self) -> Option<i64> {
        let silence = self.looked_at - self.talked_at;
        let usual = (self.longest_ms + self.longest_ms / 2).max(SHORTEST_SILENCE_MS);
        (self.talks >= FEWEST_TALKS && silence > usual).then_some(silence)
    }
}

/// What is known of a connection.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Why its credential was refused.
    pub broken: Option<String>,
    /// Why its connector's version is left alone.
    pub quarantine: Option<String>,
    /// What holds it up.
    pub hold: Option<Hold>,
    /// Age of its oldest command that waits, milliseconds.
    pub oldest_ms: Option<i64>,
    /// Tries of late, and those that failed.
    pub tries: (i64, i64),
    /// How many tries in a row failed to tell the vendor where to post, and why the last one did.
    pub unregistered: Option<(i64, String)>,
    /// When it talked.
    pub talk: Talk,
}

/// The alerts that are due, with their reasons for people.
#[must_use]
pub fn due(facts: &Facts, rule: &Rule) -> Vec<(Kind, String)> {
    let mut due = Vec::new();
    if let Some(reason) = &facts.broken {
        due.push((Kind::Authorisation, format!("the vendor refused the credential: {reason}")));
    }
    if let Some(reason) = &facts.quarantine {
        due.push((Kind::Quarantined, format!("the connector is in quarantine after repeated faults: {reason}")));
    }
    if let Some(Hold { why: Why::Breaker { .. }, reason, .. }) = &facts.hold {
        due.push((Kind::Down, format!("the vendor seems to be down: {reason}")));
    }
    if let Some(age) = facts.oldest_ms.filter(|it| *it >= rule.waiting_ms) {
        due.push((Kind::Waiting, format!("the oldest command has waited for {}", minutes(age))));
    }
    let (tries, failed) = facts.tries;
    if tries >= FEWEST_TRIES && failed * 100 >= tries * rule.failing_percent {
        due.push((Kind::Failing, format!("{failed} of the last {tries} tries failed")));
    }
    if let Some((_, reason)) = facts.unregistered.as_ref().filter(|it| it.0 >= UNREGISTERED_FAILURES) {
        due.push((Kind::Unregistered, format!("the vendor could not be told where to post: {reason}")));
    }
    if let Some(silence) = facts.talk.silence() {
        due.push((
            Kind::Silent,
            format!("nothing came for {}, and its longest pause was {}", minutes(silence), minutes(facts.talk.longest_ms)),
        ));
    }
    due
}

fn minutes(ms: i64) -> String {
    let minutes = ms / 60_000;
    if minutes >= 120 { format!("{} hours", minutes / 60) } else { format!("{minutes} minutes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const RULE: Rule = Rule { waiting_ms: 30 * MINUTE, failing_percent: 50 };

    fn kinds(facts: &Facts) -> Vec<Kind> {
        due(facts, &RULE).into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn each_limit_has_two_sides() {
        let facts = Facts::default;
        assert_eq!(kinds(&facts()), []);
        assert_eq!(kinds(&Facts { oldest_ms: Some(30 * MINUTE - 1), ..facts() }), []);
        assert_eq!(kinds(&Facts { oldest_ms: Some(30 * MINUTE), ..facts() }), [Kind::Waiting]);
        assert_eq!(kinds(&Facts { tries: (10, 4), ..facts() }), []);
        assert_eq!(kinds(&Facts { tries: (10, 5), ..facts() }), [Kind::Failing]);
        assert_eq!(kinds(&Facts { tries: (9, 9), ..facts() }), [], "nine tries are no share");
        assert_eq!(kinds(&Facts { broken: Some("odoo.key: no".to_owned()), ..facts() }), [Kind::Authorisation]);
        assert_eq!(kinds(&Facts { quarantine: Some("connector.trap: no".to_owned()), ..facts() }), [Kind::Quarantined]);
        let unregistered = |failures| Some((failures, "telegram.http: no".to_owned()));
        assert_eq!(kinds(&Facts { unregistered: unregistered(4), ..facts() }), []);
        assert_eq!(kinds(&Facts { unregistered: unregistered(5), ..facts() }), [Kind::Unregistered]);
        let hold = |why| Some(Hold { why, since: 0, until: 1, reason: String::new() });
        assert_eq!(kinds(&Facts { hold: hold(Why::After), ..facts() }), [], "a vendor that names a time is not down");
        assert_eq!(kinds(&Facts { hold: hold(Why::Breaker { probes: 0, probing: true }), ..facts() }), [Kind::Down]);
    }

    #[test]
    fn silence_is_measured_by_what_is_usual() {
        let (mut talk, mut now) = (Talk::default().look(0, 1), 1);
        let mut pass = |talk: &mut Talk, minutes: i64, received: i64| {
            for _ in 0..minutes {
                now += MINUTE;
                *talk = talk.look(talk.received, now);
            }
            *talk = talk.look(received, now);
        };
        for delivery in 1..=25 {
            // Once there is a night without anything.
            pass(&mut talk, if delivery == 3 { 600 } else { 10 }, delivery);
        }
        assert_eq!(talk.silence(), None);
        pass(&mut talk, 600, 25);
        assert_eq!(talk.silence(), None, "as long as a night");
        pass(&mut talk, 200, 25);
        assert!(talk.silence().unwrap() >= 800 * MINUTE);
        pass(&mut talk, 0, 26);
        assert_eq!(talk.silence(), None);
    }

    #[test]
    fn a_hub_that_was_down_blames_nobody_for_its_own_silence() {
        let talk = Talk { received: 50, talked_at: 1_000, longest_ms: MINUTE, talks: 30, looked_at: 1_000 };
        let later = talk.look(50, 1_000 + 90 * 3_600_000);
        assert_eq!((later.silence(), later.longest_ms), (None, MINUTE));
        assert_eq!(Talk { talks: 19, looked_at: 1_000 + 90 * 3_600_000, ..talk }.silence(), None, "too few to know what is usual");
    }
}
