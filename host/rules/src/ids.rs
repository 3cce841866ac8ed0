//! Typed, time-ordered ids: `lead_01J…`. No function takes two ids of one type.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Mutex;

use ulid::Ulid;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::clock::Clock;

/// What an id names: its prefix.
pub trait Named {
    /// What stands before the underscore.
    const PREFIX: &'static str;
}

/// An id of one kind of thing.
pub struct Id<K> {
    ulid: Ulid,
    kind: PhantomData<fn() -> K>,
}

/// Why a text is not an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not an id of this kind: expected {prefix}_ and 26 letters and digits")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

/// Names a workspace.
pub enum Workspace {}
/// Names a connection.
pub enum Connection {}
/// Names a delivery.
pub enum Delivery {}
/// Names an event.
pub enum Event {}
/// Names a contact.
pub enum Contact {}
/// Names a lead.
pub enum Lead {}
/// Names an interaction.
pub enum Interaction {}
/// Names a conversation.
pub enum Conversation {}
/// Names a row of the outbox.
pub enum Outbox {}
/// Names an attempt.
pub enum Attempt {}
/// Names an API token.
pub enum Token {}
/// Names an alert.
pub enum Alert {}
/// Names a merge.
pub enum Merge {}
/// Names a question.
pub enum Question {}
/// Names a link.
pub enum Link {}
/// Names a line of the audit.
pub enum Audit {}

impl Named for Workspace {
    const PREFIX: &'static str = "wsp";
}
impl Named for Connection {
    const PREFIX: &'static str = "cxn";
}
impl Named for Delivery {
    const PREFIX: &'static str = "dlv";
}
impl Named for Event {
    const PREFIX: &'static str = "evt";
}
impl Named for Contact {
    const PREFIX: &'static str = "con";
}
impl Named for Lead {
    const PREFIX: &'static str = "lead";
}
impl Named for Interaction {
    const PREFIX: &'static str = "int";
}
impl Named for Conversation {
    const PREFIX: &'static str = "cnv";
}
impl Named for Outbox {
    const PREFIX: &'static str = "out";
}
impl Named for Attempt {
    const PREFIX: &'static str = "att";
}
impl Named for Token {
    const PREFIX: &'static str = "tok";
}
impl Named for Alert {
    const PREFIX: &'static str = "alr";
}
impl Named for Merge {
    const PREFIX: &'static str = "mrg";
}
impl Named for Link {
    const PREFIX: &'static str = "lnk";
}
impl Named for Question {
    const PREFIX: &'static str = "qst";
}
impl Named for Audit {
    const PREFIX: &'static str = "aud";
}

/// `wsp_…`
pub type WorkspaceId = Id<Workspace>;
/// `cxn_…`
pub type ConnectionId = Id<Connection>;
/// `dlv_…`
pub type DeliveryId = Id<Delivery>;
/// `evt_…`
pub type EventId = Id<Event>;
/// `con_…`
pub type ContactId = Id<Contact>;
/// `lead_…`
pub type LeadId = Id<Lead>;
/// `int_…`
pub type InteractionId = Id<Interaction>;
/// `cnv_…`
pub type ConversationId = Id<Conversation>;
/// `out_…`
pub type OutboxId = Id<Outbox>;
/// `att_…`
pub type AttemptId = Id<Attempt>;
/// `tok_…`
pub type TokenId = Id<Token>;
/// `alr_…`
pub type AlertId = Id<Alert>;
/// `mrg_…`
pub type MergeId = Id<Merge>;
/// `lnk_…`
pub type LinkId = Id<Link>;
/// `qst_…`
pub type QuestionId = Id<Question>;
/// `aud_…`
pub type AuditId = Id<Audit>;

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.ulid == other.ulid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ulid.cmp(&other.ulid)
    }
}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.ulid.hash(state);
    }
}

impl<K: Named> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; ulid::ULID_LEN];
        write!(f, "{}_{}", K::PREFIX, self.ulid.array_to_str(&mut text))
    }
}

impl<K: Named> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Id<K> {
    /// The id without its prefix.
    #[must_use]
    pub fn number(self) -> u128 {
        self.ulid.0
    }

    /// The id of this number.
    #[must_use]
    pub fn of_number(number: u128) -> Self {
        Self { ulid: Ulid(number), kind: PhantomData }
    }

    /// When it was made, milliseconds since 1970 UTC.
    #[must_use]
    pub fn made_at(self) -> u64 {
        self.ulid.timestamp_ms()
    }
}

