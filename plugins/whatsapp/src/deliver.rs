//! Sends a message once, although the command may come again.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::MessageSend;

use crate::config::Config;
use crate::hub::Hub;
use crate::place::Place;
use crate::{send, window};

/// How long a sent message is remembered: longer than a command waits between our answer and the hub's commit.
const REMEMBERED_MS: u64 = 2 * 24 * 60 * 60 * 1000;
/// How long Meta may take.
const TIMEOUT_MS: u32 = 25_000;

/// Sends what is not sent yet.
///
/// The Cloud API knows no idempotency key. Each part is noted right after Meta took it, so a repeat goes on where the last try
/// stopped; only a crash between Meta's answer and that note sends one part twice.
pub fn deliver(hub: &mut impl Hub, config: &Config, idempotency_key: &str, message: &MessageSend) -> Result<Receipt, Failure> {
    let place = Place::parse(&message.conversation.key)?;
    let parts = send::parts(&place, message)?;
    let note = ["sent:", idempotency_key].concat();
    let noted = hub.recall(&note)?.unwrap_or_default();
    let mut sent: Vec<String> = noted.lines().map(str::to_owned).collect();
    if sent.len() < parts.len() && !send::is_template(message) {
        window::check(hub, &message.conversation.key)?;
    }
    let from = place.from.as_deref().unwrap_or(&config.phone_number_id);
    let path = ["/", &config.version, "/", from, "/messages"].concat();
    for mut part in parts.into_iter().skip(sent.len()) {
        // It comes back in every status of the message.
        part.put("biz_opaque_callback_data", idempotency_key);
        let answer = hub.ask(&path, Some(&part), TIMEOUT_MS)?;
        // Meta took it: from here on a repeat must not send it again, whatever else the answer lacks.
        let message = answer.get("messages").and_then(|it| it.items().first());
        let id = message.and_then(|it| it.get("id")).and_then(Node::as_str).unwrap_or("?");
        sent.push(id.to_owned());
        if let Err(failure) = hub.note(&note, &sent.join("\n"), Some(REMEMBERED_MS)) {
            let mut fields = Object::default();
            fields.put("failure.code", failure.code);
            hub.warn("could not note what was sent; a repeat of this command would send it again", &fields);
        }
    }
    Ok(receipt(&sent))
}

fn receipt(sent: &[String]) -> Receipt {
    let mut details = Object::default();
    if sent.len() > 1 {
        details.put("message_ids", sent.iter().map(|it| Node::from(it.as_str())).collect::<Vec<_>>());
    }
    Receipt { remote_id: sent.first().filter(|it| *it != "?").cloned(), details: details.rest() }
}
