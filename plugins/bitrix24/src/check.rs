//! "Does this connection work?"

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use serde_json::Value;

use crate::ask::{command, parameters};
use crate::client::Client;
use crate::config::{Config, Kind};
use crate::find::{entries, method};
use crate::payload::{Record, number};
use crate::stage::Entries;
use crate::user;

/// Whose the webhook is and what it may do, and whether the names in the configuration are known to Bitrix24.
pub fn check(client: Client<'_>, config: &Config) -> Result<Value, Failure> {
    if !config.open_line.is_empty() && (!config.is_application() || config.hub_address.is_empty()) {
        let message =
            "open_line needs auth = \"oauth2\" and hub_address: Bitrix24 gives open lines to applications alone, and posts answers there";
        return Err(Failure::never("bitrix24.line", message));
    }
    let nothing = Object::default;
    let answers = client.batch(
        false,
        &[
            command("profile", "profile", nothing()),
            command("scope", "scope", nothing()),
            command("mode", "crm.settings.mode.get", nothing()),
            command("stages", "crm.status.list", entries(&config.stages())),
            command("sources", "crm.status.list", entries("SOURCE")),
            command("fields", method(config.kind, "fields"), nothing()),
        ],
    )?;
    let scopes: Vec<&str> = answers.get("scope")?.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !scopes.contains(&"crm") {
        return Err(Failure::reauthorise(
            "bitrix24.scope",
            format!("the incoming webhook has the rights {}: it needs crm, and user_brief for names", scopes.join(", ")),
        ));
    }
    answers.get("fields")?;
    // 2: a Bitrix24 that was set to work without leads.
    if config.kind == Kind::Lead && answers.found("mode").map(number) == Some(2) {
        return Err(Failure::never("bitrix24.mode", "this Bitrix24 works without leads: set the record to deal, or switch leads on in it"));
    }
    let stages = Entries::read(Some(answers.get("stages")?));
    if stages.is_empty() {
        return Err(Failure::never("bitrix24.pipeline", format!("Bitrix24 has no pipeline {}", config.pipeline)));
    }
    for name in config.named_stages() {
        if !matches!(name, "" | "won" | "lost") && stages.called(name).is_none() {
            return Err(Failure::never(
                "bitrix24.stage",
                format!("Bitrix24 has no stage \"{name}\"; it has {}", stages.names().join(", ")),
            ));
        }
    }
    let sources = Entries::read(answers.found("sources"));
    for name in config.sources.values() {
        if sources.called(name).is_none() {
            return Err(Failure::never(
                "bitrix24.source",
                format!("Bitrix24 has no source \"{name}\"; it has {}", sources.names().join(", ")),
            ));
        }
    }
    for name in config.users.values().chain([&config.default_user]).map(|it| it.trim()) {
        if !name.is_empty() && user::number(name).is_none() {
            let found = client.call("user.get", &user::search(name))?;
            if user::called(Some(&found), name, 0) == 0 {
                return Err(Failure::never("bitrix24.user", format!("Bitrix24 has no user \"{name}\" who works there")));
            }
        }
    }
    let profile = Record(answers.found("profile").cloned().unwrap_or_default());
    let names = |entries: &Entries| Node::List(entries.names().iter().map(|it| Node::from((*it).to_owned())).collect());
    let report = parameters([
        ("user", [profile.text("NAME"), profile.text("LAST_NAME")].join(" ").trim().to_owned().into()),
        ("rights", scopes.join(", ").into()),
        ("record", config.kind.name().into()),
        ("stages", names(&stages)),
        ("sources", names(&sources)),
        // Without it the hub shows numbers for people, and finds nobody by name.
        ("names_of_people", scopes.iter().any(|it| it.starts_with("user")).into()),
    ]);
    Ok(report.value())
}
