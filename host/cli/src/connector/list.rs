//! `connector list`

use serde_json::{Value, json};

use super::inspect::{roles, summary};
use crate::failure::Failure;
use crate::output::{Out, Table, clean};
use patchbay_host::catalogue::Waiting;
use patchbay_host::plugin::Artifact;

/// The installed connectors, one a row: the version that runs, and below the table those that wait.
pub fn list(out: Out, standing: &[(Artifact, Option<Waiting>)], folder: &str) -> Result<(), Failure> {
    let shown = |(artifact, waiting): &(Artifact, Option<Waiting>)| {
        let mut json = summary(artifact);
        json["waiting"] = json!(waiting);
        json
    };
    let json: Vec<Value> = standing.iter().map(shown).collect();
    out.answer(&json, || {
        let mut table = Table::new(["ID", "VERSION", "NAME", "ROLES", "CAN", "SUMMARY"]);
        for (it, _) in standing {
            let manifest = &it.manifest;
            table.row([
                manifest.id.clone(),
                manifest.version.clone(),
                manifest.name.clone(),
                roles(manifest).join(", "),
                it.abilities().join(", "),
                manifest.summary.clone(),
            ]);
        }
        let waiting = standing.iter().filter_map(|(it, waiting)| Some(format!("{} {}\n", it.manifest.id, wait(waiting.as_ref()?))));
        table.or(&format!("no connectors in {folder}: `patchbay up` builds the bundled ones")) + &waiting.collect::<String>()
    })
}

/// How a version waits, in words.
pub fn wait(waiting: &Waiting) -> String {
    format!("{} waits: {}", waiting.read_by, clean(&waiting.reason))
}
