//! Sends a message once, although the command may come again.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::command::MessageSend;
use patchbay_sdk::schemas::{Extra, Receipt};
use serde_json::Value;

use crate::answer::Refusal;
use crate::hub::Hub;
use crate::place::Place;
use crate::send;

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
    for call in calls.into_iter().skip(sent.len()) {
        let mut parameters = call.parameters;
        parameters.insert("chat_id".to_owned(), Value::from(chat));
        let mut parameters = Value::Object(parameters);
        let result = match hub.call(call.method, &parameters, TIMEOUT_MS) {
            Err(Refusal::Moved(to)) => {
                hub.note(&moved(place.chat), &to.to_string(), None);
                chat = to;
                if let Some(it) = parameters.get_mut("chat_id") {
                    *it = Value::from(to);
                }
                hub.call(call.method, &parameters, TIMEOUT_MS)?
            }
            other => other?,
        };
        // Telegram took it: from here on a repeat must not send it again, whatever else the answer lacks.
        sent.push(result.get("message_id").and_then(Value::as_i64).unwrap_or_default());
        hub.note(&note, &joined(&sent), Some(REMEMBERED_MS));
    }
    Ok(receipt(&sent, chat, place.chat))
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
    let mut details = Extra::new();
    if sent.len() > 1 {
        details.insert("message_ids".to_owned(), Value::from(sent));
    }
    if chat != asked {
        details.insert("moved_to".to_owned(), Value::from(chat));
    }
    Receipt { remote_id: sent.first().filter(|it| **it != 0).map(ToString::to_string), details }
}

fn joined(ids: &[i64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn ids(note: Option<&str>) -> Vec<i64> {
    note.into_iter().flat_map(|it| it.split(',')).filter_map(|it| it.parse().ok()).collect()
}
