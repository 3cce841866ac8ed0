//! Stages and sources: lists that each company makes its own (`crm.status.list`), and where in them a lead of the hub belongs.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Stage;
use patchbay_sink::same;
use serde_json::Value;

use crate::config::Config;
use crate::payload::{Record, records};

/// What a stage means to Bitrix24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Somebody works on it.
    Process,
    /// Won.
    Won,
    /// Lost.
    Lost,
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its code: `NEW`, `C2:WON`.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// What it means, where it is a stage.
    pub meaning: Meaning,
}

/// A list in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries(Vec<Entry>);

impl Entries {
    /// The answer of `crm.status.list`.
    #[must_use]
    pub fn read(list: Option<&Value>) -> Self {
        Self(list.map(records).unwrap_or_default().iter().map(entry).collect())
    }

    /// One list of an answer that has several.
    #[must_use]
    pub fn named(lists: Option<&Value>, name: &str) -> Self {
        let all = lists.map(records).unwrap_or_default();
        Self(all.iter().filter(|it| it.text("ENTITY_ID") == name).map(entry).collect())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Entry] {
        &self.0
    }

    /// The entry of that code or name.
    #[must_use]
    pub fn called(&self, name: &str) -> Option<&Entry> {
        let by = |field: fn(&Entry) -> &str| self.0.iter().find(|it| same::words(field(it), name));
        if name.trim().is_empty() { None } else { by(|it| &it.code).or_else(|| by(|it| &it.name)) }
    }

    /// The entry of that code.
    #[must_use]
    pub fn of(&self, code: &str) -> Option<&Entry> {
        self.0.iter().find(|it| it.code == code)
    }

    /// What the entries are called.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|it| &*it.name).collect()
    }

    /// True when nothing is known of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn first(&self, meaning: Meaning) -> Option<&Entry> {
        self.0.iter().find(|it| it.meaning == meaning)
    }

    /// The stage to move a record to, whatever stage it is in now.
    pub fn target(&self, goal: &Goal) -> Result<&Entry, Failure> {
        let found = match goal {
            Goal::Open | Goal::Mapped => self.first(Meaning::Process),
            Goal::Stage(name) => self.called(name),
            Goal::Won => self.first(Meaning::Won),
            Goal::Lost(reason) => {
                let named = reason.as_deref().and_then(|it| self.called(it)).filter(|it| it.meaning == Meaning::Lost);
                // Bitrix24's own failed stage, which people call what they like.
                let usual = || self.0.iter().find(|it| matches!(it.code.rsplit(':').next(), Some("JUNK" | "LOSE")));
                named.or_else(usual).or_else(|| self.first(Meaning::Lost))
            }
        };
        found.ok_or_else(|| {
            let name = if let Goal::Stage(name) = goal { name } else { goal.word() };
            Failure::never(
                "bitrix24.stage",
                format!(
                    "Bitrix24 has no stage \"{name}\": correct the stages in this connection's configuration (it has {})",
                    self.names().join(", ")
                ),
            )
        })
    }
}

fn entry(it: &Record) -> Entry {
    Entry { code: it.text("STATUS_ID"), name: it.text("NAME"), meaning: meaning(it) }
}

fn meaning(entry: &Record) -> Meaning {
    let word = entry.0["EXTRA"]["SEMANTICS"].as_str().or_else(|| entry.0["SEMANTICS"].as_str()).unwrap_or("");
    match word {
        "success" | "S" => Meaning::Won,
        "failure" | "apology" | "F" => Meaning::Lost,
        _ => Meaning::Process,
    }
}

/// Where a record should stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Neither won nor lost.
    Open,
    /// In the stage of this name or code.
    Stage(String),
    /// Won.
    Won,
    /// Lost, for a reason.
    Lost(Option<String>),
    /// Where the connection's mapping puts it, as a field like any other.
    Mapped,
}

impl Goal {
    /// What the configuration makes of the hub's stage.
    #[must_use]
    pub fn of(stage: &Stage, config: &Config) -> Self {
        let [interest, lead, client, refused] = config.named_stages();
        let name = match stage {
            Stage::Interest => interest,
            Stage::Lead => lead,
            Stage::Client => client,
            Stage::Refused { .. } => refused,
        };
        match (name, stage) {
            ("", _) => Self::Open,
            ("won", _) => Self::Won,
            ("lost", Stage::Refused { reason, .. }) => Self::Lost(reason.clone()),
            ("lost", _) => Self::Lost(None),
            (name, _) => Self::Stage(name.to_owned()),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Stage(_) | Self::Mapped => "",
            Self::Won => "won",
            Self::Lost(_) => "lost",
        }
    }

    /// True when a record in that stage has nowhere to go.
    #[must_use]
    pub fn is_reached(&self, record: &Record, config: &Config, stages: &Entries) -> bool {
        let meaning = record.text(config.kind.meaning_field());
        match self {
            Self::Open => record.is_open(config.kind),
            Self::Stage(name) => stages.called(name).is_some_and(|it| it.code == record.text(config.kind.stage_field())),
            Self::Won => meaning == "S",
            Self::Lost(_) => meaning == "F",
            Self::Mapped => true,
        }
    }
}
