//! `message.status`: the operator sees what became of an answer.
//!
//! What the messenger took is marked as delivered, which Bitrix24 shows as read too; for what was read there is a method of its own. For what will not
//! arrive there is none: a message in the same chat says so. It comes as the person's, as everything that a connector writes, so that it is sent to nobody.
//! <https://apidocs.bitrix24.ru/api-reference/imopenlines/imconnector/imconnector-send-status-delivery.html>

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::command::AnswerStatus;
use patchbay_sdk::schemas::{Detail, Extra, Interaction, MessageStatus, Receipt};
use serde_json::Value;

use crate::ask::{command, parameters};
use crate::bbcode;
use crate::client::Client;
use crate::config::Config;
use crate::line;
use crate::payload::number;

/// The method that marks a message as delivered.
const DELIVERY: &str = "imconnector.send.status.delivery";
/// The method that marks it as read.
const READING: &str = "imconnector.send.status.reading";

/// Most letters of an answer that a note repeats.
const MOST_LETTERS: usize = 100;

/// Shows it.
pub fn show(client: Client<'_>, config: &Config, it: &AnswerStatus) -> Result<Receipt, Failure> {
    let interaction = it.event.body.interaction();
    let Some((interaction, chat)) = interaction.and_then(|it| Some((it, it.conversation.as_ref()?.key.as_str()))) else {
        return Err(strange());
    };
    if config.open_line.is_empty() {
        return Err(Failure::never("bitrix24.line", "the connection has no open line any more"));
    }
    let result = match it.status {
        MessageStatus::Sent | MessageStatus::Delivered => {
            taken(&client.call(DELIVERY, &marked(config, it, interaction, chat)?)?)?;
            "delivered"
        }
        MessageStatus::Read => {
            // That it was delivered may not have been told: the newest status stands for those before it.
            let both = [
                command("delivered", DELIVERY, marked(config, it, interaction, chat)?),
                command("read", READING, marked(config, it, interaction, chat)?),
            ];
            let answers = client.batch(false, &both)?;
            taken(answers.get("delivered")?)?;
            taken(answers.get("read")?)?;
            "read"
        }
        MessageStatus::Failed => {
            line::taken(&client.call("imconnector.send.messages", &note(config, it, interaction, chat))?)?;
            "noted"
        }
    };
    let mut details = Extra::new();
    details.insert("result".to_owned(), result.into());
    Ok(Receipt { remote_id: None, details })
}

/// The answer as Bitrix24 knows it, with the hub's id for what it became.
fn marked(config: &Config, it: &AnswerStatus, interaction: &Interaction, chat: &str) -> Result<Object<'static>, Failure> {
    let id = match &interaction.detail {
        Detail::Message(it) => it.id.as_deref().and_then(|it| it.parse().ok()).unwrap_or(0),
        _ => 0_i64,
    };
    let of = interaction.extra.get("chat_id").map_or(0, number);
    if id == 0 || of == 0 {
        return Err(strange());
    }
    let im = parameters([("chat_id", of.into()), ("message_id", id.into())]);
    let ours = Node::List(vec![it.interaction_id.clone().into()]);
    let message = parameters([("id", ours), ("date", it.at.as_second().into())]);
    let chat = parameters([("id", chat.to_owned().into())]);
    Ok(line::sent(config, parameters([("im", im.into()), ("message", message.into()), ("chat", chat.into())])))
}

/// A message that says that the answer will not arrive, and why.
fn note(config: &Config, it: &AnswerStatus, interaction: &Interaction, chat: &str) -> Object<'static> {
    let mut text = String::from("Not delivered");
    let words = interaction.text.as_deref().unwrap_or_default().trim();
    if !words.is_empty() {
        let is_cut = words.chars().nth(MOST_LETTERS).is_some();
        let words: String = words.chars().take(MOST_LETTERS).collect();
        text.push_str(": “");
        bbcode::push(&mut text, words.trim());
        text.push_str(if is_cut { "…”" } else { "”" });
    }
    if let Some(why) = &it.error {
        text.push('\n');
        bbcode::push(&mut text, why.trim());
    }
    let person = || Node::from(chat.to_owned());
    let id = [&*it.interaction_id, ":failed"].concat();
    // No word of the person's: whoever looks for wishes in what people write must not find one in it.
    let message = parameters([("id", id.into()), ("date", it.at.as_second().into()), ("text", text.into()), ("disable_crm", "Y".into())]);
    let (user, chat) = (parameters([("id", person())]), parameters([("id", person())]));
    line::sent(config, parameters([("user", user.into()), ("message", message.into()), ("chat", chat.into())]))
}

fn taken(answer: &Value) -> Result<(), Failure> {
    if answer["SUCCESS"] == true {
        return Ok(());
    }
    Err(Failure::never("bitrix24.line", "the open line did not take the status of the answer: is it active?"))
}

fn strange() -> Failure {
    Failure::never("bitrix24.answer", "that is no answer that an operator gave in an open line")
}
