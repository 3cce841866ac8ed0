//! What a connector may do, in words that can be compared.

use std::collections::BTreeSet;
use std::fmt;

use patchbay_host::plugin::Artifact;

/// One thing that a connector may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission(String);

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that a connector may do: what it imports, whom it may call, what it is given, what it may use.
pub fn of(artifact: &Artifact) -> BTreeSet<Permission> {
    let manifest = &artifact.manifest;
    let mut all: Vec<String> = artifact.imports.iter().filter_map(|it| import(it)).map(str::to_owned).collect();
    let has = |import: &str| artifact.imports.iter().any(|it| interface(it) == import);
    if has("http") {
        all.extend(manifest.endpoints.iter().filter(|(_, it)| it.may_be_http()).map(|(name, it)| {
            let with = if it.credential.is_some() { ", with a credential that the hub adds" } else { "" };
            format!("send HTTP to {} (endpoint `{name}`{with})", it.url)
        }));
    }
    if has("http") && manifest.commands.as_ref().is_some_and(|it| it.files) {
        all.push("fetch the file of a message that it is asked to send".to_owned());
    }
    all.extend(manifest.oauth2.as_ref().map(|it| format!("have the hub get an access token from {}", it.token_url)));
    if has("socket") {
        let lines = manifest.endpoints.iter().filter(|(_, it)| it.may_be_socket());
        all.extend(lines.map(|(name, it)| format!("open a socket to {} (endpoint `{name}`)", it.url)));
    }
    all.extend(
        manifest.composed.keys().map(|it| format!("have the hub use the secret `{it}`, which it makes of others, without seeing it")),
    );
    all.extend(manifest.secrets().iter().map(|it| format!("have the hub use the secret `{it}`, without seeing it")));
    all.extend(manifest.commands.iter().flat_map(|it| &it.kinds).map(|it| format!("be asked to carry out {it}")));
    if let Some(webhook) = &manifest.webhook {
        let verified = if webhook.verify.is_empty() { "anybody who knows the address" } else { "its vendor, verified by the hub" };
        all.push(format!("be posted to by {verified}"));
    }
    if manifest.stream.is_some() {
        all.push("be run whenever something comes in over a connection that stays open".to_owned());
    }
    if let Some(polling) = &manifest.polling {
        let waits = polling.wait_ms.map(|it| format!(", and wait {it} ms for it")).unwrap_or_default();
        all.push(format!("be run every {} ms to ask for what is new{waits}", polling.interval_ms));
    }
    let limits = &manifest.limits;
    all.push(format!("use {} MiB of memory and {} ms of processor time in a call", limits.memory_mib, limits.cpu_ms));
    if has("state") {
        all.push(format!("keep {} bytes", limits.state_bytes));
    }
    all.into_iter().map(Permission).collect()
}

/// `patchbay:connector/http@0.1.0` → `http`
pub fn interface(import: &str) -> &str {
    let name = import.rsplit_once('/').map_or(import, |it| it.1);
    name.split('@').next().unwrap_or(name)
}

/// What an import allows; of `types` nothing, and `http` and `socket` say more by their endpoints.
fn import(import: &str) -> Option<&'static str> {
    Some(match interface(import) {
        "host" => "read its connection's configuration, the time and randomness, and write to the log",
        "state" => "remember things from one call to the next",
        "secrets" => "have the hub hash and compare with secrets",
        _ => return None,
    })
}
