//! What was built for a released version of the contract still runs; what was built for a later one is refused with the cure.

use std::path::{Path, PathBuf};
use std::process::Command;

use patchbay_tests::files;
use serde_json::Value;

fn patchbay(arguments: &[&str], path: &Path) -> Value {
    let mut command = Command::new(files::program());
    let output = command.args(arguments).arg(path).current_dir(files::target()).output().expect("the program starts");
    let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "patchbay {arguments:?} {}: {}", path.display(), said());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said()))
}

/// The `.wasm` of a kept connector; what is kept packed is unpacked into a folder that goes with the second value.
fn unpacked(connector: &Path) -> (PathBuf, Option<files::Folder>) {
    let plain = connector.join("connector.wasm");
    if plain.is_file() {
        return (plain, None);
    }
    let packed = std::fs::read(connector.join("connector.wasm.zlib")).expect("a kept connector is there, packed or not");
    let folder = files::Folder::outside();
    let place = folder.path().join("connector.wasm");
    let bytes = miniz_oxide::inflate::decompress_to_vec_zlib(&packed).expect("it was packed by zlib");
    std::fs::write(&place, bytes).expect("a new file");
    (place, Some(folder))
}

#[test]
fn what_was_built_for_a_released_version_does_what_it_did() {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).expect("it can be read").map(|it| it.expect("an entry").path()).filter(|it| it.is_dir()).collect()
    };
    // Each folder but the sources is a version.
    let versions = entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("contract"));
    let connectors: Vec<_> = versions.iter().filter(|it| !it.ends_with("src")).flat_map(|it| entries(it)).collect();
    assert!(!connectors.is_empty());
    for connector in connectors {
        let (wasm, _passing) = unpacked(&connector);
        let found = patchbay(&["connector", "test", "--json", "--case", "", "--wasm", &wasm.display().to_string()], &connector);
        assert!(found["cases"].as_array().is_some_and(|it| !it.is_empty()), "{}: {found:#}", connector.display());
    }
}

#[test]
fn a_connector_for_a_later_contract_is_refused_before_it_runs_and_the_cure_is_named() {
    let folder = files::Folder::outside();
    let component = std::fs::read(files::connector("smallest")).expect("the connector is built");
    let manifest = include_str!("../connectors/smallest/connector.toml");
    let later = manifest.replace("contract = \"0.1.1\"", "contract = \"0.2.0\"");
    assert_ne!(later, manifest);
    let wasm = folder.path().join("later.wasm");
    std::fs::write(&wasm, files::with_manifest(&component, &later)).expect("a new file");
    let body = folder.path().join("body.json");
    std::fs::write(&body, r#"{"id":"1","from":"+79123456789","text":"hi"}"#).expect("a new file");
    let mut map = Command::new(files::program());
    let output = map.args(["connector", "map"]).arg(&wasm).arg("--body").arg(&body).current_dir(folder.path()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("0.2.0") && said.contains("upgrade the hub") && said.contains("help: "), "{said}");
    let found = patchbay(&["connector", "inspect", "--json"], &wasm);
    assert_eq!(found["contract"], "0.2.0", "it can be looked at all the same");
}
