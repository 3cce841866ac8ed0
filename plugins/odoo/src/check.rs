//! "Does this connection work?"

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use serde_json::Value;

use crate::ask::{Search, arguments};
use crate::client::{Client, strange};
use crate::config::Config;
use crate::upsert::user_called;

/// Version, user and rights, and whether the names in the configuration are known to Odoo.
pub fn check(client: Client<'_>, config: &Config) -> Result<Value, Failure> {
    let version = client.get("/web/version")?;
    let version = version["version"].as_str().ok_or_else(|| strange("its version"))?;
    if version.split('.').next().and_then(|it| it.rsplit('~').next()).and_then(|it| it.parse::<u32>().ok()).is_some_and(|it| it < 19) {
        return Err(Failure::never("odoo.version", format!("this is Odoo {version}; the JSON-2 API came with 19")));
    }
    let uid =
        client.call("res.users", "context_get", Object::default())?["uid"].as_i64().ok_or_else(|| strange("the id of the key's user"))?;
    let user = client.read("res.users", &[uid], &["name", "login"])?;
    let user = user.first().ok_or_else(|| strange("the key's user"))?;
    let mut rights = Vec::new();
    for right in ["read", "create", "write"] {
        if client.call("crm.lead", "has_access", arguments([("operation", right.into())]))? == true {
            rights.push(right);
        }
    }
    if rights.len() < 3 {
        return Err(Failure::reauthorise(
            "odoo.access",
            format!(
                "the key's user may only {} leads: it needs the right \"Sales: User: All Documents\"",
                if rights.is_empty() { "not see".to_owned() } else { rights.join(", ") }
            ),
        ));
    }
    let stages: Vec<String> = client
        .search("crm.stage", Search::new(Vec::new(), &["name"]).order("sequence, id"))?
        .iter()
        .map(|it| it.text("name").to_owned())
        .collect();
    for name in [&config.stage_interest, &config.stage_lead, &config.stage_client, &config.stage_refused] {
        let name = name.trim();
        if !matches!(name, "" | "won" | "lost") && !stages.iter().any(|it| it == name) {
            return Err(Failure::never("odoo.stage", format!("Odoo has no stage \"{name}\"; it has {}", stages.join(", "))));
        }
    }
    for name in config.users.values().chain([&config.default_user]) {
        let name = name.trim();
        if !name.is_empty() && user_called(client, name, 0)? == 0 {
            return Err(Failure::never("odoo.user", format!("Odoo has no internal user \"{name}\"")));
        }
    }
    let stages: Vec<Node> = stages.iter().map(|it| it.as_str().into()).collect();
    let report = arguments([
        ("version", version.into()),
        ("database", config.database.as_str().into()),
        ("user", user.text("name").into()),
        ("login", user.text("login").into()),
        ("stages", stages.into()),
        ("leads", "read, create, write".into()),
    ]);
    Ok(report.value())
}
