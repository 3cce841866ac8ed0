//! What a message says: its text, what was chosen in it, and what came along.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Attachment;

use crate::media;
use crate::people::word;

/// What a message says.
#[derive(Debug, Default)]
pub struct Content {
    /// The text, caption, or title of what was chosen.
    pub text: Option<String>,
    /// The data of what was chosen.
    pub choice: Option<String>,
    /// Files, places, cards.
    pub attachments: Vec<Attachment>,
}

/// Takes what is said. What is of no kind that is known here stays in `fields`.
#[must_use]
pub fn take(fields: &mut Object) -> Content {
    let mut content = Content::default();
    match fields.object("text") {
        Some(mut text) => {
            content.text = text.text("body");
            leave(fields, "text", text);
        }
        None => content.text = None,
    }
    if let Some(mut button) = fields.object("button") {
        content.text = content.text.or_else(|| button.text("text"));
        content.choice = word(&mut button, "payload");
        leave(fields, "button", button);
    }
    if let Some(interactive) = fields.object("interactive") {
        chosen(fields, interactive, &mut content);
    }
    let (attachments, caption) = media::take(fields);
    content.attachments = attachments;
    content.text = content.text.or(caption).filter(|it| !it.trim().is_empty());
    if fields.peek_text("type").is_some_and(|it| KINDS.contains(&it)) {
        fields.take("type");
    }
    content
}

/// Types whose content is mapped as a whole, so that their name tells nothing more.
const KINDS: [&str; 13] =
    ["audio", "button", "contacts", "document", "edit", "image", "interactive", "location", "order", "sticker", "text", "video", "voice"];

/// What was chosen from buttons or a list, or sent by a form ("flow").
fn chosen<'a>(fields: &mut Object<'a>, mut interactive: Object<'a>, content: &mut Content) {
    for name in ["button_reply", "list_reply"] {
        if let Some(mut reply) = interactive.object(name) {
            content.choice = word(&mut reply, "id");
            content.text = content.text.take().or_else(|| reply.text("title"));
            leave(&mut interactive, name, reply);
        }
    }
    if let Some(mut reply) = interactive.object("nfm_reply") {
        // The answers are JSON within a text.
        if let Some(answers) = reply.peek_text("response_json").and_then(|it| Node::parse(it.as_bytes()).ok()).map(Node::into_owned) {
            reply.take("response_json");
            reply.put("response", answers);
        }
        interactive.put("nfm_reply", reply);
    }
    if interactive.names().any(|it| it != "type") {
        fields.put("interactive", interactive);
    }
}

/// Puts back what is left of an object.
fn leave<'a>(fields: &mut Object<'a>, name: &'static str, rest: Object<'a>) {
    if !rest.is_empty() {
        fields.put(name, rest);
    }
}
