//! `message.send`: the one command that every messenger understands.

use patchbay_schemas::command::{Button, ButtonAction, MessageSend};
use patchbay_schemas::{Attachment, AttachmentKind, ConversationRef};

use super::Reader;

const KINDS: [(&str, AttachmentKind); 9] = [
    ("photo", AttachmentKind::Photo),
    ("video", AttachmentKind::Video),
    ("audio", AttachmentKind::Audio),
    ("voice", AttachmentKind::Voice),
    ("document", AttachmentKind::Document),
    ("sticker", AttachmentKind::Sticker),
    ("location", AttachmentKind::Location),
    ("contact", AttachmentKind::Contact),
    ("other", AttachmentKind::Other),
];

/// Reads the payload of `message.send`.
pub fn message_send(mut it: Reader) -> MessageSend {
    MessageSend {
        conversation: conversation_ref(it.needed_object("conversation")),
        text: it.text("text"),
        attachment: it.object("attachment").map(attachment),
        buttons: rows(&mut it),
        reply_to: it.text("reply_to"),
    }
}

pub fn conversation_ref(mut it: Reader) -> ConversationRef {
    ConversationRef { key: it.needed("key"), title: it.text("title") }
}

#[inline(never)]
pub fn attachment(mut it: Reader) -> Attachment {
    Attachment {
        kind: it.needed_word("kind", &KINDS),
        reference: it.text("reference"),
        url: it.text("url"),
        name: it.text("name"),
        mime: it.text("mime"),
        size: it.whole("size", u64::MAX),
        extra: it.extra("extra"),
    }
}

fn rows(message: &mut Reader) -> Vec<Vec<Button>> {
    let mut rows = Vec::new();
    for row in message.list("buttons") {
        let mut buttons = Vec::new();
        for it in message.items(row, "buttons") {
            buttons.push(button(message.inner(it, "buttons")));
        }
        rows.push(buttons);
    }
    rows
}

fn button(mut it: Reader) -> Button {
    let action = match (it.text("choice"), it.text("url")) {
        (Some(choice), None) => ButtonAction::Choice(choice),
        (None, Some(url)) => ButtonAction::Url(url),
        _ => {
            it.wrong("buttons", "have either a `choice` or a `url`");
            ButtonAction::Choice(String::new())
        }
    };
    Button { text: it.needed("text"), action }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::agreement::{agrees, agrees_on_all};
    use super::message_send;

    #[test]
    fn a_message_is_read_as_derive_reads_it() {
        let whole = json!({
            "conversation": { "key": "5", "title": "Клиенты" }, "text": "x", "reply_to": "7",
            "attachment": { "kind": "photo", "reference": "r", "url": "u", "name": "n", "mime": "m", "size": 12.0, "extra": { "a": [1] } },
            "buttons": [[{ "text": "a", "choice": "b" }, { "text": "c", "url": "d" }], []]
        });
        agrees_on_all(&whole, message_send);
    }

    #[test]
    fn every_kind_of_attachment_is_known() {
        for kind in ["photo", "video", "audio", "voice", "document", "sticker", "location", "contact", "other", "hologram"] {
            agrees(&json!({ "conversation": { "key": "5" }, "attachment": { "kind": kind } }), message_send);
        }
    }
}
