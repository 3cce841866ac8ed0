//! The hub's own configuration: built-in defaults, then `patchbay.toml`, then `PATCHBAY_…` in the environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use patchbay_schemas::command::NewRecord;
use serde::Deserialize;

use crate::package::public_key;
use crate::rules::alert::Rule;
use crate::rules::breaker::BreakerRule;
use crate::rules::delivery::{Delivery, DeliverySettings, SettingError};
use crate::rules::ingest::Settings;
use crate::rules::retry::Backoff;
use crate::secrets::{MasterKey, SecretError};

/// What `up` writes: every setting with its default and what it means.
pub const COMMENTED: &str = include_str!("../patchbay.toml");

/// The hub's own configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port that the hub listens on.
    pub listen: SocketAddr,
    /// The address under which vendors reach it.
    pub public_url: String,
    /// `sqlite:<path>` or `postgres://user:password@host/database`
    pub database: String,
    /// Folder of the connectors' `.wasm` files.
    pub connectors: PathBuf,
    /// Folder of compiled connectors.
    pub cache: PathBuf,
    /// File of the master key; `PATCHBAY_KEY` in the environment wins.
    pub key_file: PathBuf,
    /// This hub's name among those that share one database.
    pub name: String,
    /// The first workspace.
    pub workspace: WorkspaceConfig,
    /// Limits of what is taken in.
    pub intake: IntakeConfig,
    /// How commands are tried again.
    pub delivery: DeliveryConfig,
    /// Who is one person.
    pub people: PeopleConfig,
    /// Whose connectors may be installed.
    pub install: InstallConfig,
    /// What people are told of, and where.
    pub alerts: AlertConfig,
    /// What is logged and how.
    pub log: LogConfig,
}

/// What people are told of, and where.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertConfig {
    /// Where alerts are posted; empty: nowhere.
    pub url: String,
    /// What they are signed with: `whsec_` and base64; empty: nothing. `PATCHBAY_ALERTS_SECRET` in the environment wins.
    pub secret: String,
    /// Minutes after which the oldest command that waits is told of.
    pub waiting_minutes: u32,
    /// Share of the last quarter of an hour's tries that failed, percent, from which on it is told of.
    pub failing_percent: u8,
    /// Seconds between two looks.
    pub look_seconds: u64,
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

/// Who is one person.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeopleConfig {
    /// Whether new contacts are compared with all others; without it only strong identities join.
    pub matching: bool,
}

/// Whose connectors may be installed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstallConfig {
    /// Public keys (base64 of Ed25519) by the publisher's name.
    pub publishers: BTreeMap<String, String>,
    /// True: what nobody named here has signed may be installed too.
    pub unsigned: bool,
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

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not valid.
    #[error("{} is not valid: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why, with line and column.
        source: Box<toml::de::Error>,
    },
    /// A variable of the environment is not valid.
    #[error("{name} in the environment is not valid: {reason}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// A value makes no sense.
    #[error("{key} = {found} in the configuration: {allowed}")]
    Value {
        /// Dotted key.
        key: &'static str,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8700)),
            public_url: String::new(),
            database: "sqlite:data/patchbay.db".to_owned(),
            connectors: PathBuf::from("data/connectors"),
            cache: PathBuf::from("data/cache"),
            key_file: PathBuf::from("data/patchbay.key"),
            name: "hub".to_owned(),
            workspace: WorkspaceConfig::default(),
            intake: IntakeConfig::default(),
            delivery: DeliveryConfig::default(),
            people: PeopleConfig::default(),
            install: InstallConfig::default(),
            alerts: AlertConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self { url: String::new(), secret: String::new(), waiting_minutes: 30, failing_percent: 50, look_seconds: 30 }
    }
}

impl std::fmt::Debug for AlertConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url: _, secret: _, waiting_minutes, failing_percent, look_seconds } = self;
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
        let Settings { contact_within_minutes, new_record, .. } = Settings::default();
        Self { name: "Main".to_owned(), region: "RU".to_owned(), responsible: String::new(), contact_within_minutes, new_record }
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

