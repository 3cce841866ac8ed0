//! Messages: what people write to us, what we write in the business app, and what both wrote before.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::interaction::{Message, Revision};
use patchbay_sdk::schemas::{ConversationRef, Detail, Direction, Interaction, Person, Source};

use crate::content::{self, Content};
use crate::line::{Line, time};
use crate::map::{Found, Scene};
use crate::notice;
use crate::people::{Party, word};

/// A message to us. `errors`: what stood beside it.
#[must_use]
pub fn received<'a>(scene: &Scene, mut fields: Object<'a>, errors: Vec<Node<'a>>) -> Option<Found> {
    let party = Party::take(&mut fields, "from", "from_user_id");
    let contact = scene.people.of(&party, None);
    let party = party.with(contact);
    if !errors.is_empty() && fields.peek("errors").is_none() {
        fields.put("errors", errors);
    }
    found(&scene.line, Direction::In, party.named(contact), &party, fields)
}

/// A message that somebody of us wrote in the WhatsApp Business app.
#[must_use]
pub fn echo(scene: &Scene, mut fields: Object) -> Option<Found> {
    let ourselves = word(&mut fields, "from");
    let party = Party::take(&mut fields, "to", "to_user_id");
    let contact = scene.people.of(&party, ourselves.as_deref());
    let party = party.with(contact);
    found(&scene.line, Direction::Out, party.named(contact), &party, fields)
}

/// A message from before the number joined.
#[must_use]
pub fn past(line: &Line, other: &Party, mut fields: Object) -> Option<Found> {
    let from = word(&mut fields, "from");
    // Who is not the other one is us.
    let is_theirs = from.is_some() && (from == other.number || from == other.user_id);
    let is_ours = from.as_deref().is_some_and(|it| line.is(it)) || (!is_theirs && fields.peek("to").is_some());
    fields.take("to");
    found(line, if is_ours { Direction::Out } else { Direction::In }, other.named(None), other, fields)
}

fn found(line: &Line, direction: Direction, person: Person, party: &Party, mut fields: Object) -> Option<Found> {
    let said_at = fields.peek_text("timestamp").unwrap_or_default().to_owned();
    // Every message has an id; one that has none is not lost for it.
    let id = word(&mut fields, "id").or_else(|| Some(["?", party.number.as_ref().or(party.user_id.as_ref())?, "?", &said_at].concat()))?;
    let occurred_at = time(&mut fields, "timestamp");
    let group = word(&mut fields, "group_id");
    let conversation = line.conversation(group.as_deref(), party);
    let body = match fields.peek_text("type") {
        Some("system") => notice::system(&id, person, conversation, fields),
        Some(kind @ ("reaction" | "revoke" | "request_welcome")) => {
            let what = kind.to_owned();
            fields.take("type");
            notice::about(what, &id, person, conversation, fields)
        }
        _ if is_permission(&fields) => notice::about("call_permission_reply".to_owned(), &id, person, conversation, fields),
        _ => return Some(written(line, direction, person, conversation, (id, occurred_at), fields)),
    };
    Some(Found::new(["message:", &id].concat(), occurred_at, body))
}

/// Leave to be called is given in a dialogue of WhatsApp's own, not in words.
fn is_permission(fields: &Object) -> bool {
    fields.peek("interactive").and_then(|it| it.get("type")).and_then(Node::as_str) == Some("call_permission_reply")
}

type Stamp = (String, Option<patchbay_sdk::schemas::Timestamp>);

fn written(
    line: &Line,
    direction: Direction,
    person: Person,
    conversation: Option<ConversationRef>,
    (id, occurred_at): Stamp,
    mut fields: Object,
) -> Found {
    let key = ["message:", &id].concat();
    let mut message = Message { id: Some(id), ..Message::default() };
    if fields.peek_text("type") == Some("edit")
        && let Some(mut edit) = fields.object("edit")
    {
        message.revision = Some(Revision::Edited);
        message.id = word(&mut edit, "original_message_id").or(message.id);
        fields.put_all(edit.object("message").unwrap_or_default());
    }
    context(&mut fields, &mut message);
    let Content { text, choice, attachments } = content::take(&mut fields);
    message.choice = choice;
    let mut source = if direction == Direction::In { line.source() } else { Source::default() };
    let by_advertisement = referral(&mut fields, &mut source);
    let interaction = Interaction {
        direction,
        person,
        conversation,
        text,
        author: None,
        attachments,
        source,
        detail: Detail::Message(message),
        extra: fields.rest(),
    };
    Found { by_advertisement, ..Found::new(key, occurred_at, EventBody::Message(interaction)) }
}

/// What the message answers, or that it was passed on.
fn context(fields: &mut Object, message: &mut Message) {
    let Some(mut context) = fields.object("context") else { return };
    message.reply_to = word(&mut context, "id");
    let is_forwarded = context.flag("forwarded");
    if context.flag("frequently_forwarded") || is_forwarded {
        // WhatsApp does not say who wrote it first.
        message.forwarded_from = Some("?".to_owned());
    }
    context.take("from");
    if !context.is_empty() {
        fields.put("context", context);
    }
}

/// The advertisement or post that led somebody here. It stays in `extra` as a whole.
fn referral(fields: &mut Object, source: &mut Source) -> bool {
    let Some(referral) = fields.object("referral") else { return false };
    let text = |name: &str| referral.peek_text(name).filter(|it| !it.is_empty());
    if let Some(click) = text("ctwa_clid") {
        source.clicks.insert("ctwa_clid".to_owned(), click.to_owned());
    }
    source.referrer = text("source_url").map(str::to_owned);
    fields.put("referral", referral);
    true
}
