//! Does this connection work?

use patchbay_sdk::Failure;
use serde_json::{Value, json};

use crate::config::{Config, Mode};
use crate::hub::Hub;

const TIMEOUT_MS: u32 = 10_000;

/// Who the bot is, and what stands in the way of its updates.
pub fn check(hub: &mut impl Hub, config: Config) -> Result<Value, Failure> {
    let nothing = Value::Object(serde_json::Map::new());
    let bot = hub.call("getMe", &nothing, TIMEOUT_MS)?;
    let webhook = hub.call("getWebhookInfo", &nothing, TIMEOUT_MS)?;
    let text = |from: &Value, name: &str| from.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut warnings: Vec<String> = Vec::new();
    match (config.mode, text(&webhook, "url").is_empty()) {
        (Mode::Polling, false) => {
            warnings.push("a webhook is set, so polling gets nothing: call deleteWebhook, or set `mode` to webhook".to_owned());
        }
        (Mode::Webhook, true) => {
            warnings
                .push("no webhook is set, so nothing arrives: call setWebhook with this connection's address and secret_token".to_owned());
        }
        _ => {}
    }
    let trouble = text(&webhook, "last_error_message");
    if config.mode == Mode::Webhook && !trouble.is_empty() {
        warnings.push(format!("Telegram's last delivery failed: {trouble}"));
    }
    if bot.get("can_read_all_group_messages") == Some(&Value::Bool(false)) {
        warnings.push("privacy mode is on: in groups the bot sees only commands and answers to itself (BotFather: /setprivacy)".to_owned());
    }
    let mode = if config.mode == Mode::Webhook { "webhook" } else { "polling" };
    Ok(json!({
        "account": format!("@{}", text(&bot, "username")),
        "name": text(&bot, "first_name"),
        "id": bot.get("id"),
        "mode": mode,
        "waiting": webhook.get("pending_update_count"),
        "warnings": warnings,
    }))
}
