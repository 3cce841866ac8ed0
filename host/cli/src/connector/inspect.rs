//! `connector inspect`: what a connector can do and may reach, without running it.

use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::{Role, Verify};
use serde_json::{Value, json};

use super::list::wait;
use super::permissions;
use crate::failure::Failure;
use crate::fields::list as words;
use crate::output::{Out, Table};
use patchbay_host::catalogue::Waiting;
use patchbay_host::package::{Package, Trust};
use patchbay_host::plugin::{Artifact, contract};

/// What is worth knowing of a connector, as JSON.
pub fn summary(artifact: &Artifact) -> Value {
    let Artifact { manifest, digest, imports, .. } = artifact;
    json!({
        "id": manifest.id,
        "version": manifest.version,
        "name": manifest.name,
        "summary": manifest.summary,
        "roles": roles(manifest),
        "abilities": artifact.abilities(),
        "imports": imports,
        "permissions": permissions::of(artifact).iter().map(ToString::to_string).collect::<Vec<_>>(),
        "sha256": hex::encode(digest),
        "size": artifact.wasm.len(),
    })
}

/// All of one connector, for people or as JSON; `waiting`: another version lies in its place and does not run.
pub fn inspect(out: Out, package: &Package, trust: &Trust, waiting: Option<&Waiting>) -> Result<(), Failure> {
    let artifact = &package.artifact;
    let manifest = &artifact.manifest;
    let mut json = summary(artifact);
    json["waiting"] = json!(waiting);
    json["contract"] = json!(manifest.contract);
    json["signature"] = json!({
        "publisher": package.signature.as_ref().map(|it| &it.publisher),
        "key": package.signature.as_ref().map(|it| &it.key),
        "trusted": matches!(trust, Trust::Trusted(_)),
    });
    json["manifest"] = serde_json::to_value(manifest).unwrap_or_default();
    out.answer(&json, || {
        let mut head = Table::plain();
        for (name, value) in facts(artifact) {
            head.wide_row([name.to_owned(), value]);
        }
        head.wide_row(["signature".to_owned(), signed(trust)]);
        if let Some(waiting) = waiting {
            head.wide_row(["another".to_owned(), wait(waiting)]);
        }
        let mut properties = Table::new(["PROPERTY", "KIND", "DEFAULT", "WHAT IT IS"]).indented();
        for (name, property) in manifest.config.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let default = property.get("default").map(ToString::to_string).unwrap_or_default();
            let what = ["title", "description"].iter().filter_map(|it| property[*it].as_str()).collect::<Vec<_>>().join(": ");
            properties.wide_row([name.clone(), kind(manifest, name, property), default, what]);
        }
        format!("{} {}: {}\n{}\nConfiguration\n{}", manifest.id, manifest.version, manifest.name, head.text(), properties.or("  none"))
    })
}

fn signed(trust: &Trust) -> String {
    match trust {
        Trust::Trusted(name) => format!("by {name}, whom patchbay.toml trusts"),
        Trust::Unknown(it) => format!("by `{}` with the key {}, whom patchbay.toml does not name", it.publisher, it.key),
        Trust::OtherKey(it) => format!("by `{}` with another key than patchbay.toml has: {}", it.publisher, it.key),
        Trust::Unsigned => "none".to_owned(),
    }
}

/// What is worth knowing of a connector before one trusts it.
fn facts(artifact: &Artifact) -> Vec<(&'static str, String)> {
    let Manifest { webhook, polling, stream, commands, limits, .. } = &artifact.manifest;
    let mut facts = vec![
        ("summary", artifact.manifest.summary.clone()),
        ("roles", roles(&artifact.manifest).join(", ")),
        ("channel", artifact.manifest.channel.clone()),
        ("contract", contract::unspoken(&artifact.manifest.contract).unwrap_or_else(|| artifact.manifest.contract.clone())),
        ("can", artifact.abilities().join(", ")),
        ("imports", artifact.imports.join(", ")),
    ];
    facts.extend(permissions::of(artifact).iter().map(|it| ("may", it.to_string())));
    if let Some(webhook) = webhook {
        let checks: Vec<String> = webhook.verify.iter().map(check).collect();
        let checks = if checks.is_empty() { "nothing: the address is the secret".to_owned() } else { checks.join("; ") };
        facts.push(("webhook", format!("up to {} bytes; verified by {checks}", webhook.max_body_bytes)));
    }
    if let Some(stream) = stream {
        facts.push(("stream", format!("{:?}, frames up to {} bytes", stream.framing, stream.max_frame_bytes).to_lowercase()));
    }
    if let Some(polling) = polling {
        facts.push(("polling", format!("every {} ms, up to {} events", polling.interval_ms, polling.limit)));
    }
    if let Some(commands) = commands {
        facts
            .push(("commands", format!("{}; {} at a time, {} in a call", commands.kinds.join(", "), commands.concurrency, commands.batch)));
    }
    facts.push((
        "limits",
        format!("{} host calls, {} ms for a delivery, {} ms for other work", limits.host_calls, limits.webhook_ms, limits.work_ms),
    ));
    facts.push(("file", format!("{} bytes, sha256 {}", artifact.wasm.len(), summary(artifact)["sha256"].as_str().unwrap_or_default())));
    facts
}

/// `source`, `messenger`, `sink`
pub fn roles(manifest: &Manifest) -> Vec<&'static str> {
    let name = |it: &Role| match it {
        Role::Source => "source",
        Role::Messenger => "messenger",
        Role::Sink => "sink",
    };
    manifest.roles.iter().map(name).collect()
}

fn check(verify: &Verify) -> String {
    let what = match verify {
        Verify::Token { name, secret, .. } => format!("the token `{name}` = secret `{secret}`"),
        Verify::Hmac { header, secret, .. } => format!("the signature in `{header}` with secret `{secret}`"),
        Verify::Digest { name, over, .. } => format!("the hash `{name}` over `{over}`"),
    };
    if verify.methods().is_empty() { what } else { format!("{what} ({})", verify.methods().join(", ")) }
}

/// `secret, required`, `one of a, b`, `text`
fn kind(manifest: &Manifest, name: &str, property: &Value) -> String {
    let is_required = manifest.config["required"].as_array().is_some_and(|it| it.iter().any(|it| it == name));
    let kind = if property["writeOnly"] == true {
        "secret".to_owned()
    } else if property.get("enum").is_some() {
        format!("one of {}", words(&property["enum"]))
    } else {
        match property["type"].as_str() {
            Some("string") | None => "text".to_owned(),
            Some(other) => other.to_owned(),
        }
    };
    if is_required { kind + ", required" } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_propertys_kind_says_what_may_be_written_there() {
        let text = "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.0'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n\
                    [config]\nrequired = ['token']\n[config.properties.token]\ntype = 'string'\nwriteOnly = true\n[config.properties.mode]\nenum = ['a', 'b']";
        let manifest: Manifest = toml::from_str(text).unwrap();
        let of = |name: &str| kind(&manifest, name, &manifest.config["properties"][name]);
        assert_eq!((of("token").as_str(), of("mode").as_str()), ("secret, required", "one of a, b"));
    }
}
