#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod command;
pub mod contact;
pub mod conversation;
pub mod event;
pub mod identity;
pub mod interaction;
pub mod lead;
pub mod manifest;
pub mod outline;
pub mod time;
mod whole;

pub use command::{Command, Receipt};
pub use contact::{Contact, Name, Person};
pub use conversation::{Conversation, ConversationRef};
pub use event::{Event, EventBody, MessageStatus, Notice, RecordAction, RecordChange, RecordFields, StatusChange};
pub use identity::{Assurance, Identity, IdentityKind};
pub use interaction::{Attachment, AttachmentKind, Author, Detail, Direction, Interaction, Source};
pub use jiff::Timestamp;
pub use lead::{Lead, Qualification, Responsible, Stage, Temperature};
pub use manifest::Manifest;
pub use outline::Outline;

/// A JSON object whose keys the hub does not know: vendor fields that a mapping may still reach.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// The JSON Schemas of version 1, by file name. They are the contract for authors in any language.
pub const V1: [(&str, &str); 10] = [
    ("common.json", include_str!("../v1/common.json")),
    ("event.json", include_str!("../v1/event.json")),
    ("interaction.json", include_str!("../v1/interaction.json")),
    ("identity.json", include_str!("../v1/identity.json")),
    ("contact.json", include_str!("../v1/contact.json")),
    ("lead.json", include_str!("../v1/lead.json")),
    ("conversation.json", include_str!("../v1/conversation.json")),
    ("command.json", include_str!("../v1/command.json")),
    ("receipt.json", include_str!("../v1/receipt.json")),
    ("manifest.json", include_str!("../v1/manifest.json")),
];

/// Where the schema of a kind's payload stands: an absolute URI with a JSON pointer, to be compiled as `{"$ref": …}`
/// against a registry of [`V1`]. `None`: the kind is not ours, and any object may be its payload.
#[must_use]
pub fn payload_ref(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "message" => "https://patchbay.dev/schemas/v1/event.json#/$defs/message",
        "call" => "https://patchbay.dev/schemas/v1/event.json#/$defs/call",
        "form" => "https://patchbay.dev/schemas/v1/event.json#/$defs/form",
        "mail" => "https://patchbay.dev/schemas/v1/event.json#/$defs/mail",
        "comment" => "https://patchbay.dev/schemas/v1/event.json#/$defs/comment",
        "rating" => "https://patchbay.dev/schemas/v1/event.json#/$defs/rating",
        "status" => "https://patchbay.dev/schemas/v1/event.json#/$defs/status",
        "record" => "https://patchbay.dev/schemas/v1/event.json#/$defs/record",
        "person" => "https://patchbay.dev/schemas/v1/event.json#/$defs/person",
        "other" => "https://patchbay.dev/schemas/v1/event.json#/$defs/other",
        _ => return None,
    })
}
