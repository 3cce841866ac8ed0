//! From what the hub wants to commands of Mango's: an SMS, a call, the end of a call.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::AttachmentKind;
use patchbay_sdk::schemas::command::{CallStart, MessageSend};
use patchbay_sdk::text::length;
use serde_json::Value;

use crate::config::Config;

/// Most characters of an SMS in Latin letters: four parts of 153.
const LATIN: usize = 612;
/// Most characters of any other SMS: four parts of 67.
const OTHER: usize = 268;

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask<'a> {
    /// Where it goes: `/vpbx/commands/sms`.
    pub path: &'static str,
    /// What it says, without its id.
    pub document: Object<'a>,
}

/// The command that this call is: rings at the employee, then at the number.
pub fn call<'a>(config: &'a Config, call: &'a CallStart) -> Result<Ask<'a>, Failure> {
    let digits = call.number.trim_start_matches('+');
    if !is_number(digits) {
        return Err(refused("mango.number", "what is to be called is no telephone number"));
    }
    let mut from = Object::default();
    from.put("extension", extension(config, call.extension.as_deref())?);
    let mut document = Object::default();
    document.put("from", from);
    document.put("to_number", digits);
    if let Some(line) = &call.line {
        document.put("line_number", line.trim_start_matches('+'));
    }
    Ok(Ask { path: "/vpbx/commands/callback", document })
}

/// The command that this message is: a text is an SMS, an attachment of the kind `other` with the type `hangup` ends a call.
pub fn message<'a>(config: &'a Config, message: &'a MessageSend) -> Result<Ask<'a>, Failure> {
    let number = message.conversation.key.as_str();
    if !is_number(number) {
        return Err(refused("mango.conversation", "the key of the conversation is no telephone number"));
    }
    if !message.buttons.is_empty() || message.reply_to.is_some() {
        return Err(refused("mango.message", "an SMS has neither buttons nor messages that it answers"));
    }
    let text = message.text.as_deref().map(str::trim).filter(|it| !it.is_empty());
    let Some(attachment) = &message.attachment else {
        return sms(config, number, text.ok_or_else(|| refused("mango.empty", "there is no text to send"))?);
    };
    let word = |name: &str| attachment.extra.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    match (attachment.kind, word("type"), text) {
        (AttachmentKind::Other, Some("hangup"), None) => {
            let leg = word("call_id").ok_or_else(|| refused("mango.hangup", "`call_id` in `extra` must name the leg to end"))?;
            let mut document = Object::default();
            document.put("call_id", leg);
            Ok(Ask { path: "/vpbx/commands/call/hangup", document })
        }
        (AttachmentKind::Other, Some("callback"), _) => Err(refused("mango.message", "a call is the command `call.start`, not a message")),
        (AttachmentKind::Other, Some("hangup"), Some(_)) => Err(refused("mango.message", "a command has no text")),
        _ => Err(refused("mango.file", "an SMS takes no files")),
    }
}

fn is_number(text: &str) -> bool {
    (3..=20).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit())
}

fn sms<'a>(config: &'a Config, number: &'a str, text: &'a str) -> Result<Ask<'a>, Failure> {
    let most = if text.is_ascii() { LATIN } else { OTHER };
    let length = length(text);
    if length > most {
        let reason = ["the SMS has ", &length.to_string(), " characters, Mango takes ", &most.to_string()];
        return Err(refused("mango.too_long", &reason.concat()));
    }
    let mut document = Object::default();
    document.put("text", text);
    document.put("from_extension", extension(config, None)?);
    document.put("to_number", number);
    if let Some(sender) = &config.sms_sender {
        document.put("sms_sender", sender.as_str());
    }
    Ok(Ask { path: "/vpbx/commands/sms", document })
}

fn extension<'a>(config: &'a Config, named: Option<&'a str>) -> Result<&'a str, Failure> {
    named.or(config.extension.as_deref()).ok_or_else(|| {
        refused("mango.extension", "Mango calls and writes on behalf of an employee: set `extension` in the configuration, or name one")
    })
}

#[cold]
fn refused(code: &str, message: &str) -> Failure {
    Failure::never(code, message)
}
