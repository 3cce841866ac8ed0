//! Threads: what an answer must know of the mails before it, kept while they are fresh.

use patchbay_sdk::Failure;
use patchbay_sdk::host::state;
use patchbay_sdk::schemas::{Detail, EventBody};
use serde_json::{Value, json};

use crate::address::is_address;

/// How long a thread can be answered with its subject, milliseconds: half a year.
const REMEMBERED_MS: u64 = 180 * 24 * 60 * 60 * 1000;

/// What is known of a thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its subject.
    pub subject: String,
    /// Its Message-IDs, oldest first, as far as they are known.
    pub references: Vec<String>,
    /// Where the writer wants answers; none: at the address.
    pub reply_to: Option<String>,
}

/// A conversation's key, taken apart: the address, and the Message-ID that the thread began with.
#[must_use]
pub fn place(key: &str) -> Option<(&str, Option<&str>)> {
    let (address, root) = match key.split_once(" <") {
        Some((address, root)) => (address, root.strip_suffix('>')),
        None => (key, None),
    };
    let is_sound = is_address(address) && address.is_ascii() && !address.contains(['<', '>', '"', '\\', ',', ';']);
    (is_sound && root.is_none_or(is_id)).then_some((address, root))
}

/// True for what may stand between the brackets of a Message-ID.
#[must_use]
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 998 && text.bytes().all(|it| (0x21..0x7f).contains(&it) && !matches!(it, b'<' | b'>'))
}

/// Keeps what an answer to this mail must know. A state that is full is no reason to lose the mail.
pub fn note(body: &EventBody) {
    let EventBody::Mail(mail) = body else { return };
    let (Detail::Mail(detail), Some(conversation)) = (&mail.detail, &mail.conversation) else { return };
    let ids: Vec<&str> = detail.references.iter().chain(&detail.message_id).map(String::as_str).filter(|it| is_id(it)).collect();
    // The first and the newest: what lies between helps nobody.
    let kept: Vec<&str> = ids.iter().enumerate().filter(|(at, _)| *at == 0 || at + 8 >= ids.len()).map(|it| *it.1).collect();
    let document = json!({ "subject": detail.subject, "references": kept, "reply_to": mail.extra.get("reply_to") });
    let _ = state::set(&name(&conversation.key), document.to_string().as_bytes(), Some(REMEMBERED_MS));
}

/// What is known of a conversation; nothing, where it is too long ago.
pub fn recall(key: &str) -> Result<Option<Thread>, Failure> {
    let Some(kept) = state::get(&name(key))? else { return Ok(None) };
    let document: Value = serde_json::from_slice(&kept).unwrap_or_default();
    let reply_to = document["reply_to"].as_str().filter(|it| is_address(it) && it.is_ascii()).map(str::to_owned);
    let references = document["references"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(Some(Thread { subject: document["subject"].as_str().unwrap_or_default().to_owned(), references, reply_to }))
}

fn name(key: &str) -> String {
    // Keys of the state are shorter than a Message-ID may be.
    let mut hash = crate::map::Fnv::default();
    hash.add(key.as_bytes());
    format!("thread:{}", hash.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_apart_and_carries_no_command_to_the_server() {
        assert_eq!(place("anna@example.com <a1@x>"), Some(("anna@example.com", Some("a1@x"))));
        assert_eq!(place("anna@example.com"), Some(("anna@example.com", None)));
        for wrong in ["", "anna", "a@b\r\nRCPT TO:<c@d>", "a@b> <c@d", "a@b <x y>", "a@b,c@d"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
