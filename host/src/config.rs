//! The hub's own configuration: built-in defaults, then `patchbay.toml`, then `PATCHBAY_…` in the environment.

mod sections;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::sections::{
    AlertConfig, DeliveryConfig, InstallConfig, IntakeConfig, LogConfig, LogFormat, PeopleConfig, QuarantineConfig, RetentionConfig,
    SecretsConfig, WebhookConfig, WorkspaceConfig,
};
use crate::package::public_key;
use crate::rules::breaker::BreakerRule;
use crate::rules::delivery::{Delivery, SettingError};
use crate::rules::identity::own;
use crate::rules::ingest::Settings;
use crate::rules::ingest::returning::{Fault, Returning};
use crate::rules::retry::Backoff;
use crate::secrets::{KeySource, MasterKey, SecretError};

/// What `up` writes: every setting with its default and what it means.
pub const COMMENTED: &str = include_str!("../patchbay.toml");

/// Most failures that a quarantine may wait for: so many moments are remembered for each connection.
const MOST_FAILURES: u32 = 10_000;

/// Longest time between two looks whether a webhook stands: a week.
const MOST_CHECK_SECONDS: u32 = 604_800;

/// Most deliveries of a connection that are read in shadow.
const MOST_SHADOWS: u32 = 10_000;

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
    /// This hub's name among those that share one database.
    pub name: String,
    /// What secrets are sealed with.
    pub secrets: SecretsConfig,
    /// The first workspace.
    pub workspace: WorkspaceConfig,
    /// Limits of what is taken in.
    pub intake: IntakeConfig,
    /// How commands are tried again.
    pub delivery: DeliveryConfig,
    /// When a version of a connector is left alone in a connection.
    pub quarantine: QuarantineConfig,
    /// How long what is not needed day by day is kept.
    pub retention: RetentionConfig,
    /// Who is one person.
    pub people: PeopleConfig,
    /// Whose connectors may be installed.
    pub install: InstallConfig,
    /// What vendors are told of where to post.
    pub webhooks: WebhookConfig,
    /// What people are told of, and where.
    pub alerts: AlertConfig,
    /// What is logged and how.
    pub log: LogConfig,
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
            name: "hub".to_owned(),
            secrets: SecretsConfig::default(),
            workspace: WorkspaceConfig::default(),
            intake: IntakeConfig::default(),
            delivery: DeliveryConfig::default(),
            quarantine: QuarantineConfig::default(),
            retention: RetentionConfig::default(),
            people: PeopleConfig::default(),
            install: InstallConfig::default(),
            webhooks: WebhookConfig::default(),
            alerts: AlertConfig::default(),
            log: LogConfig::default(),
        }
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
        for path in [&mut self.connectors, &mut self.cache] {
            *path = folder.join(&path);
        }
        for source in self.secrets.former_keys.iter_mut().chain([&mut self.secrets.key]) {
            if let KeySource::File(path) = source {
                *path = folder.join(&path);
            }
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
        if let Err(Fault { rule, allowed }) = Returning::check(&self.workspace.returning) {
            return wrong("workspace.returning", format!("rule {rule}"), allowed);
        }
        let is_own = |it: &String| own(it, &self.workspace.region).is_some();
        if let Some(neither) = self.workspace.own_identities.iter().find(|it| !is_own(it)) {
            return wrong("workspace.own_identities", neither.clone(), "phones such as +7 495 123-45-67 and mail addresses");
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
        if self.install.shadow > MOST_SHADOWS {
            return wrong("install.shadow", self.install.shadow.to_string(), "0 to 10000");
        }
        if self.quarantine.failures > MOST_FAILURES {
            return wrong("quarantine.failures", self.quarantine.failures.to_string(), "0 to 10000");
        }
        if self.quarantine.first_wait_seconds == 0 {
            return wrong("quarantine.first_wait_seconds", "0".to_owned(), "at least 1");
        }
        if !(1..=MOST_CHECK_SECONDS).contains(&self.webhooks.check_seconds) {
            return wrong("webhooks.check_seconds", self.webhooks.check_seconds.to_string(), "1 to 604800 (a week)");
        }
        if self.is_public() && !reqwest::Url::parse(&self.public_url).is_ok_and(|it| matches!(it.scheme(), "http" | "https")) {
            return wrong("public_url", self.public_url.clone(), "an address such as https://hub.example.com");
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

    /// True where the hub knows the address under which vendors reach it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.public_url.is_empty()
    }

    /// The address under which vendors reach the hub, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        if self.public_url.is_empty() { format!("http://{}", self.listen) } else { self.public_url.trim_end_matches('/').to_owned() }
    }

    /// The master key from the environment, else from where the configuration says; a file that is not there is made.
    pub fn master_key(&self) -> Result<MasterKey, SecretError> {
        match std::env::var("PATCHBAY_KEY") {
            Ok(text) => MasterKey::from_text(&text, "PATCHBAY_KEY"),
            Err(_) => self.secrets.key.read_or_new(),
        }
    }

    /// The master keys that this hub had before.
    pub fn former_keys(&self) -> Result<Vec<MasterKey>, SecretError> {
        self.secrets.former_keys.iter().map(KeySource::read).collect()
    }

    /// What the first workspace decides about its leads.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let name = self.workspace.responsible.trim();
        let responsible = (!name.is_empty()).then(|| patchbay_schemas::Responsible { id: None, name: name.to_owned() });
        let WorkspaceConfig { contact_within_minutes, new_record, ref returning, ref trusted, ref own_identities, ref region, .. } =
            self.workspace;
        Settings {
            responsible,
            contact_within_minutes,
            new_record,
            returning: returning.clone(),
            trusted: trusted.clone(),
            own_identities: own_identities.iter().filter_map(|it| own(it, region)).collect(),
        }
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
        let config: Config = toml::from_str("[install]\nshadow = 10001").unwrap();
        assert!(config.check().unwrap_err().to_string().contains("0 to 10000"));
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
        let rules = "[[workspace.returning]]\nthen = 'join'\n[[workspace.returning]]\nstage = ['lead']\nthen = 'reopen'";
        let error = toml::from_str::<Config>(rules).unwrap().check().unwrap_err().to_string();
        assert!(error.contains("workspace.returning = rule 2") && error.contains("closed lead"), "{error}");
        let error = toml::from_str::<Config>("workspace.own_identities = ['8 495 123-45-67', '12345']").unwrap().check().unwrap_err();
        assert_eq!(error.to_string().matches("12345").count(), 1, "{error}");
        let quarantine = QuarantineConfig { failures: 10_001, ..QuarantineConfig::default() };
        let error = Config { quarantine, ..Config::default() }.check().unwrap_err().to_string();
        assert!(error.contains("quarantine.failures = 10001") && error.contains("0 to 10000"), "{error}");
        for check_seconds in [0, MOST_CHECK_SECONDS + 1] {
            let error = Config { webhooks: WebhookConfig { check_seconds }, ..Config::default() }.check().unwrap_err().to_string();
            assert!(error.contains("webhooks.check_seconds") && error.contains("604800"), "{error}");
        }
        let error = Config { public_url: "hub.example.com".to_owned(), ..Config::default() }.check().unwrap_err().to_string();
        assert!(error.contains("public_url = hub.example.com") && error.contains("https://hub.example.com"), "{error}");
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("workspace.region") && error.contains("Russia") && error.contains("ISO 3166"), "{error}");
    }
}
