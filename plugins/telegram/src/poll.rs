//! Asks Telegram what is new.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::{Event, Notice};
use patchbay_sdk::{Failure, Page};

use crate::answer;
use crate::config::Config;
use crate::hub::Hub;
use crate::map;
use crate::payload::Update;

/// How long Telegram holds the question open, seconds.
const WAIT_S: u32 = 20;
/// How long the answer may take altogether.
const TIMEOUT_MS: u32 = 30_000;
/// Most updates that Telegram gives at once.
const MOST: u32 = 100;

/// The updates that mean something here. Telegram leaves out members and reactions unless they are named.
pub const ALLOWED: [&str; 22] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
];

/// What is new since `cursor`, the first update that is not known yet. By asking for it the earlier ones are confirmed.
pub fn poll(hub: &mut impl Hub, cursor: Option<&str>, limit: u32, config: Config) -> Result<Page, Failure> {
    let offset: i64 = match cursor {
        None => 0,
        Some(text) => text.parse().map_err(|_| Failure::never("telegram.cursor", "the cursor is not one of this connector"))?,
    };
    let limit = limit.clamp(1, MOST);
    let allowed: Vec<Node> = ALLOWED.into_iter().map(Node::from).collect();
    let mut question = Object::default();
    question.put("offset", offset);
    question.put("limit", i64::from(limit));
    question.put("timeout", i64::from(WAIT_S));
    question.put("allowed_updates", allowed);
    let (status, body) = hub.post("getUpdates", &question, TIMEOUT_MS)?;
    let Node::List(updates) = answer::result(status, &body)? else {
        return Err(Failure::later("telegram.unavailable", "getUpdates did not answer with a list"));
    };
    let more = updates.len() >= limit as usize;
    let next = updates.iter().filter_map(update_id).max().map(|it| (it + 1).to_string());
    let events = updates.into_iter().filter_map(|it| event(it, config)).collect();
    Ok(Page { events, next_cursor: next, more })
}

/// One update that cannot be read must not hold up those behind it: it is kept as it is.
fn event(update: Node, config: Config) -> Option<Event> {
    let Err(failure) = Update::check(&update) else { return map::checked(update, config) };
    let id = update_id(&update).map_or_else(|| "update:unreadable".to_owned(), map::update_key);
    let mut extra = Object::default();
    extra.put("reason", failure.message);
    extra.put("update", update);
    let notice = Notice { what: "unreadable_update".to_owned(), person: None, conversation: None, extra: extra.rest() };
    Some(Event { id, occurred_at: None, body: EventBody::Other(notice) })
}

fn update_id(update: &Node) -> Option<i64> {
    update.get("update_id").and_then(Node::as_i64)
}
