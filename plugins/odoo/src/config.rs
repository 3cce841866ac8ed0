//! What the user chose for this connection.

use std::collections::BTreeMap;

use patchbay_sdk::Failure;
use patchbay_sdk::json::Node;

/// The connection's configuration, as `connector.toml` describes it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Odoo answers, without a path.
    pub base_url: String,
    /// Name of the database.
    pub database: String,
    /// What to do when somebody deleted the record in Odoo.
    pub deleted: Deleted,
    /// What to do when two people turn out to be one.
    pub merge: Merge,
    /// `auto`, `lead` or `opportunity`.
    pub record_type: String,
    /// Odoo's stage of an interest, `won`, `lost`, or empty.
    pub stage_interest: String,
    /// Odoo's stage of a lead, `won`, `lost`, or empty.
    pub stage_lead: String,
    /// Odoo's stage of a client, `won`, `lost`, or empty.
    pub stage_client: String,
    /// Odoo's stage of a refused lead, `won`, `lost`, or empty.
    pub stage_refused: String,
    /// Name in the hub → login or name in Odoo.
    pub users: BTreeMap<String, String>,
    /// Who answers for a lead whose responsible person Odoo does not know; empty: nobody.
    pub default_user: String,
    /// Whether a lead without `utm_source` gets its channel as source.
    pub channel_as_source: bool,
    /// `activity` or `off`.
    pub next_contact: String,
    /// External id of the type of the planned activity.
    pub activity_type: String,
    /// Office time: `+03:00`.
    pub utc_offset: String,
}

/// What to do when somebody deleted the record in Odoo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// Make it again.
    Recreate,
    /// Fail, so that a person decides.
    Stop,
}

/// What to do when two people turn out to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Write a note into each record.
    Note,
    /// Have Odoo merge their open records, too.
    Opportunities,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            database: String::new(),
            deleted: Deleted::Recreate,
            merge: Merge::Note,
            record_type: "auto".to_owned(),
            stage_interest: String::new(),
            stage_lead: String::new(),
            stage_client: "won".to_owned(),
            stage_refused: "lost".to_owned(),
            users: BTreeMap::new(),
            default_user: String::new(),
            channel_as_source: true,
            next_contact: "activity".to_owned(),
            activity_type: "mail.mail_activity_data_call".to_owned(),
            utc_offset: "+00:00".to_owned(),
        }
    }
}

impl Config {
    /// Reads the configuration; what is absent has its default.
    pub fn read(settings: &Node) -> Result<Self, Failure> {
        let mut config = Self::default();
        for (place, name) in [
            (&mut config.base_url, "base_url"),
            (&mut config.database, "database"),
            (&mut config.record_type, "record_type"),
            (&mut config.stage_interest, "stage_interest"),
            (&mut config.stage_lead, "stage_lead"),
            (&mut config.stage_client, "stage_client"),
            (&mut config.stage_refused, "stage_refused"),
            (&mut config.default_user, "default_user"),
            (&mut config.next_contact, "next_contact"),
            (&mut config.activity_type, "activity_type"),
            (&mut config.utc_offset, "utc_offset"),
        ] {
            if let Some(text) = settings.get(name).and_then(Node::as_str) {
                text.clone_into(place);
            }
        }
        let wrong = |name: &str| Failure::never("odoo.config", format!("`{name}` has a value that this connector does not know"));
        config.deleted = match settings.get("deleted").and_then(Node::as_str) {
            None | Some("recreate") => Deleted::Recreate,
            Some("stop") => Deleted::Stop,
            Some(_) => return Err(wrong("deleted")),
        };
        config.merge = match settings.get("merge").and_then(Node::as_str) {
            None | Some("note") => Merge::Note,
            Some("opportunities") => Merge::Opportunities,
            Some(_) => return Err(wrong("merge")),
        };
        config.channel_as_source = !matches!(settings.get("channel_as_source"), Some(Node::Bool(false)));
        if let Some(Node::Object(users)) = settings.get("users") {
            for name in users.names() {
                config.users.insert(name.to_owned(), users.peek_text(name).unwrap_or_default().to_owned());
            }
        }
        Ok(config)
    }

    /// The address of a record for people.
    #[must_use]
    pub fn link(&self, id: i64) -> String {
        format!("{}/odoo/crm.lead/{id}", self.base_url.trim_end_matches('/'))
    }

    /// Seconds east of Greenwich.
    #[must_use]
    pub fn offset_s(&self) -> i64 {
        let part = |from: usize| self.utc_offset.get(from..from + 2).and_then(|it| it.parse::<i64>().ok()).unwrap_or(0);
        let seconds = part(1) * 3_600 + part(4) * 60;
        if self.utc_offset.starts_with('-') { -seconds } else { seconds }
    }

    /// True when the next contact is kept as an activity.
    #[must_use]
    pub fn plans(&self) -> bool {
        self.next_contact == "activity"
    }
}
