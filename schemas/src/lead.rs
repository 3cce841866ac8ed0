//! A lead: one wish of one contact to buy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time::write;
use crate::{Contact, Source};

/// One wish of one contact to buy, as the API shows it and as a sink gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    /// `lead_…`.
    pub id: String,
    /// What it is about, for people.
    pub title: String,
    /// How far it came.
    pub stage: Stage,
    /// The person.
    pub contact: Contact,
    /// Where it came from.
    pub source: LeadSource,
    /// Who answers for it. None is shown as a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<Responsible>,
    /// When somebody will next speak with the person. None is shown as a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_contact_at: Option<Timestamp>,
    /// Whether the company wants such leads.
    #[serde(default)]
    pub qualification: Qualification,
    /// How urgent the wish is.
    #[serde(default)]
    pub temperature: Temperature,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How far a lead came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Stage {
    /// Somebody reacted, but there is no way yet to reach a real person.
    Interest,
    /// A named or reachable person.
    Lead,
    /// Converted.
    Client,
    /// Turned down.
    Refused {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When to come back to it.
        #[serde(default, serialize_with = "write", skip_serializing_if = "Option::is_none")]
        return_at: Option<Timestamp>,
    },
}

impl Stage {
    /// As it stands in JSON and in the database.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Interest => "interest",
            Self::Lead => "lead",
            Self::Client => "client",
            Self::Refused { .. } => "refused",
        }
    }

    /// True while new interactions join it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Interest | Self::Lead)
    }
}

/// Where a lead came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadSource {
    /// The medium: `telegram`, `form`.
    pub channel: String,
    /// The connection: `cxn_…`.
    pub connection: String,
    /// Campaign, page, click ids and the like of the first interaction.
    #[serde(flatten)]
    pub origin: Source,
}

/// Who answers for a lead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responsible {
    /// The sink's id of the user, where it came from a sink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name or login.
    pub name: String,
}

/// Whether the company wants such leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Qualification {
    /// Nobody said so yet.
    #[default]
    Unknown,
    /// Wanted.
    Target,
    /// Not wanted.
    NonTarget,
}

/// How urgent the wish is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temperature {
    /// Only looked around.
    #[default]
    Cold,
    /// Asked for a call, a price, a demonstration.
    Hot,
}
