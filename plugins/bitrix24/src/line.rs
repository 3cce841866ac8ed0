//! Open lines: what people write on any messenger appears where operators answer, and what they answer comes back by the conversation's id.
//!
//! The hub is a connector of its own there (`imconnector.register`), of one open line. To Bitrix24 each conversation of the hub is a user
//! and a chat with the conversation's id, so an answer names the conversation and cannot mean another one.
//! <https://apidocs.bitrix24.ru/api-reference/imopenlines/imconnector/>

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::command::InteractionAdd;
use patchbay_sdk::schemas::{Detail, Direction, Extra, IdentityKind, Interaction, Receipt};
use serde_json::Value;

use crate::ask::{Command, command, parameters};
use crate::bbcode;
use crate::client::{Client, strange};
use crate::config::Config;

/// What the hub is called among the connectors of open lines.
pub const CONNECTOR: &str = "patchbay";

/// What the hub's ids of conversations begin with.
const OURS: &str = "cnv_";

/// Events of an open line, that Bitrix24 posts to whoever bound them.
pub const EVENTS: [&str; 1] = ["ONIMCONNECTORMESSAGEADD"];

/// The most letters of a name.
const MOST_LETTERS: usize = 25;

/// A plug, as operators see it beside the channel.
const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns%3D%22http%3A%2F%2Fwww.w3.org%2F2000%2Fsvg%22%20viewBox%3D%220%200%2024%2024%22%3E\
                    %3Cpath%20fill%3D%22%23fff%22%20d%3D%22M8%203v5H6v4a6%206%200%200%200%205%205.9V21h2v-3.1A6%206%200%200%200%2018%2012V8h-2V3h-2v5h-4V3z%22%2F%3E%3C%2Fsvg%3E";

/// True for the id of a chat that is a conversation of the hub.
#[must_use]
pub fn is_ours(chat: &str) -> bool {
    chat.starts_with(OURS)
}

/// The calls that make the hub a connector of the open line and have its events posted to it. Each may be made again.
#[must_use]
pub fn set_up(config: &Config) -> Vec<Command<'_>> {
    let (line, address) = (config.open_line.as_str(), config.hub_address.as_str());
    let icon = parameters([("DATA_IMAGE", ICON.into()), ("COLOR", "#2d5f8b".into())]);
    let no = || Node::from(0);
    let registered = parameters([
        ("ID", CONNECTOR.into()),
        ("NAME", "Patchbay".into()),
        ("ICON", icon.into()),
        ("PLACEMENT_HANDLER", address.into()),
        // What is sent to a person stays as it was sent, and says nothing that nobody wrote.
        ("EDIT_INTERNAL_MESSAGES", no()),
        ("DEL_INTERNAL_MESSAGES", no()),
        ("DEL_EXTERNAL_MESSAGES", no()),
        ("NEWSLETTER", no()),
        ("NEED_SYSTEM_MESSAGES", no()),
        ("NEED_SIGNATURE", no()),
        ("CHAT_GROUP", no()),
    ]);
    let of_line = || parameters([("CONNECTOR", CONNECTOR.into()), ("LINE", line.into())]);
    let (mut active, mut data) = (of_line(), of_line());
    active.put("ACTIVE", 1);
    data.put("DATA", parameters([("ID", format!("{CONNECTOR}_line{line}").into()), ("URL", address.into()), ("NAME", "Patchbay".into())]));
    vec![
        command("register", "imconnector.register", registered),
        command("activate", "imconnector.activate", active),
        command("data", "imconnector.connector.data.set", data),
    ]
}

/// The conversation in which an interaction goes to the open line: what a person wrote in one.
#[must_use]
pub fn conversation<'a>(config: &Config, command: &'a InteractionAdd, it: &Interaction) -> Option<&'a str> {
    let written = matches!(&it.detail, Detail::Message(it) if it.revision.is_none()) && it.direction == Direction::In;
    let says = it.text.as_deref().is_some_and(|it| !it.trim().is_empty()) || it.attachments.iter().any(|it| it.url.is_some());
    command.conversation_id.as_deref().filter(|_| written && says && config.is_application() && !config.open_line.is_empty())
}

