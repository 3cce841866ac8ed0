//! What an author does on a terminal, from an empty folder to a connector: nothing here runs in a hub.

use std::path::Path;
use std::process::{Command, Output};

use patchbay_tests::files::{self, Folder};
use serde_json::Value;

/// Runs the program in a folder as an author would. The connectors share one target folder, so the SDK is compiled once.
fn patchbay(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(files::program());
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", files::target()).env_remove("CARGO");
    command.output().expect("the program starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = patchbay(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}

fn checkout() -> &'static str {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::to_str).expect("the checkout has a name")
}

#[test]
fn each_kind_of_new_connector_is_built_and_passes_its_tests_as_it_is() {
    let folder = Folder::outside();
    for (kind, can) in [
        ("form", vec!["webhook"]),
        ("messenger", vec!["check", "commands", "webhook"]),
        ("telephony", vec!["webhook"]),
        ("crm", vec!["check", "commands", "polling"]),
    ] {
        let id = format!("acme-{kind}");
        done(folder.path(), &["connector", "new", &id, "--kind", kind, "--sdk", checkout()]);
        let built: Value = serde_json::from_str(&done(&folder.path().join(&id), &["connector", "build", "--json"])).expect("JSON");
        let mut abilities: Vec<&str> = built["abilities"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        abilities.sort_unstable();
        assert_eq!((built["id"].as_str(), abilities), (Some(id.as_str()), can));
        assert!(Path::new(built["file"].as_str().expect("a file")).is_file());
        let tested: Value = serde_json::from_str(&done(&folder.path().join(&id), &["connector", "test", "--json"])).expect("JSON");
        assert_eq!(tested["passed"], true);
        let not_needed = |it: &&Value| it["verdict"] == "not_needed";
        let sink_of_nothing = usize::from(kind == "crm");
        let asks_nothing = if matches!(kind, "messenger" | "crm") { 0 } else { 2 };
        let unneeded = tested["checks"].as_array().into_iter().flatten().filter(not_needed).count();
        assert_eq!(unneeded, asks_nothing + 3 * sink_of_nothing, "{tested:#}");
        let imports = built["imports"].to_string();
        assert_eq!(imports.contains("/http@"), matches!(kind, "messenger" | "crm"), "what it does not use it does not import: {imports}");
    }
}

#[test]
fn what_stands_in_the_way_of_a_new_connector_is_named_with_its_cure() {
    let folder = Folder::outside();
    let refused = |arguments: &[&str]| {
        let output = patchbay(folder.path(), arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    done(folder.path(), &["connector", "new", "acme", "--sdk", checkout()]);
    for (arguments, exit, words) in [
        (&["connector", "new", "acme"][..], 10, "is there already"),
        (&["connector", "new", "Acme"], 2, "lower-case"),
        (&["connector", "new", "other", "--lang", "cobol"], 2, "rust, js, python"),
        (&["connector", "new", "other", "--sdk", "nowhere"], 5, "--sdk names a checkout"),
        (&["connector", "build", "nowhere"], 5, "patchbay connector new"),
    ] {
        let (code, text) = refused(arguments);
        assert_eq!(code, Some(exit), "{arguments:?}: {text}");
        assert!(text.contains(words) && text.contains("help: "), "{arguments:?}: {text}");
    }
    let mut build = Command::new(files::program());
    build.args(["connector", "build", "acme"]).current_dir(folder.path()).env("PATH", "").env_remove("CARGO");
    let output = build.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    assert!(said(&output).contains("sh.rustup.rs"), "the command that installs Rust: {}", said(&output));
}
