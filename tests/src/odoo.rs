//! The real Odoo that `tests/servers/odoo-up.sh` brings up: asked the way people's clicks end up, by its external API.

use std::process::Command;

use reqwest::Client;
use serde_json::{Value, json};

use crate::files::unique;

/// Somebody else who answers for leads.
const SECOND_LOGIN: &str = "second@patchbay.example";

/// The way to a real Odoo.
pub struct Odoo {
    client: Client,
    url: String,
    database: String,
    key: String,
}

impl Odoo {
    /// The one that the environment names. Panics where it names none.
    #[must_use]
    pub fn named() -> Self {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!("{name} is not set: start an Odoo with `tests/servers/odoo-up.sh`, then `eval \"$(tests/servers/odoo-up.sh env)\"`")
            })
        };
        let client = crate::api::client();
        Self {
            client,
            url: variable("PATCHBAY_ODOO_URL"),
            database: variable("PATCHBAY_ODOO_DATABASE"),
            key: variable("PATCHBAY_ODOO_KEY"),
        }
    }

    /// The configuration of a sink.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({ "base_url": self.url, "database": self.database, "api_key": self.key })
    }

    /// Its API key: it must stand in no log.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Calls a method of a model; Odoo must do it.
    pub async fn call(&self, model: &str, method: &str, arguments: Value) -> Value {
        let request = self.client.post(format!("{}/json/2/{model}/{method}", self.url)).bearer_auth(&self.key);
        let response = request.header("X-Odoo-Database", &self.database).json(&arguments).send().await.expect("Odoo answers");
        let (status, text) = (response.status(), response.text().await.expect("Odoo ends its answer"));
        assert!(status.is_success(), "{model}/{method}: {status}\n{text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{model}/{method}: {error}\n{text}"))
    }

    /// The records of the person with this phone, won and lost ones included, oldest first.
    pub async fn leads(&self, phone: &str) -> Vec<Value> {
        let arguments = json!({
            "domain": [["phone_mobile_search", "ilike", &phone[phone.len() - 8..]]], "order": "id",
            "fields": ["name", "phone", "stage_id", "won_status", "active", "user_id"], "context": { "active_test": false },
        });
        self.call("crm.lead", "search_read", arguments).await.as_array().expect("a list").clone()
    }

    /// The notes that the hub wrote into the history of a record, oldest first.
    pub async fn notes(&self, lead: i64) -> Vec<String> {
        let domain = json!([["model", "=", "crm.lead"], ["res_id", "=", lead], ["message_id", "like", "@patchbay"]]);
        let notes = self.call("mail.message", "search_read", json!({ "domain": domain, "fields": ["body"], "order": "id" })).await;
        notes.as_array().expect("a list").iter().map(|it| it["body"].as_str().expect("a text").to_owned()).collect()
    }

    /// Another user than the one of the key; made where it is missing.
    pub async fn second_user(&self) -> i64 {
        let found = self.call("res.users", "search", json!({ "domain": [["login", "=", SECOND_LOGIN]] })).await;
        if let Some(id) = found[0].as_i64() {
            return id;
        }
        let user = json!({ "name": "Second Seller", "login": SECOND_LOGIN });
        self.call("res.users", "create", json!({ "vals_list": [user] })).await[0].as_i64().expect("an id")
    }

    /// Stops it and its database, in the middle of whatever it is doing.
    pub fn stop() {
        script("kill");
    }

    /// Starts it again; returns when it answers.
    pub fn start() {
        script("up");
    }

    /// Whether it answers.
    pub async fn answers(&self) -> bool {
        self.client.get(format!("{}/web/version", self.url)).send().await.is_ok()
    }

    /// A phone that no other test and no former run used: `+79` and nine digits.
    #[must_use]
    pub fn phone() -> String {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970");
        format!("+79{:09}", (since.as_millis() * 10 + u128::from(unique() % 10)) % 1_000_000_000)
    }
}

fn script(what: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/odoo-up.sh");
    let ended = Command::new(path).arg(what).status().expect("the script can be run");
    assert!(ended.success(), "{path} {what}");
}