/// Shows operators what a person wrote.
pub fn show(
    client: Client<'_>,
    config: &Config,
    command: &InteractionAdd,
    it: &Interaction,
    conversation: &str,
) -> Result<Receipt, Failure> {
    let mut user = parameters([("id", conversation.into())]);
    for (field, name) in [("name", &it.person.name.given), ("last_name", &it.person.name.family)] {
        if let Some(name) = name {
            user.put(field, letters(name));
        }
    }
    if it.person.name.given.is_none()
        && let Some(name) = it.person.name.display()
    {
        user.put("name", letters(&name));
    }
    for (field, kind) in [("phone", IdentityKind::Phone), ("email", IdentityKind::Email)] {
        if let Some(found) = it.person.identities.iter().find(|it| it.kind == kind) {
            user.put(field, found.value.as_str());
        }
    }
    let mut message = parameters([("id", command.interaction_id.as_str().into())]);
    message.put("date", command.event.occurred_at.unwrap_or(command.received_at).as_second());
    let mut text = String::new();
    bbcode::push(&mut text, it.text.as_deref().unwrap_or_default().trim());
    message.put("text", text);
    let files = it.attachments.iter().filter_map(|it| {
        let name = it.name.as_deref().unwrap_or("file");
        Some(parameters([("url", it.url.as_deref()?.into()), ("name", name.into())]).into())
    });
    let files: Vec<Node> = files.collect();
    if !files.is_empty() {
        message.put("files", files);
    }
    let chat = parameters([("id", conversation.into()), ("name", command.channel.as_str().into())]);
    let shown = parameters([("user", user.into()), ("message", message.into()), ("chat", chat.into())]);
    receipt(&client.call("imconnector.send.messages", &sent(config, shown))?)
}

/// A message of the open line, as the methods take it.
#[must_use]
pub fn sent<'a>(config: &Config, message: Object<'a>) -> Object<'a> {
    let (connector, line) = (CONNECTOR.into(), config.open_line.clone().into());
    parameters([("CONNECTOR", connector), ("LINE", line), ("MESSAGES", Node::List(vec![message.into()]))])
}

/// What the open line says of a message that it took.
pub fn taken(answer: &Value) -> Result<&Value, Failure> {
    let result = &answer["DATA"]["RESULT"][0];
    if result["SUCCESS"] == true {
        return Ok(result);
    }
    let reason = result["ERRORS"][0].as_str().or_else(|| answer["ERRORS"][0].as_str()).unwrap_or("is the open line active?");
    Err(Failure::never("bitrix24.line", format!("the open line did not take the message: {reason}")))
}

fn receipt(answer: &Value) -> Result<Receipt, Failure> {
    let session = &taken(answer)?["session"];
    let Some(id) = session["ID"].as_str().map(str::to_owned).or_else(|| Some(session["ID"].as_i64()?.to_string())) else {
        return Err(strange("the session of an open line"));
    };
    let mut details = Extra::new();
    details.insert("result".to_owned(), "shown".into());
    details.insert("session".to_owned(), id.into());
    details.insert("chat".to_owned(), session["CHAT_ID"].clone());
    Ok(Receipt { remote_id: None, details })
}

/// A name as open lines take it: letters, spaces, hyphens and apostrophes.
fn letters(name: &str) -> String {
    let fits = |it: &char| it.is_alphabetic() || matches!(it, ' ' | '-' | '\'');
    let letters: String = name.trim().chars().filter(fits).take(MOST_LETTERS).collect();
    letters.trim().to_owned()
}

/// The bindings that are missing: events that the hub wants posted to its address.
#[must_use]
pub fn bindings<'a>(config: &'a Config, bound: &Value) -> Vec<Object<'a>> {
    let is_bound = |event: &str| {
        let mut all = bound.as_array().into_iter().flatten();
        all.any(|it| it["event"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(event)) && it["handler"] == config.hub_address.as_str())
    };
    let missing = EVENTS.into_iter().filter(|it| !is_bound(it));
    missing.map(|it| parameters([("event", it.into()), ("handler", config.hub_address.as_str().into())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_open_lines_take() {
        assert_eq!(letters(" Анна-Мария O'Neil 2 🙂 (VIP) "), "Анна-Мария O'Neil   VIP");
        assert_eq!(letters(&"ы".repeat(40)).chars().count(), 25);
        assert_eq!(letters("123"), "");
    }

    #[test]
    fn what_is_bound_already_is_not_bound_again() {
        let config = Config { hub_address: "https://hub.example/in/cxn_1".to_owned(), ..Config::default() };
        let bound = |handler: &str| serde_json::json!([{ "event": "OnImConnectorMessageAdd", "handler": handler, "offline": 0 }]);
        assert_eq!(bindings(&config, &bound("https://hub.example/in/cxn_1")).len(), 0);
        assert_eq!(bindings(&config, &bound("https://old.example/in/cxn_1")).len(), 1);
        assert_eq!(bindings(&config, &Value::Null).len(), 1);
    }
}
