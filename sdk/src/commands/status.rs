//! `message.status`: what became of an answer that people of a sink wrote.

use patchbay_schemas::MessageStatus;
use patchbay_schemas::command::AnswerStatus;

use super::Reader;
use super::interaction::event;

const STATUSES: [(&str, MessageStatus); 4] = [
    ("sent", MessageStatus::Sent),
    ("delivered", MessageStatus::Delivered),
    ("read", MessageStatus::Read),
    ("failed", MessageStatus::Failed),
];

/// Reads the payload of `message.status`.
pub fn message_status(mut it: Reader) -> AnswerStatus {
    AnswerStatus {
        interaction_id: it.needed("interaction_id"),
        event: event(it.needed_object("event")),
        status: it.needed_word("status", &STATUSES),
        error: it.text("error"),
        at: it.needed_time("at"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::agreement::{agrees, agrees_on_all};
    use super::message_status;

    #[test]
    fn a_status_is_read_as_derive_reads_it() {
        let of = |status: &str| {
            json!({
                "interaction_id": "int_1", "status": status, "error": "e", "at": "2026-03-14T09:26:53Z",
                "event": { "id": "1", "kind": "message", "payload": { "direction": "out", "person": {}, "text": "x", "message": { "id": "2" } } }
            })
        };
        agrees(&of("bounced"), message_status);
        for status in ["sent", "delivered", "read", "failed"] {
            agrees(&of(status), message_status);
        }
        let mut whole = of("failed");
        whole["event"]["payload"] = json!({ "direction": "out", "person": { "name": { "full": "Olga" } }, "message": {} });
        agrees_on_all(&whole, message_status);
    }
}
