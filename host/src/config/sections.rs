//! The sections of `patchbay.toml`, with their defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use patchbay_schemas::command::NewRecord;
use serde::Deserialize;

use crate::ids::ConversationId;
use crate::rules::alert::Rule;
use crate::rules::delivery::DeliverySettings;
use crate::rules::ingest::Settings;
use crate::rules::ingest::returning::Returning;
use crate::rules::quarantine::QuarantineRule;
use crate::rules::retry::Backoff;
use crate::secrets::KeySource;

/// What people are told of, and where.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertConfig {
    /// Where alerts are posted; empty: nowhere.
    pub url: String,
    /// What they are signed with: `whsec_` and base64; empty: nothing. `PATCHBAY_ALERTS_SECRET` in the environment wins.
    pub secret: String,
    /// Conversations, of any messenger or mail box, into which alerts are written.
    pub conversations: Vec<ConversationId>,
    /// Minutes after which the oldest command that waits is told of.
    pub waiting_minutes: u32,
    /// Share of the last quarter of an hour's tries that failed, percent, from which on it is told of.
    pub failing_percent: u8,
    /// Seconds between two looks.
    pub look_seconds: u64,
}

/// What secrets are sealed with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsConfig {
    /// Where the master key stands; `PATCHBAY_KEY` in the environment wins.
    pub key: KeySource,
    /// Master keys that this hub had before, as long as something may be opened with them alone.
    pub former_keys: Vec<KeySource>,
}

/// The first workspace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkspaceConfig {
    /// Shown to people.
    pub name: String,
    /// ISO 3166 country of phones that are written without a country code.
    pub region: String,
    /// Who answers for new leads; empty: nobody yet.
    pub responsible: String,
    /// Minutes within which a person who turned to us is contacted.
    pub contact_within_minutes: u32,
    /// When a sink makes a record for a lead that it has none of.
    pub new_record: NewRecord,
    /// What a new interaction of a person does who has leads already: the first rule that fits decides.
    pub returning: Vec<Returning>,
    /// Connectors whose word on a person is shown first, the most trusted one before the others.
    pub trusted: Vec<String>,
    /// Phones and mail addresses of the company itself, as people write them: they point at nobody.
    pub own_identities: Vec<String>,
}

/// Limits of what is taken in.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// Most deliveries between their receipt and their commit; further ones get 503.
    pub waiting: usize,
    /// Most bytes of bodies between receipt and commit; further ones get 503.
    pub waiting_bytes: usize,
}

/// How commands are tried again.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// Longest wait after the first failure, milliseconds; it doubles.
    pub first_wait_ms: i64,
    /// Longest wait of all, milliseconds.
    pub longest_wait_ms: i64,
    /// Tries after which a command becomes a dead letter.
    pub tries: i64,
    /// Leads or conversations in a row that must find a vendor down before it is left alone; 0: never.
    pub breaker_failures: u32,
    /// Longest wait between two probes of a vendor that is down, milliseconds.
    pub breaker_longest_wait_ms: i64,
}

/// When a version of a connector is left alone in a connection.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuarantineConfig {
    /// So many more calls must trap or run into a limit than end as they should; 0: never.
    pub failures: u32,
    /// Within so many seconds.
    pub within_seconds: u32,
    /// How long it is left alone first, seconds; it doubles.
    pub first_wait_seconds: u32,
    /// How long at most, seconds.
    pub longest_wait_seconds: u32,
}

/// How long what is not needed day by day is kept.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Days after which the raw request and body of a delivery are emptied; 0: never.
    pub deliveries_days: u32,
    /// Days after which a line of the audit about a secret is forgotten; 0: never. Erasures stay.
    pub audit_days: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { deliveries_days: 90, audit_days: 365 }
    }
}

/// What vendors are told of where to post.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Seconds between two looks whether the address stands at a vendor; the longest wait after a failure too.
    pub check_seconds: u32,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self { check_seconds: 3_600 }
    }
}

