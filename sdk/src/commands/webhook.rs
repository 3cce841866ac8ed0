//! `webhook.set` and `webhook.remove`: where the vendor posts to.

use patchbay_schemas::command::{WebhookRemove, WebhookSet};

use super::Reader;

/// Reads the payload of `webhook.set`.
pub fn webhook_set(mut it: Reader) -> WebhookSet {
    WebhookSet { url: it.needed("url"), anew: it.flag("anew").unwrap_or_default() }
}

/// Reads the payload of `webhook.remove`.
pub fn webhook_remove(mut it: Reader) -> WebhookRemove {
    WebhookRemove { url: it.needed("url") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::agreement::{agrees, agrees_on_all};
    use super::{webhook_remove, webhook_set};

    #[test]
    fn an_address_is_read_as_derive_reads_it() {
        let url = "https://hub.example.com/in/cxn_1";
        agrees_on_all(&json!({ "url": url, "anew": true }), webhook_set);
        agrees(&json!({ "url": url }), webhook_set);
        agrees_on_all(&json!({ "url": url }), webhook_remove);
    }
}
