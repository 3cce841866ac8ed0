//! What the user chose for this connection.

use std::collections::BTreeMap;

use patchbay_sdk::Failure;
use patchbay_sdk::json::Node;

/// The connection's configuration, as `connector.toml` describes it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Bitrix24 answers, without a path.
    pub base_url: String,
    /// The endpoint by which the hub gets in: `api` with a webhook, `app` with an application's token.
    pub endpoint: &'static str,
    /// What a lead of the hub is in Bitrix24.
    pub kind: Kind,
    /// Number of the pipeline of deals; `0`: the general one.
    pub pipeline: String,
    /// What to do when somebody deleted the record.
    pub deleted: Deleted,
    /// Stage of an interest, `won`, `lost`, or empty.
    pub stage_interest: String,
    /// Stage of a lead, `won`, `lost`, or empty.
    pub stage_lead: String,
    /// Stage of a client, `won`, `lost`, or empty.
    pub stage_client: String,
    /// Stage of a refused lead, `won`, `lost`, or empty.
    pub stage_refused: String,
    /// Name in the hub → name, e-mail or number in Bitrix24.
    pub users: BTreeMap<String, String>,
    /// Who answers for a lead whose responsible person Bitrix24 does not know; empty: the webhook's owner.
    pub default_user: String,
    /// Channel or `utm_source` → name or code of a source.
    pub sources: BTreeMap<String, String>,
    /// Whether the next contact is a to-do.
    pub plans: bool,
    /// Whether a call is an activity of its own kind.
    pub call_activities: bool,
    /// Number of the open line in which people's messages appear; empty: none.
    pub open_line: String,
    /// The connection's own address, to which Bitrix24 posts what operators answer.
    pub hub_address: String,
}

/// The records that stand for leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Leads.
    Lead,
    /// Deals, each with a contact.
    Deal,
}

/// What to do when somebody deleted the record in Bitrix24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// Make it again.
    Recreate,
    /// Fail, so that a person decides.
    Stop,
}

impl Kind {
    /// As Bitrix24 writes it in methods, addresses and timeline comments: `lead`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Deal => "deal",
        }
    }

    /// Bitrix24's number of the type of record (`OWNER_TYPE_ID`).
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Lead => 1,
            Self::Deal => 2,
        }
    }

    /// The field of the stage.
    #[must_use]
    pub fn stage_field(self) -> &'static str {
        match self {
            Self::Lead => "STATUS_ID",
            Self::Deal => "STAGE_ID",
        }
    }

    /// The field that says what the stage means: `P` in work, `S` won, `F` lost.
    #[must_use]
    pub fn meaning_field(self) -> &'static str {
        match self {
            Self::Lead => "STATUS_SEMANTIC_ID",
            Self::Deal => "STAGE_SEMANTIC_ID",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            endpoint: "api",
            kind: Kind::Lead,
            pipeline: "0".to_owned(),
            deleted: Deleted::Recreate,
            stage_interest: String::new(),
            stage_lead: String::new(),
            stage_client: "won".to_owned(),
            stage_refused: "lost".to_owned(),
            users: BTreeMap::new(),
            default_user: String::new(),
            sources: BTreeMap::new(),
            plans: true,
            call_activities: true,
            open_line: String::new(),
            hub_address: String::new(),
        }
    }
}

impl Config {
    /// Reads the configuration; what is absent has its default.
    pub fn read(settings: &Node) -> Result<Self, Failure> {
        let mut config = Self::default();
        for (place, name) in [
            (&mut config.base_url, "base_url"),
            (&mut config.pipeline, "pipeline"),
            (&mut config.stage_interest, "stage_interest"),
            (&mut config.stage_lead, "stage_lead"),
            (&mut config.stage_client, "stage_client"),
            (&mut config.stage_refused, "stage_refused"),
            (&mut config.default_user, "default_user"),
            (&mut config.open_line, "open_line"),
            (&mut config.hub_address, "hub_address"),
        ] {
            if let Some(text) = settings.get(name).and_then(Node::as_str) {
                text.clone_into(place);
            }
        }
        for (place, name) in [(&mut config.users, "users"), (&mut config.sources, "sources")] {
            if let Some(Node::Object(names)) = settings.get(name) {
                for it in names.names() {
                    place.insert(it.to_owned(), names.peek_text(it).unwrap_or_default().trim().to_owned());
                }
            }
        }
        if chosen(settings, "auth", ["webhook", "oauth2"])? == 1 {
            config.endpoint = "app";
        }
        if chosen(settings, "record_type", ["lead", "deal"])? == 1 {
            config.kind = Kind::Deal;
        }
        if chosen(settings, "deleted", ["recreate", "stop"])? == 1 {
            config.deleted = Deleted::Stop;
        }
        config.plans = chosen(settings, "next_contact", ["todo", "off"])? == 0;
        config.call_activities = chosen(settings, "calls", ["activity", "comment"])? == 0;
        Ok(config)
    }

    /// True where the hub gets in as an application.
    #[must_use]
    pub fn is_application(&self) -> bool {
        self.endpoint == "app"
    }

    /// The address of a record for people.
    #[must_use]
    pub fn link(&self, id: i64) -> String {
        format!("{}/crm/{}/details/{id}/", self.base_url.trim_end_matches('/'), self.kind.name())
    }

    /// Bitrix24's name of the list of stages.
    #[must_use]
    pub fn stages(&self) -> String {
        self.stages_of(&self.pipeline)
    }

    /// The same of a pipeline; without one, of the general one.
    #[must_use]
    pub fn stages_of(&self, pipeline: &str) -> String {
        match (self.kind, pipeline) {
            (Kind::Lead, _) => "STATUS".to_owned(),
            (Kind::Deal, "0" | "") => "DEAL_STAGE".to_owned(),
            (Kind::Deal, pipeline) => ["DEAL_STAGE_", pipeline].concat(),
        }
    }

    /// The configured stages, as they were written.
    #[must_use]
    pub fn named_stages(&self) -> [&str; 4] {
        [&self.stage_interest, &self.stage_lead, &self.stage_client, &self.stage_refused].map(|it| it.trim())
    }
}

/// Which of the words stands there; the first where there is none.
fn chosen(settings: &Node, name: &str, words: [&str; 2]) -> Result<usize, Failure> {
    match settings.get(name).and_then(Node::as_str) {
        None => Ok(0),
        Some(word) => words.iter().position(|it| *it == word).ok_or_else(|| {
            Failure::never(
                "bitrix24.config",
                format!("`{name}` has a value that this connector does not know: use {} or {}", words[0], words[1]),
            )
        }),
    }
}
