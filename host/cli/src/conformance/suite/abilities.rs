//! What a connector declares, exports, imports and has cases for.

use patchbay_schemas::manifest::{Endpoint, Role};

use super::super::case::{Call, Case};
use super::{Seen, Verdict};
use patchbay_host::plugin::Artifact;
use patchbay_host::rules::schema::Schema;

/// The kinds of command that the hub knows.
const KINDS: [&str; 9] = [
    "lead.upsert",
    "interaction.add",
    "message.send",
    "message.status",
    "lead.plan",
    "fields.list",
    "call.start",
    "webhook.set",
    "webhook.remove",
];

/// It exports and imports what its manifest declares, and nothing else.
pub fn declared(artifact: &Artifact) -> Verdict {
    let manifest = &artifact.manifest;
    let mut seen = Seen { looks: 1, ..Seen::default() };
    let document = serde_json::to_value(manifest).unwrap_or_default();
    let schema = Schema::ours("https://patchbay.dev/schemas/v1/manifest.json");
    for breach in schema.breaches(&document) {
        seen.fault(format!("connector.toml{}: {}", breach.at().replace('/', "."), breach.problem()));
    }
    let exported = artifact.abilities();
    let sections = [
        ("webhook", manifest.webhook.is_some()),
        ("polling", manifest.polling.is_some()),
        ("stream", manifest.stream.is_some()),
        ("commands", manifest.commands.is_some()),
    ];
    for (ability, is_declared) in sections {
        match (is_declared, exported.contains(&ability)) {
            (true, false) => {
                seen.fault(format!("connector.toml has [{ability}], but the component does not export it: name it in register!"));
            }
            (false, true) => {
                seen.fault(format!(
                    "the component exports `{ability}`, but connector.toml has no [{ability}]: the hub would never call it"
                ));
            }
            _ => {}
        }
    }
    let imports = |interface: &str| artifact.imports.iter().any(|it| it.contains(&format!("/{interface}@")));
    let (http, socket, streams) = (imports("http"), imports("socket"), manifest.stream.is_some());
    let files = manifest.commands.as_ref().is_some_and(|it| it.files);
    if files && !http {
        seen.fault(
            "connector.toml says `files = true`, but it imports no `http` to fetch them with: leave out what it does not use".to_owned(),
        );
    }
    if http && !files && !manifest.endpoints.values().any(Endpoint::may_be_http) {
        seen.fault("it imports `http`, but connector.toml has no [endpoints.…] for it: every request would be refused".to_owned());
    }
    if socket && !manifest.endpoints.values().any(Endpoint::may_be_socket) {
        let hint = "url = \"tls://{host}:993\"";
        seen.fault(format!(
            "it imports `socket`, but connector.toml has no [endpoints.…] with such a line as {hint}: nothing could be reached"
        ));
    }
    for (name, endpoint) in &manifest.endpoints {
        let unused = match endpoint.scheme() {
            Some("http" | "https") => !http && !streams,
            Some("tcp" | "tls" | "starttls") => !socket && !streams,
            _ => false,
        };
        if unused || !(http || socket || streams) {
            seen.fault(format!(
                "connector.toml has the endpoint `{name}`, but it imports nothing that goes there: leave out what it does not use"
            ));
        }
    }
    if imports("secrets") && manifest.secrets().is_empty() {
        seen.fault("it imports `secrets`, but no property of its configuration is `writeOnly`".to_owned());
    }
    let versions = artifact.imports.iter().chain(&artifact.exports).filter_map(|it| it.split_once('@').map(|it| it.1));
    for version in versions.filter(|it| *it != manifest.contract) {
        seen.fault(format!("connector.toml has contract = \"{}\", but the component speaks {version}", manifest.contract));
    }
    let kinds = manifest.commands.as_ref().map(|it| it.kinds.as_slice()).unwrap_or_default();
    for kind in kinds.iter().filter(|it| !KINDS.contains(&it.as_str())) {
        seen.fault(format!("commands.kinds has `{kind}`, which no hub asks for (there are {})", KINDS.join(", ")));
    }
    let takes = |kind: &str| kinds.iter().any(|it| it == kind);
    if manifest.webhook.as_ref().is_some_and(|it| it.registration.is_some()) {
        for kind in ["webhook.set", "webhook.remove"].into_iter().filter(|it| !takes(it)) {
            seen.fault(format!(
                "connector.toml has [webhook.registration], but commands.kinds lacks `{kind}`: nobody would tell the vendor"
            ));
        }
    }
    for role in &manifest.roles {
        let (fits, due) = match role {
            Role::Source => (
                manifest.webhook.is_some() || manifest.polling.is_some() || manifest.stream.is_some(),
                "a source needs [webhook], [polling] or [stream]",
            ),
            Role::Messenger => (takes("message.send"), "a messenger needs message.send in commands.kinds"),
            Role::Sink => (takes("lead.upsert"), "a sink needs lead.upsert in commands.kinds"),
        };
        if !fits {
            seen.fault(due.to_owned());
        }
    }
    seen.verdict("")
}

/// Each ability and each kind of command has a case: what nobody tries is not known to work.
pub fn covered(artifact: &Artifact, cases: &[Case]) -> Verdict {
    let mut seen = Seen::default();
    for ability in artifact.abilities() {
        seen.look();
        let (file, what) = match ability {
            "webhook" => ("<case>.json", "delivery"),
            "polling" => ("<case>.poll.json", "poll"),
            "commands" => ("<case>.command.json", "command"),
            "stream" => ("<case>.jsonl", "frame of a stream"),
            "check" => ("<case>.check.json", "check"),
            _ => continue,
        };
        if !cases.iter().any(|it| it.call.ability() == ability) {
            seen.fault(format!("there is no {what} among the cases: put one into fixtures/{file}"));
        }
    }
    let tried: Vec<&str> = cases
        .iter()
        .flat_map(|it| if let Call::Execute(batch) = &it.call { batch.as_slice() } else { &[] })
        .map(|it| it.kind.as_str())
        .collect();
    for kind in artifact.manifest.commands.iter().flat_map(|it| &it.kinds) {
        seen.look();
        if !tried.contains(&kind.as_str()) {
            seen.fault(format!("no case has the command {kind}: put one into fixtures/<case>.command.json"));
        }
    }
    seen.verdict("it exports nothing")
}
