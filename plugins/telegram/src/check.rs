//! Does this connection work?

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use serde_json::Value;

use crate::answer;
use crate::config::{Config, Mode};
use crate::hub::Hub;

const TIMEOUT_MS: u32 = 10_000;

/// Who the bot is, and what stands in the way of its updates.
pub fn check(hub: &mut impl Hub, config: Config) -> Result<Value, Failure> {
    let nothing = Object::default();
    let (status, body) = hub.post("getMe", &nothing, TIMEOUT_MS)?;
    let mut bot = answer::result(status, &body)?.object().unwrap_or_default();
    let (status, body) = hub.post("getWebhookInfo", &nothing, TIMEOUT_MS)?;
    let mut webhook = answer::result(status, &body)?.object().unwrap_or_default();
    let mut warnings = Vec::new();
    let mut warn = |text: &str| warnings.push(Node::from(text.to_owned()));
    let has_webhook = webhook.peek_text("url").is_some_and(|it| !it.is_empty());
    if config.mode == Mode::Polling && has_webhook {
        warn("a webhook is set, so polling gets nothing: call deleteWebhook, or set `mode` to webhook");
    }
    if config.mode == Mode::Webhook && !has_webhook {
        warn("no webhook is set, so nothing arrives: the hub sets it when it knows its `public_url`; without one call setWebhook by hand");
    }
    if config.mode == Mode::Webhook
        && let Some(trouble) = webhook.peek_text("last_error_message")
    {
        warn(&["Telegram's last delivery failed: ", trouble].concat());
    }
    if matches!(bot.peek("can_read_all_group_messages"), Some(Node::Bool(false))) {
        warn("privacy mode is on: in groups the bot sees only commands and answers to itself (BotFather: /setprivacy)");
    }
    let mut report = Object::default();
    report.put("account", ["@", bot.peek_text("username").unwrap_or_default()].concat());
    report.put("mode", if config.mode == Mode::Webhook { "webhook" } else { "polling" });
    for (name, value) in [("name", bot.take("first_name")), ("id", bot.take("id")), ("waiting", webhook.take("pending_update_count"))] {
        report.put(name, value.unwrap_or_default());
    }
    report.put("warnings", warnings);
    Ok(report.value())
}
