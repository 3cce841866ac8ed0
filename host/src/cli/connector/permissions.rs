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
        all.extend(manifest.endpoints.iter().map(|(name, it)| {
            let with = if it.credential.is_some() { ", with a credential that the hub adds" } else { "" };
            format!("send HTTP to {} (endpoint `{name}`{with})", it.url)
        }));
    }
    all.extend(manifest.secrets().iter().map(|it| format!("have the hub use the secret `{it}`, without seeing it")));
    all.extend(manifest.commands.iter().flat_map(|it| &it.kinds).map(|it| format!("be asked to carry out {it}")));
    if let Some(webhook) = &manifest.webhook {
        let verified = if webhook.verify.is_empty() { "anybody who knows the address" } else { "its vendor, verified by the hub" };
        all.push(format!("be posted to by {verified}"));
    }
    if let Some(polling) = &manifest.polling {
        all.push(format!("be run every {} ms to ask for what is new", polling.interval_ms));
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

/// What an import allows; of `types` nothing, and `http` says more by its endpoints.
fn import(import: &str) -> Option<&'static str> {
    Some(match interface(import) {
        "host" => "read its connection's configuration, the time and randomness, and write to the log",
        "state" => "remember things from one call to the next",
        "secrets" => "have the hub hash and compare with secrets",
        _ => return None,
    })
}
