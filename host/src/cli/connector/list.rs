//! `connector list`

use patchbay_host::plugin::Artifact;
use serde_json::Value;

use super::inspect::{roles, summary};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};

/// The installed connectors, one a row.
pub fn list(out: Out, artifacts: &[Artifact], folder: &str) -> Result<(), Failure> {
    let json: Vec<Value> = artifacts.iter().map(summary).collect();
    out.answer(&json, || {
        let mut table = Table::new(["ID", "VERSION", "NAME", "ROLES", "CAN", "SUMMARY"]);
        for it in artifacts {
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
        table.or(&format!("no connectors in {folder}: `patchbay up` builds the bundled ones"))
    })
}
