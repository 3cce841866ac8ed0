//! The manifests of the connectors in this repository.

use std::fs;
use std::path::Path;

use patchbay_schemas::Manifest;
use serde_json::Value;

use crate::validators::{faults, validator};

#[test]
fn every_connector_has_a_manifest_that_validates_and_parses() {
    let validator = validator("manifest.json");
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut seen = 0;
    for entry in fs::read_dir(plugins).expect("the connectors are there") {
        let path = entry.expect("a readable folder").path().join("connector.toml");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let name = path.display();
        let document: Value = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(faults(&validator, &document), [""; 0], "{name}");
        let manifest: Manifest = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = serde_json::to_value(&manifest).expect("a manifest is JSON");
        assert_eq!(faults(&validator, &written), [""; 0], "{name}, as the hub writes it");
        seen += 1;
    }
    assert!(seen > 0, "no connector has a manifest");
}
