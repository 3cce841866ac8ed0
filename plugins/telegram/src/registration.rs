//! Tells Telegram where to post, and which updates: <https://core.telegram.org/bots/api#setwebhook>.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::{WebhookRemove, WebhookSet};

use crate::answer;
use crate::hub::Hub;
use crate::poll::ALLOWED;

const TIMEOUT_MS: u32 = 15_000;
/// Posts that Telegram makes at the same time; its own default.
const CONNECTIONS: i64 = 40;
/// Where it is noted which updates were asked for and which of them the server took: an older one does not know them all.
const TAKEN: &str = "webhook:updates";

/// What Telegram says of the webhook: <https://core.telegram.org/bots/api#webhookinfo>.
struct Info {
    /// Empty: none.
    url: String,
    connections: Option<i64>,
    updates: String,
    trouble: Option<String>,
}

/// Makes Telegram post to the address. What agrees already is left alone, unless it is to be told anew.
pub fn set(hub: &mut impl Hub, wanted: &WebhookSet) -> Result<Receipt, Failure> {
    let before = info(hub)?;
    let asked = ALLOWED.join(",");
    let taken = |updates: &str| [&asked, " ", updates].concat();
    let agrees = before.url == wanted.url
        && before.connections.is_none_or(|it| it == CONNECTIONS)
        && hub.recall(TAKEN)?.is_some_and(|it| it == taken(&before.updates));
    if agrees && !wanted.anew {
        return Ok(receipt("left", before.trouble));
    }
    let updates = ["[\"", &ALLOWED.join("\",\""), "\"]"].concat();
    let fields = [("url", wanted.url.as_str()), ("max_connections", &CONNECTIONS.to_string()), ("allowed_updates", &updates)];
    let (status, body) = hub.tell("setWebhook", form(&fields), TIMEOUT_MS)?;
    answer::result(status, &body)?;
    let after = info(hub)?;
    hub.note(TAKEN, &taken(&after.updates), None);
    let result = match (agrees, before.url.as_str()) {
        (true, _) => "left",
        (false, "") => "set",
        (false, _) => "mended",
    };
    Ok(receipt(result, after.trouble))
}

/// Makes Telegram stop posting to the address, and keep the updates that wait there for whoever asks next. Another address is somebody
/// else's and stays.
pub fn remove(hub: &mut impl Hub, gone: &WebhookRemove) -> Result<Receipt, Failure> {
    if info(hub)?.url != gone.url {
        return Ok(receipt("left", None));
    }
    let (status, body) = hub.post("deleteWebhook", &Object::default(), TIMEOUT_MS)?;
    answer::result(status, &body)?;
    Ok(receipt("removed", None))
}

fn info(hub: &mut impl Hub) -> Result<Info, Failure> {
    let (status, body) = hub.post("getWebhookInfo", &Object::default(), TIMEOUT_MS)?;
    let mut info = answer::result(status, &body)?.object().unwrap_or_default();
    let updates: Vec<&str> = info.get("allowed_updates").map_or(&[][..], Node::items).iter().filter_map(Node::as_str).collect();
    let updates = updates.join(",");
    // The last error stays there when what waited was taken.
    let waits = info.int("pending_update_count").is_some_and(|it| it > 0);
    let trouble = info.text("last_error_message").filter(|_| waits);
    Ok(Info { url: info.text("url").unwrap_or_default(), connections: info.int("max_connections"), updates, trouble })
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        form.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }
    form
}

fn receipt(result: &str, trouble: Option<String>) -> Receipt {
    let mut webhook = Object::default();
    webhook.put("result", result);
    if let Some(trouble) = trouble {
        webhook.put("trouble", trouble);
    }
    let mut details = Object::default();
    details.put("webhook", webhook);
    Receipt { remote_id: None, details: details.rest() }
}
