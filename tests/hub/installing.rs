//! Packages: signed, trusted, installed, upgraded and taken back, on the command line of a folder without a hub.

use std::path::Path;
use std::process::Command;

use patchbay_tests::files::{self, Folder};
use serde_json::Value;

const MANIFEST: &str = include_str!("../connectors/unsound/connector.toml");

/// Runs a command in a folder: exit code, stdout, stderr.
fn patchbay(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(files::program());
    command.args(arguments).current_dir(folder).stdin(std::process::Stdio::null());
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn done(folder: &Path, arguments: &[&str]) -> Value {
    let (code, out, err) = patchbay(folder, &[arguments, &["--json"]].concat());
    assert_eq!(code, Some(0), "{arguments:?}: {err}");
    serde_json::from_str(&out).expect("JSON")
}

/// A `.wasm` whose manifest was changed so.
fn component(folder: &Path, name: &str, change: impl Fn(&str) -> String) {
    let bytes = std::fs::read(files::connector("unsound")).expect("the connector is built");
    std::fs::write(folder.join(name), files::with_manifest(&bytes, &change(MANIFEST))).expect("a new file");
}

fn trust(folder: &Path, publisher: &str, key: &Value) {
    let key = key["key"].as_str().expect("a key");
    std::fs::write(folder.join("patchbay.toml"), format!("[install.publishers]\n{publisher} = \"{key}\"\n")).expect("a new file");
}

fn version(folder: &Path) -> Value {
    done(folder, &["connector", "inspect", "unsound"])["version"].clone()
}

#[test]
fn a_package_is_installed_where_its_publisher_is_trusted_and_nowhere_else() {
    let folder = Folder::outside();
    let here = folder.path();
    component(here, "one.wasm", str::to_owned);
    let acme = done(here, &["connector", "key", "acme"]);
    done(here, &["connector", "package", "--wasm", "one.wasm", "--key", "acme.key"]);
    let (code, _, said) = patchbay(here, &["connector", "install", "unsound-0.1.0.patchbay"]);
    assert!(code == Some(4) && said.contains(acme["key"].as_str().unwrap()), "the line that would allow it: {said}");

    // Somebody else who calls himself acme.
    std::fs::rename(here.join("acme.key"), here.join("true.key")).expect("it is there");
    let false_acme = done(here, &["connector", "key", "acme"]);
    trust(here, "acme", &false_acme);
    let (code, _, said) = patchbay(here, &["connector", "install", "unsound-0.1.0.patchbay"]);
    assert!(code == Some(4) && said.contains("another key"), "{said}");

    trust(here, "acme", &acme);
    let installed = done(here, &["connector", "install", "unsound-0.1.0.patchbay"]);
    assert_eq!((&installed["id"], &installed["publisher"]), (&"unsound".into(), &"acme".into()));
    let seen = done(here, &["connector", "inspect", "unsound"]);
    assert_eq!((&seen["signature"]["publisher"], &seen["signature"]["trusted"]), (&"acme".into(), &true.into()));
    let (code, _, said) = patchbay(here, &["connector", "install", "unsound-0.1.0.patchbay"]);
    assert!(code == Some(10) && said.contains("connector upgrade"), "{said}");
}

#[test]
fn a_package_that_was_changed_is_refused_and_an_unsigned_one_where_nothing_allows_it() {
    let folder = Folder::outside();
    let here = folder.path();
    component(here, "one.wasm", str::to_owned);
    let key = done(here, &["connector", "key", "acme"]);
    trust(here, "acme", &key);
    done(here, &["connector", "package", "--wasm", "one.wasm", "--key", "acme.key", "-o", "good.patchbay"]);
    let mut bytes = std::fs::read(here.join("good.patchbay")).expect("it was made");
    // A text of the component's code, found by what it says: the file stays a component.
    let at = bytes.windows(12).position(|it| it == b"the vendor r").expect("the connector says so");
    bytes[at] = b'T';
    std::fs::write(here.join("changed.patchbay"), bytes).expect("a new file");
    let (code, _, said) = patchbay(here, &["connector", "install", "changed.patchbay"]);
    assert!(code == Some(4) && said.contains("was changed"), "{said}");
    std::fs::write(here.join("noise.patchbay"), b"noise".repeat(500)).expect("a new file");
    assert_eq!(patchbay(here, &["connector", "install", "noise.patchbay"]).0, Some(6));
    assert_eq!(patchbay(here, &["connector", "install", "nowhere.patchbay"]).0, Some(5));

    for file in ["one.wasm", "bare.patchbay"] {
        if file == "bare.patchbay" {
            done(here, &["connector", "package", "--wasm", "one.wasm", "-o", file]);
        }
        let (code, _, said) = patchbay(here, &["connector", "install", file]);
        assert!(code == Some(4) && said.contains("install.unsigned = true"), "{said}");
    }
    assert!(!here.join("data/connectors/unsound.wasm").exists());
    std::fs::write(here.join("patchbay.toml"), "[install]\nunsigned = true\n").expect("a new file");
    assert_eq!(done(here, &["connector", "install", "bare.patchbay"])["publisher"], Value::Null);
}

#[test]
fn an_upgrade_shows_what_more_it_may_do_and_asks_and_is_taken_back() {
    let folder = Folder::outside();
    let here = folder.path();
    std::fs::write(here.join("patchbay.toml"), "[install]\nunsigned = true\n").expect("a new file");
    component(here, "one.wasm", str::to_owned);
    component(here, "two.wasm", |it| {
        it.replace("version = \"0.1.0\"", "version = \"0.2.0\"")
            .replace("vendor.example", "elsewhere.example")
            .replace("required = [\"token\"]", "required = [\"token\", \"fault\"]")
    });
    let (code, _, said) = patchbay(here, &["connector", "upgrade", "two.wasm"]);
    assert!(code == Some(5) && said.contains("connector install"), "{said}");
    done(here, &["connector", "install", "one.wasm"]);

    let (code, _, said) = patchbay(here, &["connector", "upgrade", "two.wasm"]);
    assert_eq!(code, Some(10), "nobody is there to say yes: {said}");
    for words in
        ["+ may send HTTP to https://elsewhere.example", "- may no longer send HTTP to https://vendor.example", "need `fault`", "--yes"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(version(here), "0.1.0");
    let upgraded = done(here, &["connector", "upgrade", "two.wasm", "--yes"]);
    assert_eq!((&upgraded["change"]["from"], &upgraded["change"]["to"]), (&"0.1.0".into(), &"0.2.0".into()));
    assert_eq!(version(here), "0.2.0");
    done(here, &["connector", "rollback", "unsound"]);
    assert_eq!(version(here), "0.1.0");
    done(here, &["connector", "rollback", "unsound"]);
    assert_eq!(version(here), "0.2.0");
    assert_eq!(patchbay(here, &["connector", "rollback", "other"]).0, Some(10));
}