impl<K: Named> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix(K::PREFIX)
            .and_then(|it| it.strip_prefix('_'))
            .filter(|it| it.len() == ulid::ULID_LEN)
            .and_then(|it| Ulid::from_string(it).ok())
            .map(|ulid| Self { ulid, kind: PhantomData })
            .ok_or_else(|| IdError { text: text.chars().take(64).collect(), prefix: K::PREFIX })
    }
}

impl<K: Named> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Named> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<K: Named> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}_id", K::PREFIX))
    }
}

impl<K: Named> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        let pattern = format!("^{}_[0-9A-HJKMNP-TV-Z]{{26}}$", K::PREFIX);
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
    }
}

impl<K> Id<K> {
    /// An id before every one that is made at this time or later, milliseconds since 1970 UTC.
    #[must_use]
    pub fn first_of(ms: i64) -> Self {
        Self { ulid: Ulid::from_parts(u64::try_from(ms).unwrap_or(0), 0), kind: PhantomData }
    }
}

/// The number of an id of any kind. None: the text is no id.
#[must_use]
pub fn number(text: &str) -> Option<u128> {
    let (_, ulid) = text.split_once('_')?;
    Ulid::from_string(ulid).ok().map(|it| it.0)
}

/// Makes ids that rise also within one millisecond.
pub struct Ids {
    clock: Clock,
    last: Mutex<Ulid>,
}

impl Ids {
    /// Ids that begin with the time of this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::new(Ulid::nil()) }
    }

    /// From now on ids sort after this number.
    pub fn rise_above(&self, number: u128) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = (*last).max(Ulid(number));
    }

    /// By how many milliseconds the newest id is ahead of the clock; less than zero: it is behind, as it should be.
    #[must_use]
    pub fn ahead_ms(&self) -> i64 {
        let last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).timestamp_ms();
        i64::try_from(last).unwrap_or(i64::MAX).saturating_sub(self.clock.now_ms())
    }

    /// The next id.
    pub fn next<K>(&self) -> Id<K> {
        let now = u64::try_from(self.clock.now_ms()).unwrap_or(0);
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A clock that was set back must not make ids that sort before earlier ones.
        let ulid = if last.timestamp_ms() >= now { last.increment().ok() } else { None }.unwrap_or_else(|| fresh(now));
        *last = ulid;
        Id { ulid, kind: PhantomData }
    }

    /// An id that nobody can guess from another one: connections, whose id is their address.
    pub fn unguessable<K>(&self) -> Id<K> {
        Id { ulid: fresh(u64::try_from(self.clock.now_ms()).unwrap_or(0)), kind: PhantomData }
    }
}

fn fresh(now: u64) -> Ulid {
    let mut random = [0_u8; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random).expect("the system's randomness is there");
    // The top bit stays free, so that a whole millisecond of increments fits.
    Ulid::from_parts(now, u128::from_le_bytes(random) & ((1 << 79) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_within_one_millisecond_and_when_the_clock_is_set_back() {
        let clock = Clock::at(Timestamp::from_second(1_700_000_000).unwrap());
        let ids = Ids::new(clock.clone());
        let mut made: Vec<LeadId> = (0..100).map(|_| ids.next()).collect();
        if let Clock::Manual(ms) = &clock {
            ms.fetch_sub(5_000, std::sync::atomic::Ordering::Relaxed);
        }
        made.extend((0..100).map(|_| ids.next::<Lead>()));
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made.iter().map(ToString::to_string).is_sorted());
    }

    #[test]
    fn ids_rise_above_those_that_were_there_when_the_clock_was_set_back_meanwhile() {
        let clock = Clock::at(Timestamp::from_second(1_700_000_000).unwrap());
        let before: OutboxId = Ids::new(clock).next();
        let ids = Ids::new(Clock::at(Timestamp::from_second(1_600_000_000).unwrap()));
        assert!(ids.next::<Outbox>() < before);
        ids.rise_above(number(&before.to_string()).unwrap());
        assert_eq!(ids.ahead_ms(), 100_000_000_000);
        let after: Vec<OutboxId> = (0..100).map(|_| ids.next()).collect();
        assert!(after[0] > before && after.is_sorted_by(|a, b| a < b));
        assert_eq!((number("nothing"), number("out_1")), (None, None));
    }

    #[test]
    fn an_id_of_another_kind_is_refused_with_the_prefix_that_was_due() {
        let lead: LeadId = Ids::new(Clock::System).next();
        assert_eq!(lead.to_string().parse::<LeadId>(), Ok(lead));
        let error = lead.to_string().parse::<ContactId>().unwrap_err();
        assert!(error.to_string().contains("con_"), "{error}");
        assert!("lead_".parse::<LeadId>().is_err());
    }

    use jiff::Timestamp;
}
