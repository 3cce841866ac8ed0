//! Commands: what the hub asks of a connection, and what comes back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Attachment, ConversationRef, Event, Extra, Lead};

/// What the hub asks of a connection, as `v1/command.json` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Stays the same when the command is tried again: doing it twice must have the effect of once.
    pub idempotency_key: String,
    /// `kind` and `payload`.
    #[serde(flatten)]
    pub body: CommandBody,
}

/// What is asked: the `kind` names the variant, the `payload` is its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload")]
pub enum CommandBody {
    /// Make the sink's record agree with this lead; create it where there is none.
    #[serde(rename = "lead.upsert")]
    LeadUpsert(Box<LeadUpsert>),
    /// Add this interaction to the history of the sink's record.
    #[serde(rename = "interaction.add")]
    InteractionAdd(Box<InteractionAdd>),
    /// Send a message into a conversation.
    #[serde(rename = "message.send")]
    MessageSend(Box<MessageSend>),
}

impl CommandBody {
    /// The payload alone, as JSON text.
    pub fn payload(&self) -> serde_json::Result<String> {
        match self {
            Self::LeadUpsert(it) => serde_json::to_string(it),
            Self::InteractionAdd(it) => serde_json::to_string(it),
            Self::MessageSend(it) => serde_json::to_string(it),
        }
    }

    /// The command's kind as it stands in JSON and in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LeadUpsert(_) => "lead.upsert",
            Self::InteractionAdd(_) => "interaction.add",
            Self::MessageSend(_) => "message.send",
        }
    }
}

/// Make the sink's record agree with this lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadUpsert {
    /// The lead as it is now.
    pub lead: Lead,
    /// The sink's record, where it is known. None: look for it (by our reference, phone, e-mail) before creating.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// What the last receipt for this record said in its `details`: the connection's own memory of the record.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub known: Extra,
    /// When a record is made for a lead that the sink has none of.
    #[serde(default)]
    pub new_record: NewRecord,
    /// True when an earlier try of this command may have had an effect that the hub did not hear of.
    #[serde(default)]
    pub retried: bool,
}

/// When a sink makes a record for a lead that it has none of: what the workspace wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewRecord {
    /// Only for a person whom it does not know: the newest record of one whom it knows stands for the lead, open or closed.
    UnlessKnown,
    /// Unless it has an open record of the person, which then stands for the lead.
    #[default]
    UnlessOpen,
    /// Always: each lead has a record of its own.
    Always,
}

/// Add an interaction to the history of the sink's record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InteractionAdd {
    /// The sink's record of the lead.
    pub lead_remote_id: String,
    /// Our id of the interaction: `int_…`.
    pub interaction_id: String,
    /// The medium: `telegram`, `form`.
    pub channel: String,
    /// When the hub received it.
    pub received_at: Timestamp,
    /// The event itself.
    pub event: Event,
    /// True when an earlier try of this command may have had an effect that the hub did not hear of.
    #[serde(default)]
    pub retried: bool,
}

/// Send a message into a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageSend {
    /// Where to.
    pub conversation: ConversationRef,
    /// Plain text, or the caption of the attachment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// At most one file, by the vendor's reference or a public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// Buttons under the message, row by row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Vec<Button>>,
    /// The vendor's id of the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// A button under a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Button {
    /// What stands on it.
    pub text: String,
    /// What a press does.
    #[serde(flatten)]
    pub action: ButtonAction,
}

/// What the press of a button does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonAction {
    /// Comes back as `message.choice`.
    Choice(String),
    /// Opens a page.
    Url(String),
}

/// A button as it stands in JSON. Read this way it needs a tenth of the code that `flatten` needs, and every messenger carries it.
#[derive(Deserialize)]
struct Parts {
    text: String,
    choice: Option<String>,
    url: Option<String>,
}

impl TryFrom<Parts> for Button {
    type Error = &'static str;

    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        let action = match (parts.choice, parts.url) {
            (Some(choice), None) => ButtonAction::Choice(choice),
            (None, Some(url)) => ButtonAction::Url(url),
            _ => return Err("a button has either a `choice` or a `url`"),
        };
        Ok(Self { text: parts.text, action })
    }
}

/// What a connection says of a command that it carried out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The vendor's id of the record or message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// Anything worth keeping: whether a record was found or created, its address for people.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub details: Extra,
}
