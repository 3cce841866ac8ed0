//! Sends a message once, although the command may come again.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::MessageSend;
use patchbay_sdk::{Failure, json};

use crate::answer::{self, Refusal};
use crate::hub::Hub;
use crate::place::Place;
use crate::send::{self, Call};

/// How long a sent message is remembered: longer than a command waits between our answer and the hub's commit.
const REMEMBERED_MS: u64 = 2 * 24 * 60 * 60 * 1000;
/// How long Telegram may take to fetch a file by its address.
const TIMEOUT_MS: u32 = 25_000;

/// Sends what is not sent yet.
///
/// Telegram knows no idempotency key. Each part is noted right after Telegram took it, so a repeat goes on where the last try
/// stopped; only a crash between Telegram's answer and that note sends one part twice.
pub fn deliver(hub: &mut impl Hub, idempotency_key: &str, message: &MessageSend) -> Result<Receipt, Failure> {
    let place = Place::parse(&message.conversation.key)?;
    let calls = send::calls(&place, message)?;
    let note = format!("sent:{idempotency_key}");
    let mut sent: Vec<i64> = ids(hub.recall(&note)?.as_deref());
    let mut chat = current(hub, place.chat)?;
    for mut call in calls.into_iter().skip(sent.len()) {
        call.parameters.put("chat_id", chat);
        let mut result = carried_out(hub, &call);
        if let Err(Refusal::Moved(to)) = result {
            hub.note(&moved(place.chat), &to.to_string(), None);
            chat = to;
            call.parameters.put("chat_id", chat);
            result = carried_out(hub, &call);
        }
        // Telegram took it: from here on a repeat must not send it again, whatever else the answer lacks.
        sent.push(result?);
        hub.note(&note, &joined(&sent), Some(REMEMBERED_MS));
    }
    Ok(receipt(&sent, chat, place.chat))
}

/// The id of the message that Telegram made of a call; zero where it names none.
fn carried_out(hub: &mut impl Hub, call: &Call) -> Result<i64, Refusal> {
    let (status, body) = hub.post(call.method, &call.parameters, TIMEOUT_MS).map_err(Refusal::Failed)?;
    let message = answer::result(status, &body)?;
    Ok(message.get("message_id").and_then(Node::as_i64).unwrap_or_default())
}

/// A group that becomes a supergroup gets a new id; conversations keep the old one.
fn current(hub: &mut impl Hub, chat: i64) -> Result<i64, Failure> {
    // Only basic groups move: their ids lie between those of supergroups and zero.
    if !(-1_000_000_000_000..0).contains(&chat) {
        return Ok(chat);
    }
    Ok(hub.recall(&moved(chat))?.and_then(|it| it.parse().ok()).unwrap_or(chat))
}

fn moved(chat: i64) -> String {
    format!("moved:{chat}")
}

fn receipt(sent: &[i64], chat: i64, asked: i64) -> Receipt {
    let mut details = Object::default();
    if sent.len() > 1 {
        details.put("message_ids", sent.iter().map(|it| Node::from(*it)).collect::<Vec<_>>());
    }
    if chat != asked {
        details.put("moved_to", chat);
    }
    Receipt { remote_id: sent.first().filter(|it| **it != 0).map(ToString::to_string), details: details.rest() }
}

/// The note of what was sent: the ids of the messages as a JSON list.
fn joined(ids: &[i64]) -> String {
    json::write(ids).unwrap_or_default()
}

fn ids(note: Option<&str>) -> Vec<i64> {
    let note = note.and_then(|it| Node::parse(it.as_bytes()).ok()).unwrap_or_default();
    note.items().iter().filter_map(Node::as_i64).collect()
}