impl Config {
    /// Reads the file where it is there, then the environment. Paths in the file are relative to the folder of the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let mut config = match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
        };
        config.take_environment(|name| std::env::var(name).ok())?;
        config.anchor(path.parent().unwrap_or(Path::new("")));
        config.check()?;
        Ok(config)
    }

    fn take_environment(&mut self, variable: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
        if let Some(listen) = variable("PATCHBAY_LISTEN") {
            self.listen = listen.parse().map_err(|_| ConfigError::Environment {
                name: "PATCHBAY_LISTEN",
                reason: format!("`{listen}` is no address with a port"),
            })?;
        }
        let texts: [(&str, &mut String); 5] = [
            ("PATCHBAY_ALERTS_SECRET", &mut self.alerts.secret),
            ("PATCHBAY_PUBLIC_URL", &mut self.public_url),
            ("PATCHBAY_DATABASE", &mut self.database),
            ("PATCHBAY_NAME", &mut self.name),
            ("PATCHBAY_LOG", &mut self.log.level),
        ];
        for (name, place) in texts {
            if let Some(value) = variable(name) {
                *place = value;
            }
        }
        Ok(())
    }

    fn anchor(&mut self, folder: &Path) {
        for path in [&mut self.connectors, &mut self.cache, &mut self.key_file] {
            *path = folder.join(&path);
        }
        if let Some(file) = self.database.strip_prefix("sqlite:").map(|it| it.trim_start_matches("//").to_owned()) {
            self.database = format!("sqlite:{}", folder.join(file).display());
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, found: String, allowed| Err(ConfigError::Value { key, found, allowed });
        if self.name.is_empty() || self.name.contains('/') {
            return wrong("name", self.name.clone(), "a name without a slash, different for each hub on one database");
        }
        if self.workspace.region.len() != 2 || !self.workspace.region.chars().all(|it| it.is_ascii_uppercase()) {
            return wrong("workspace.region", self.workspace.region.clone(), "two capital letters of ISO 3166, such as RU, KZ or DE");
        }
        if self.intake.waiting == 0 {
            return wrong("intake.waiting", "0".to_owned(), "at least 1");
        }
        if let Some((name, key)) = self.install.publishers.iter().find(|(_, key)| public_key(key).is_err()) {
            return wrong(
                "install.publishers",
                format!("{name} = {key}"),
                "the text that `patchbay connector key` prints: base64 of 32 bytes",
            );
        }
        if !self.alerts.secret.is_empty() && self.alerts.key().is_none() {
            return wrong("alerts.secret", "…".to_owned(), "whsec_ and the key in base64, as Standard Webhooks writes it");
        }
        if !self.alerts.url.is_empty() && reqwest::Url::parse(&self.alerts.url).is_err() {
            return wrong("alerts.url", self.alerts.url.clone(), "an address such as https://example.com/alerts");
        }
        if let Err(SettingError { name, found, allowed }) = self.delivery.settings().check() {
            return wrong(name, found.to_string(), allowed);
        }
        Ok(())
    }

    /// The address under which vendors reach the hub, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        if self.public_url.is_empty() { format!("http://{}", self.listen) } else { self.public_url.trim_end_matches('/').to_owned() }
    }

    /// The master key from the environment, else from the key file.
    pub fn master_key(&self) -> Result<MasterKey, SecretError> {
        match std::env::var("PATCHBAY_KEY") {
            Ok(text) => MasterKey::from_text(&text, "PATCHBAY_KEY"),
            Err(_) => MasterKey::from_file_or_new(&self.key_file),
        }
    }

    /// What the first workspace decides about its leads.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let name = self.workspace.responsible.trim();
        let responsible = (!name.is_empty()).then(|| patchbay_schemas::Responsible { id: None, name: name.to_owned() });
        let WorkspaceConfig { contact_within_minutes, new_record, .. } = self.workspace;
        Settings { responsible, contact_within_minutes, new_record }
    }

    /// How commands are delivered, where a connection does not say otherwise.
    #[must_use]
    pub fn delivery_rules(&self) -> Delivery {
        let DeliveryConfig { first_wait_ms, longest_wait_ms, tries, breaker_failures, breaker_longest_wait_ms } = self.delivery;
        let backoff = Backoff { first_ms: first_wait_ms, longest_ms: longest_wait_ms, tries };
        let probes = Backoff { first_ms: first_wait_ms, longest_ms: breaker_longest_wait_ms, tries: i64::MAX };
        Delivery { backoff, breaker: BreakerRule { failures: usize::try_from(breaker_failures).unwrap_or(usize::MAX), probes } }
    }
}

impl DeliveryConfig {
    fn settings(&self) -> DeliverySettings {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_says_what_the_defaults_are() {
        let written: Config = toml::from_str(COMMENTED).unwrap();
        assert_eq!(format!("{written:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn every_line_of_the_commented_file_is_a_setting_that_exists() {
        let uncommented: String = COMMENTED
            .lines()
            .map(|it| it.strip_prefix("#").filter(|it| it.contains(" = ") && !it.starts_with(' ')).unwrap_or(it))
            .fold(String::new(), |text, line| text + line + "\n");
        let all: Config = toml::from_str(&uncommented).unwrap();
        assert_eq!(format!("{all:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn an_unknown_setting_is_named_with_its_line() {
        let error = toml::from_str::<Config>("listen = '127.0.0.1:1'\nlisen = 2").unwrap_err();
        assert!(error.to_string().contains("line 2") && error.to_string().contains("lisen"), "{error}");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let mut config = Config::default();
        config.take_environment(|name| (name == "PATCHBAY_LISTEN").then(|| "0.0.0.0:80".to_owned())).unwrap();
        assert_eq!(config.listen.port(), 80);
        let error = config.take_environment(|name| (name == "PATCHBAY_LISTEN").then(|| "here".to_owned())).unwrap_err();
        assert!(error.to_string().contains("PATCHBAY_LISTEN"), "{error}");
    }

    #[test]
    fn a_publishers_key_that_is_none_is_named() {
        let config: Config = toml::from_str("[install.publishers]\nacme = 'AAAA'").unwrap();
        assert!(config.check().unwrap_err().to_string().contains("acme = AAAA"));
        let config: Config = toml::from_str("[install.publishers]\nacme = 'Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE='").unwrap();
        assert!(config.check().is_ok());
    }

    #[test]
    fn a_value_that_makes_no_sense_is_named_with_what_is_allowed() {
        let config =
            Config { workspace: WorkspaceConfig { region: "Russia".to_owned(), ..WorkspaceConfig::default() }, ..Config::default() };
        let delivery = DeliveryConfig { tries: 0, ..DeliveryConfig::default() };
        let alerts = AlertConfig { secret: "hunter2".to_owned(), ..AlertConfig::default() };
        let error = Config { alerts, ..Config::default() }.check().unwrap_err().to_string();
        assert!(error.contains("whsec_") && !error.contains("hunter2"), "{error}");
        let error = Config { delivery, ..Config::default() }.check().unwrap_err().to_string();
        assert!(error.contains("tries = 0") && error.contains("1 to 10000"), "{error}");
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("workspace.region") && error.contains("Russia") && error.contains("ISO 3166"), "{error}");
    }
}
