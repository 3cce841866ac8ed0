//! Commands: what the hub asks of a connection, and what comes back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Attachment, Author, ConversationRef, Event, Extra, Lead, MessageStatus, RecordFields};

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
    /// Show whoever answered in the sink what became of the answer.
    #[serde(rename = "message.status")]
    MessageStatus(Box<AnswerStatus>),
    /// Say what [`CommandBody::LeadUpsert`] would do, and write nothing: `details.plan` of the receipt is a [`RecordPlan`].
    #[serde(rename = "lead.plan")]
    LeadPlan(Box<LeadUpsert>),
    /// Say which fields the sink's records have: `details.fields` of the receipt are [`Field`]s.
    #[serde(rename = "fields.list")]
    FieldsList(Nothing),
    /// Have a telephone call made.
    #[serde(rename = "call.start")]
    CallStart(Box<CallStart>),
    /// Make the vendor post to this address: `details.webhook` of the receipt is a [`WebhookDone`].
    #[serde(rename = "webhook.set")]
    WebhookSet(Box<WebhookSet>),
    /// Make the vendor stop posting to this address, with the same answer.
    #[serde(rename = "webhook.remove")]
    WebhookRemove(Box<WebhookRemove>),
}

impl CommandBody {
    /// The payload alone, as JSON text.
    pub fn payload(&self) -> serde_json::Result<String> {
        match self {
            Self::LeadUpsert(it) | Self::LeadPlan(it) => serde_json::to_string(it),
            Self::FieldsList(it) => serde_json::to_string(it),
            Self::InteractionAdd(it) => serde_json::to_string(it),
            Self::MessageSend(it) => serde_json::to_string(it),
            Self::MessageStatus(it) => serde_json::to_string(it),
            Self::CallStart(it) => serde_json::to_string(it),
            Self::WebhookSet(it) => serde_json::to_string(it),
            Self::WebhookRemove(it) => serde_json::to_string(it),
        }
    }

    /// The command's kind as it stands in JSON and in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LeadUpsert(_) => "lead.upsert",
            Self::InteractionAdd(_) => "interaction.add",
            Self::MessageSend(_) => "message.send",
            Self::MessageStatus(_) => "message.status",
            Self::LeadPlan(_) => "lead.plan",
            Self::FieldsList(_) => "fields.list",
            Self::CallStart(_) => "call.start",
            Self::WebhookSet(_) => "webhook.set",
            Self::WebhookRemove(_) => "webhook.remove",
        }
    }
}

/// The payload of a command that says everything by its kind: `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

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
    /// Values of the sink's own fields by their names, as the connection's mapping makes them; null: leave the field alone.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub fields: Extra,
    /// Fields in which people said something else in this sink, and were overruled: there the lead's value is written over what stands in the
    /// record. `stage`, `responsible`, `title`, `next_contact_at`, `tags`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<String>,
    /// Nothing makes a record needed that is not there any more: where it was deleted, none is made and none is taken for it, but one into which it was
    /// merged, by our reference. Else: `sink.record_missing`, never again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub find_only: bool,
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
    /// Our id of the conversation that it belongs to: `cnv_…`. What people answer in the sink comes back as a message that goes out and has
    /// this as the key of its conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The person's records, that of `lead_remote_id` first, where the event is the hub's note that two people turned out to be one: a sink that can
    /// may merge them into one, and says so by [`RecordsMerged`]. All others just keep the note.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_person: Vec<PersonRecord>,
    /// True when an earlier try of this command may have had an effect that the hub did not hear of.
    #[serde(default)]
    pub retried: bool,
}

/// A record that a sink keeps for a lead of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// Our id of the lead: `lead_…`.
    pub lead_id: String,
    /// The sink's record of it.
    pub remote_id: String,
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

/// Show whoever answered in the sink what became of the answer: the newest that is known. Where it was said before, nothing changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerStatus {
    /// Our id of the answer: `int_…`.
    pub interaction_id: String,
    /// The event by which the sink told of the answer.
    pub event: Event,
    /// What became of it. With several files it is sent when all of them are, and failed when one of them is.
    pub status: MessageStatus,
    /// Why it will not arrive: `code: message`, or the vendor's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When that was known.
    pub at: Timestamp,
}

/// Have a telephone call made: the phone of one of us rings, and when it is taken, the number is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStart {
    /// Whom to call: 3 to 20 digits, with a plus where the country is among them.
    pub number: String,
    /// Whose phone rings first. None: as the connection is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// Our number that the other side sees. None: the telephone system decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Who asked for the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
    /// Nobody waits for the call any more: after this moment it must not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Make the vendor post what happens to this address: look what it is told already, and tell it what differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSet {
    /// Where to: the connection's own address.
    pub url: String,
    /// Tell the vendor even where the address agrees: what it does not show, such as the secret that it presents, may have changed.
    #[serde(default)]
    pub anew: bool,
}

/// Make the vendor stop posting to this address. Where it posts elsewhere meanwhile, that is somebody else's and is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookRemove {
    /// The address that it was told.
    pub url: String,
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

/// What stood in a record before `lead.upsert` wrote into it, in the receipt's details under `before`: what people changed there since the record
/// last told is not lost by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// When the record had been changed last.
    pub at: Timestamp,
    /// What it said.
    pub fields: RecordFields,
    /// Fields in which the lead's value was written over it; None: in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Vec<String>>,
}

/// The receipt's details of `fields.list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldList {
    /// One for each field.
    pub fields: Vec<Field>,
}

/// A field of the sink's record, as `v1/receipt.json#/$defs/field` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The vendor's name, as a mapping writes it.
    pub name: String,
    /// What people see.
    pub label: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Whether the vendor makes no record without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Of a choice, and of a link or list with few: what there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<FieldOption>,
}

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// `YYYY-MM-DD`
    Date,
    /// RFC 3339.
    Datetime,
    /// One of the options, by its value or label.
    Choice,
    /// Another record, by its id or name.
    Link,
    /// Several texts, names or ids.
    List,
}

impl FieldKind {
    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Choice => "choice",
            Self::Link => "link",
            Self::List => "list",
        }
    }
}

/// One of the values of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldOption {
    /// The vendor's value.
    pub value: String,
    /// What people see.
    pub label: String,
}

/// What `lead.plan` tells, as `v1/receipt.json#/$defs/plan` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordPlan {
    /// What would be done.
    pub result: Planned,
    /// The record's address for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// One for each field that would be written.
    pub changes: Vec<FieldChange>,
}

/// What would be done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Planned {
    /// Make one.
    Create,
    /// Write to the one that is there.
    Update,
    /// It agrees already.
    Leave,
}

/// What stands in a field, and what would.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The vendor's name of the field.
    pub field: String,
    /// What stands there; null: nothing.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub from: serde_json::Value,
    /// What would stand there.
    pub to: serde_json::Value,
}

/// What `interaction.add` tells where the sink merged records, as `v1/receipt.json#/$defs/merged` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsMerged {
    /// The record that is left.
    pub into: String,
    /// Those that are in it now and are there no more.
    pub records: Vec<String>,
}

/// What `webhook.set` and `webhook.remove` tell, as `v1/receipt.json#/$defs/webhook` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDone {
    /// What became of the address.
    pub result: WebhookResult,
    /// What the vendor says went wrong with its last delivery. None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What became of the address that a vendor posts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookResult {
    /// The vendor had none.
    Set,
    /// It had another one, or another way of posting.
    Mended,
    /// It was as it should be already.
    Left,
    /// It posts there no more.
    Removed,
}
