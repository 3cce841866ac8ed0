//! Carries a command out once, although it may come again.

use patchbay_sdk::Failure;
use patchbay_sdk::host::{self, Level, state};
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::MessageSend;
use patchbay_sdk::socket::Socket;
use serde_json::json;

use crate::compose::{Answer, compose, reply_subject};
use crate::config::Config;
use crate::enclosure::Enclosure;
use crate::imap::Session;
use crate::{smtp, thread};

/// How long a sent mail is remembered: longer than it waits between the server's answer and the hub's commit.
const REMEMBERED_MS: u64 = 2 * 24 * 60 * 60 * 1000;
const TIMEOUT_MS: u32 = 60_000;
/// Subject of a mail that answers nothing.
const SUBJECT: &str = "Message";

/// Sends what was not sent yet.
///
/// SMTP cannot be asked whether it took a mail. It is noted right after the server took it; a crash between the two sends it twice, with
/// the same Message-ID, by which many mail boxes show it once.
pub fn deliver(config: &Config, key: &str, message: &MessageSend) -> Result<Receipt, Failure> {
    if !config.has_smtp {
        return Err(Failure::never("email.no_smtp", "this connection has no SMTP server: set `smtp`"));
    }
    if !message.buttons.is_empty() {
        return Err(Failure::never("email.message", "a mail has no buttons: say in the text what may be answered"));
    }
    let text = message.text.as_deref().unwrap_or_default();
    if text.trim().is_empty() && message.attachment.is_none() {
        return Err(Failure::never("email.empty", "there is neither a text nor a file to send"));
    }
    let place = thread::place(&message.conversation.key);
    let (address, root) = place.ok_or_else(|| Failure::never("email.conversation", "the key of the conversation names no mail address"))?;
    let id = message_id(config, key);
    let receipt = Receipt { remote_id: Some(id.clone()), ..Receipt::default() };
    let note = format!("sent:{}", id.split('@').next().unwrap_or_default());
    if state::get(&note)?.is_some() {
        return Ok(receipt);
    }
    let known = thread::recall(&message.conversation.key)?.unwrap_or_default();
    let mut references = if known.references.is_empty() { root.map(str::to_owned).into_iter().collect() } else { known.references };
    if let Some(answered) = message.reply_to.as_deref().filter(|it| thread::is_id(it)) {
        references.retain(|it| it != answered);
        references.push(answered.to_owned());
    }
    let title = message.conversation.title.as_deref().unwrap_or(&known.subject);
    let subject = Some(reply_subject(title)).filter(|it| !it.is_empty()).unwrap_or_else(|| SUBJECT.to_owned());
    let to = known.reply_to.as_deref().unwrap_or(address);
    let file = message.attachment.as_ref().map(Enclosure::fetch).transpose()?;
    let answer = Answer { id: &id, to, subject: &subject, references: &references, text, file: file.as_ref() };
    let mail = compose(config, &answer, host::now());
    // A large one would lie in memory twice while it is sent.
    drop(file);
    let mut wire = Socket::connect("smtp", TIMEOUT_MS)?;
    smtp::open(&mut wire, config)?;
    smtp::send(&mut wire, &config.address, to, &mail)?;
    // The server took it: a note that cannot be kept is no reason to say otherwise.
    let _ = state::set(&note, b"1", Some(REMEMBERED_MS));
    smtp::close(&mut wire);
    if !config.sent_mailbox.is_empty() && config.has_imap {
        keep_copy(config, &mail);
    }
    Ok(receipt)
}

/// Puts a copy among the sent mails. It was sent: that it could not be put there is said, and no failure.
fn keep_copy(config: &Config, mail: &[u8]) {
    let kept = Socket::connect("imap", TIMEOUT_MS).and_then(|wire| {
        let mut session = Session::open(wire, config)?;
        session.append(&config.sent_mailbox, mail)?;
        session.close();
        Ok(())
    });
    if let Err(failure) = kept {
        host::log(Level::Warn, "a sent mail could not be put into the folder for sent mails", &json!({ "error.code": failure.code }));
    }
}

/// The same for the same command, whenever it comes.
fn message_id(config: &Config, key: &str) -> String {
    let mut hash = crate::map::Fnv::default();
    hash.add(config.address.as_bytes());
    hash.add(key.as_bytes());
    let mut second = crate::map::Fnv::default();
    second.add(key.as_bytes());
    second.add(b"patchbay");
    format!("patchbay.{}{}@{}", hash.hex(), second.hex(), config.address.rsplit('@').next().unwrap_or("localhost"))
}