impl WebhookConfig {
    /// The same in milliseconds.
    #[must_use]
    pub fn check_ms(self) -> i64 {
        i64::from(self.check_seconds) * 1_000
    }
}

/// Who is one person.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeopleConfig {
    /// Whether new contacts are compared with all others; without it only strong identities join.
    pub matching: bool,
}

/// Whose connectors may be installed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstallConfig {
    /// Public keys (base64 of Ed25519) by the publisher's name.
    pub publishers: BTreeMap<String, String>,
    /// True: what nobody named here has signed may be installed too.
    pub unsigned: bool,
    /// Most deliveries of each connection that another version of its connector reads in shadow before it takes over; 0: none.
    pub shadow: u32,
}

/// What is logged and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, or a filter such as `info,patchbay_host::deliver=debug`.
    pub level: String,
    /// `text` or `json`
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Default for SecretsConfig {
    fn default() -> Self {
        Self { key: KeySource::File(PathBuf::from("data/patchbay.key")), former_keys: Vec::new() }
    }
}

impl Default for InstallConfig {
    fn default() -> Self {
        Self { publishers: BTreeMap::new(), unsigned: false, shadow: 100 }
    }
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret: String::new(),
            conversations: Vec::new(),
            waiting_minutes: 30,
            failing_percent: 50,
            look_seconds: 30,
        }
    }
}

impl std::fmt::Debug for AlertConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url: _, secret: _, conversations: _, waiting_minutes, failing_percent, look_seconds } = self;
        write!(f, "AlertConfig {{ {waiting_minutes} min, {failing_percent} %, {look_seconds} s }}")
    }
}

impl AlertConfig {
    /// When an alert is due.
    #[must_use]
    pub fn rule(&self) -> Rule {
        Rule { waiting_ms: i64::from(self.waiting_minutes) * 60_000, failing_percent: self.failing_percent.into() }
    }

    /// The key that webhooks are signed with. None: there is none.
    #[must_use]
    pub fn key(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(self.secret.strip_prefix("whsec_")?).ok().filter(|it| !it.is_empty())
    }
}

impl Default for WorkspaceConfig {
    fn default() -> Self {
        let Settings { contact_within_minutes, new_record, returning, trusted, own_identities, .. } = Settings::default();
        Self {
            name: "Main".to_owned(),
            region: "RU".to_owned(),
            responsible: String::new(),
            contact_within_minutes,
            new_record,
            returning,
            trusted,
            own_identities,
        }
    }
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self { waiting: 1_024, waiting_bytes: 64 << 20 }
    }
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        let Backoff { first_ms, longest_ms, tries } = Backoff::default();
        Self { first_wait_ms: first_ms, longest_wait_ms: longest_ms, tries, breaker_failures: 5, breaker_longest_wait_ms: 300_000 }
    }
}

impl Default for QuarantineConfig {
    fn default() -> Self {
        Self { failures: 5, within_seconds: 60, first_wait_seconds: 30, longest_wait_seconds: 3_600 }
    }
}

impl QuarantineConfig {
    /// The same as a rule.
    #[must_use]
    pub fn rule(&self) -> QuarantineRule {
        let ms = |seconds: u32| i64::from(seconds) * 1_000;
        let waits = Backoff { first_ms: ms(self.first_wait_seconds), longest_ms: ms(self.longest_wait_seconds), tries: i64::MAX };
        let failures = usize::try_from(self.failures).unwrap_or(usize::MAX);
        QuarantineRule { failures, within_ms: ms(self.within_seconds), waits }
    }
}

impl Default for PeopleConfig {
    fn default() -> Self {
        Self { matching: true }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl DeliveryConfig {
    pub(super) fn settings(&self) -> DeliverySettings {
        DeliverySettings {
            first_wait_ms: Some(self.first_wait_ms),
            longest_wait_ms: Some(self.longest_wait_ms),
            tries: Some(self.tries),
            breaker_failures: Some(self.breaker_failures),
            breaker_longest_wait_ms: Some(self.breaker_longest_wait_ms),
            rate_limits: None,
            new_record: None,
        }
    }
}
