//! An interaction: an event that is a contact with a person.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time::write;
use crate::whole::whole;
use crate::{ConversationRef, Extra, Person};

/// A contact with a person: the payload of the kinds message, call, form, mail, comment and rating.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Who started it.
    pub direction: Direction,
    /// The outside person, whoever started it.
    #[serde(default)]
    pub person: Person,
    /// The vendor's thread. None: the vendor has no threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationRef>,
    /// What was said, as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Who spoke on our side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
    /// Files and the like, by reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Where the person came from.
    #[serde(default, skip_serializing_if = "Source::is_empty")]
    pub source: Source,
    /// What is special to this kind, under a key with the kind's name.
    #[serde(flatten)]
    pub detail: Detail,
    /// Vendor fields without a place of their own.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl Interaction {
    /// An interaction of which nothing is known but who started it, with whom, and what is special to its kind.
    #[must_use]
    pub fn new(direction: Direction, person: Person, detail: Detail) -> Self {
        Self {
            direction,
            person,
            conversation: None,
            text: None,
            author: None,
            attachments: Vec::new(),
            source: Source::default(),
            detail,
            extra: Extra::default(),
        }
    }
}

/// Who started an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The person.
    In,
    /// The company.
    Out,
}

impl Direction {
    /// True when the company started it.
    #[must_use]
    pub fn is_out(&self) -> bool {
        matches!(self, Self::Out)
    }

    /// As it stands in JSON and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Somebody of the company: an operator, a manager, a bot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The vendor's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A file, place or card that came along, by reference: the bytes stay with the vendor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// What it is.
    pub kind: AttachmentKind,
    /// The vendor's id by which the connector can fetch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// An address that needs no credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// File name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// MIME type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// Size in bytes.
    #[serde(default, deserialize_with = "whole", skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Coordinates, the shared card, sticker emoji: what the kind has besides a file.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// The sorts of attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// A picture.
    Photo,
    /// A film.
    Video,
    /// Music or a sound file.
    Audio,
    /// A recorded voice message.
    Voice,
    /// Any other file.
    Document,
    /// A sticker.
    Sticker,
    /// A place.
    Location,
    /// Somebody's contact card.
    Contact,
    /// Anything else.
    Other,
}

/// Where the person came from, as far as this interaction tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Campaign tags without their prefix: `source`, `medium`, `campaign`, `term`, `content`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub utm: BTreeMap<String, String>,
    /// The advertiser's click ids by their own names: `gclid`, `yclid`, `fbclid`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clicks: BTreeMap<String, String>,
    /// The page on which it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// Our number that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// What a deep link carried: the payload of `/start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
}

impl Source {
    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { utm, clicks, page, referrer, line, start } = self;
        utm.is_empty() && clicks.is_empty() && page.is_none() && referrer.is_none() && line.is_none() && start.is_none()
    }
}

/// What is special to a kind of interaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// See [`Message`].
    Message(Message),
    /// See [`Call`].
    Call(Call),
    /// See [`Form`].
    Form(Form),
    /// See [`Mail`].
    Mail(Mail),
    /// See [`Comment`].
    Comment(Comment),
    /// See [`Rating`].
    Rating(Rating),
}

/// A chat message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The vendor's id of the message, unique within its conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Set when this is a new fact about an earlier message with the same id; the old text stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Who wrote it first, when it was passed on: nothing in the text is then said by the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_from: Option<String>,
    /// The data of the button that was pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
}

/// What was done to an earlier message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revision {
    /// It has a new text.
    Edited,
    /// It was taken back.
    Deleted,
}

/// A telephone call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The vendor's id of the call.
    pub id: String,
    /// How it ended; none while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<CallResult>,
    /// When it began to ring.
    #[serde(default, serialize_with = "write", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When somebody answered.
    #[serde(default, serialize_with = "write", skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, serialize_with = "write", skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Seconds of waiting before the answer (or the end).
    #[serde(default, deserialize_with = "whole", skip_serializing_if = "Option::is_none")]
    pub wait_s: Option<u32>,
    /// Seconds of talk.
    #[serde(default, deserialize_with = "whole", skip_serializing_if = "Option::is_none")]
    pub talk_s: Option<u32>,
    /// The vendor's reference or address of the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// Somebody spoke.
    Answered,
    /// Nobody took it.
    Missed,
    /// The line was busy.
    Busy,
    /// It went to voice mail.
    Voicemail,
    /// It could not be put through.
    Failed,
}

/// A form that somebody sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// The vendor's id of the submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The form's own name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Every field as it was sent, also those that were recognised.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub fields: Extra,
    /// Whether the person agreed to be contacted; none: the form did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<bool>,
}

/// An e-mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Message-ID without angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Subject, decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// References and In-Reply-To, oldest first, without angle brackets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Our addresses that it went to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Set when no person wrote it for us: it joins what is known of its sender, but no lead comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<Automatic>,
}

/// What wrote a mail that no person wrote for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Automatic {
    /// An answering machine: away until Monday.
    Reply,
    /// Sent to many, or by a program: a newsletter, a list, a notification.
    Bulk,
}

/// A comment under a post or a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// The vendor's id of the comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it stands under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// The comment that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A score that a person gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// The score.
    pub score: f64,
    /// The best possible score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}
