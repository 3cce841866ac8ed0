//! Tells Meta where to post for one WhatsApp account, instead of the app's own callback address:
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/override>.
//!
//! Which fields are posted is the app's, for all of its accounts, and stays as people chose it there.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::{WebhookRemove, WebhookSet};

use crate::config::Config;
use crate::hub::Hub;

/// Meta asks the address for its challenge before it answers.
const TIMEOUT_MS: u32 = 25_000;

/// Makes Meta post what happens to the account to this address. What agrees already is left alone, unless it is to be told anew.
pub fn set(hub: &mut impl Hub, config: &Config, wanted: &WebhookSet) -> Result<Receipt, Failure> {
    let before = addresses(hub, config)?;
    let agrees = before.contains(&wanted.url);
    if agrees && !wanted.anew {
        return Ok(receipt("left"));
    }
    let mut form = String::from("override_callback_uri=");
    form.extend(form_urlencoded::byte_serialize(wanted.url.as_bytes()));
    crate::answer::document(&hub.tell(&path(config), form, TIMEOUT_MS)?)?;
    Ok(receipt(match (agrees, before.is_empty()) {
        (true, _) => "left",
        (false, true) => "set",
        (false, false) => "mended",
    }))
}

/// Makes Meta post to the app's own address again. Another address is somebody else's and stays. The app stays subscribed to the account:
/// others may read what is posted to it.
pub fn remove(hub: &mut impl Hub, config: &Config, gone: &WebhookRemove) -> Result<Receipt, Failure> {
    if config.account_id.is_empty() || !addresses(hub, config)?.contains(&gone.url) {
        return Ok(receipt("left"));
    }
    // Subscribing without an address takes the one away that is there.
    hub.ask(&path(config), Some(&Object::default()), TIMEOUT_MS)?;
    Ok(receipt("removed"))
}

fn path(config: &Config) -> String {
    ["/", &config.version, "/", &config.account_id, "/subscribed_apps"].concat()
}

/// The addresses that apps have for this account instead of their own.
fn addresses(hub: &mut impl Hub, config: &Config) -> Result<Vec<String>, Failure> {
    let apps = hub.ask(&path(config), None, TIMEOUT_MS)?.list("data");
    let address = |it: &Node| it.get("override_callback_uri").and_then(Node::as_str).map(str::to_owned);
    Ok(apps.iter().filter_map(address).filter(|it| !it.is_empty()).collect())
}

fn receipt(result: &str) -> Receipt {
    let mut webhook = Object::default();
    webhook.put("result", result);
    let mut details = Object::default();
    details.put("webhook", webhook);
    Receipt { remote_id: None, details: details.rest() }
}
