//! An event: one thing that a connector reports.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time::write;
use crate::{ConversationRef, Direction, Extra, Interaction, Person};

/// One thing that happened, as `v1/event.json` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Deduplication key within one connection: the same fact told twice has the same id.
    pub id: String,
    /// The vendor's own time; absent where the vendor gives none (the hub then uses the time of receipt).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    /// `kind` and `payload`.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened: the `kind` names the variant, the `payload` is its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload", rename_all = "snake_case")]
pub enum EventBody {
    /// Somebody wrote, or was written to.
    Message(Interaction),
    /// Somebody called, or was called.
    Call(Interaction),
    /// Somebody sent a form.
    Form(Interaction),
    /// An e-mail.
    Mail(Interaction),
    /// A comment under a post or a listing.
    Comment(Interaction),
    /// A score that a person gave.
    Rating(Interaction),
    /// What became of a message that we sent.
    Status(StatusChange),
    /// A record changed in a CRM.
    Record(RecordChange),
    /// Something became known about a person, without an interaction.
    Person(Person),
    /// Anything else worth keeping.
    Other(Notice),
}

impl EventBody {
    /// The event's kind as it stands in JSON and in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Call(_) => "call",
            Self::Form(_) => "form",
            Self::Mail(_) => "mail",
            Self::Comment(_) => "comment",
            Self::Rating(_) => "rating",
            Self::Status(_) => "status",
            Self::Record(_) => "record",
            Self::Person(_) => "person",
            Self::Other(_) => "other",
        }
    }

    /// A body from its kind and its payload; an unknown kind is an error.
    pub fn parse(kind: &str, payload: serde_json::Value) -> serde_json::Result<Self> {
        use serde_json::from_value;
        Ok(match kind {
            "message" => Self::Message(from_value(payload)?),
            "call" => Self::Call(from_value(payload)?),
            "form" => Self::Form(from_value(payload)?),
            "mail" => Self::Mail(from_value(payload)?),
            "comment" => Self::Comment(from_value(payload)?),
            "rating" => Self::Rating(from_value(payload)?),
            "status" => Self::Status(from_value(payload)?),
            "record" => Self::Record(from_value(payload)?),
            "person" => Self::Person(from_value(payload)?),
            "other" => Self::Other(from_value(payload)?),
            unknown => return Err(serde::de::Error::custom(format!("`{unknown}` is no kind of event"))),
        })
    }

    /// The payload alone, as JSON text.
    pub fn payload(&self) -> serde_json::Result<String> {
        match self {
            Self::Message(it) | Self::Call(it) | Self::Form(it) | Self::Mail(it) | Self::Comment(it) | Self::Rating(it) => {
                serde_json::to_string(it)
            }
            Self::Status(it) => serde_json::to_string(it),
            Self::Record(it) => serde_json::to_string(it),
            Self::Person(it) => serde_json::to_string(it),
            Self::Other(it) => serde_json::to_string(it),
        }
    }

    /// The interaction, where the event is one.
    #[must_use]
    pub fn interaction(&self) -> Option<&Interaction> {
        match self {
            Self::Message(it) | Self::Call(it) | Self::Form(it) | Self::Mail(it) | Self::Comment(it) | Self::Rating(it) => Some(it),
            Self::Status(_) | Self::Record(_) | Self::Person(_) | Self::Other(_) => None,
        }
    }
}

/// What became of a message that we sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusChange {
    /// The vendor's id of the message.
    pub message_id: String,
    /// Its new state.
    pub status: MessageStatus,
    /// The vendor's reason for a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who told: `out`, the way itself; `in`, the other side, by a message of its own (a bounce, a read receipt).
    #[serde(default = "by_the_way", skip_serializing_if = "Direction::is_out")]
    pub direction: Direction,
    /// The person who got the message, where the vendor says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// Vendor fields without a place of their own.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

fn by_the_way() -> Direction {
    Direction::Out
}

/// The life of a message that we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// The vendor took it.
    Sent,
    /// It reached the person's device.
    Delivered,
    /// The person saw it.
    Read,
    /// It will not arrive.
    Failed,
}

/// Something worth keeping that is neither an interaction nor a change of a record: somebody joined a group, a chat was pinned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The vendor's name of what happened: `pinned_message`. `call`: a call between two of us, which nobody outside had part in.
    pub what: String,
    /// The person whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// The vendor's thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationRef>,
    /// Vendor fields without a place of their own.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// A record changed in a CRM (or any other system of record).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordChange {
    /// The vendor's name of the record's type: `crm.lead`, `deal`.
    pub entity: String,
    /// What was done to it.
    pub action: RecordAction,
    /// The vendor's id of the record.
    pub external_id: String,
    /// The hub's lead that the record was made for, where the record carries our reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// The vendor's id of the contact that the record belongs to, where that is one person: not of a company's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_ref: Option<String>,
    /// The record's values in our words, as far as the connector knows them.
    #[serde(default, skip_serializing_if = "RecordFields::is_empty")]
    pub fields: RecordFields,
    /// Vendor fields without a place of their own.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// What was done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordAction {
    /// It is new.
    Created,
    /// Some of its fields changed.
    Updated,
    /// It is gone.
    Deleted,
    /// It was joined into another record.
    Merged,
    /// The vendor only says that something happened.
    Changed,
}

/// The values of a changed record in the hub's own words. An absent field says nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordFields {
    /// The lead's stage, where the vendor's own stage corresponds to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<crate::Stage>,
    /// Who answers for the lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<crate::Responsible>,
    /// The lead's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When somebody will next speak with the person.
    #[serde(default, serialize_with = "write", skip_serializing_if = "Option::is_none")]
    pub next_contact_at: Option<Timestamp>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// The person behind the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// `person` is all that the record says of its person: a name, company, city, phone or e-mail address that is missing there stands nowhere in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub person_whole: bool,
}

impl RecordFields {
    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { stage, responsible, title, next_contact_at, tags, person, person_whole } = self;
        let is_blank = stage.is_none() && responsible.is_none() && title.is_none() && next_contact_at.is_none();
        is_blank && tags.is_none() && person.is_none() && !person_whole
    }
}
