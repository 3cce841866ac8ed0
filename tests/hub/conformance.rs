//! What `connector test` finds: each check of the suite beside a connector that breaks it, and what a budget and an expectation are for.

use std::path::Path;
use std::process::Command;

use patchbay_tests::files::{self, Folder};
use patchbay_tests::vendor::{Answer, Vendor};
use serde_json::{Value, json};

/// A connector's folder that a test may write to: the manifest and the fixtures of one of `tests/connectors`.
fn copied(name: &str) -> Folder {
    let folder = Folder::outside();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors").join(name);
    std::fs::create_dir(folder.path().join("fixtures")).expect("a new folder can be written");
    for entry in std::fs::read_dir(sources.join("fixtures")).expect("it has fixtures") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, folder.path().join("fixtures").join(path.file_name().expect("a name"))).expect("a file can be copied");
    }
    folder
}

/// How a test ended: its exit code and what it found, as JSON.
fn test(folder: &Path, wasm: &Path, options: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(files::program());
    command.args(["connector", "test", "--json", "--wasm"]).arg(wasm).args(options).arg(folder).current_dir(files::target());
    let output = command.output().expect("the program starts");
    let found = serde_json::from_slice(&output.stdout);
    (output.status.code(), found.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr))))
}

fn failed(found: &Value) -> Vec<&str> {
    let checks = found["checks"].as_array().into_iter().flatten();
    checks.filter(|it| it["verdict"] == "failed").filter_map(|it| it["check"].as_str()).collect()
}

#[test]
fn each_check_finds_the_fault_that_it_is_for_and_no_other() {
    let wasm = files::connector("unsound");
    for (fault, check, words) in [
        ("none", None, ""),
        ("random_ids", Some("repeated"), "once more it is the event"),
        ("remembers", Some("used"), "(number"),
        ("panics", Some("hostile"), "trapped"),
        ("swallows", Some("truncated"), "taken for sound"),
        ("unfit", Some("schemas"), "identities/0/value"),
        ("sends_twice", Some("once"), "POST /messages"),
        ("gives_up", Some("verdicts"), "`never`"),
    ] {
        let folder = copied("unsound");
        std::fs::write(folder.path().join("fixtures/case.toml"), format!("[config]\nfault = \"{fault}\"\n")).expect("a new file");
        let (exit, found) = test(folder.path(), &wasm, &[]);
        assert_eq!(failed(&found), check.into_iter().collect::<Vec<_>>(), "{fault}: {found:#}");
        assert_eq!(exit, Some(if check.is_some() { 7 } else { 0 }), "{fault}: {found:#}");
        assert!(found["checks"].to_string().contains(words), "{fault}: {found:#}");
    }
}

#[test]
fn our_own_connectors_do_what_every_connector_must() {
    for name in ["telegram", "whatsapp", "email", "webform", "mango", "asterisk", "odoo", "bitrix24"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("plugins").join(name);
        let (exit, found) = test(&folder, &files::connector(name), &[]);
        assert_eq!((exit, failed(&found)), (Some(0), Vec::new()), "{name}: {found:#}");
        // What a case used grows unseen where the budget does not name it.
        let budget = std::fs::read_to_string(folder.join("budget.toml")).expect(name);
        for case in found["cases"].as_array().into_iter().flatten() {
            assert!(budget.contains(&format!("\n{} = {{", case["case"])), "{name}: budget.toml does not name {}", case["case"]);
        }
    }
}

#[test]
fn what_the_manifest_declares_is_compared_with_what_the_component_has() {
    let folder = copied("unsound");
    let component = std::fs::read(files::connector("unsound")).expect("the connector is built");
    let manifest = include_str!("../connectors/unsound/connector.toml");
    for (from, to, words) in [
        ("[webhook]\n", "", "[webhook]"),
        ("[endpoints.api]\nurl = \"https://vendor.example\"\n", "", "[endpoints"),
        ("[\"message.send\"]", "[\"message.send\", \"coffee.make\"]", "coffee.make"),
        ("[\"source\", \"messenger\"]", "[\"source\", \"messenger\", \"sink\"]", "lead.upsert"),
        ("contract = \"0.1.1\"", "contract = \"0.1.0\"", "speaks 0.1.1"),
    ] {
        assert!(manifest.contains(from));
        let mut changed = manifest.replace(from, to);
        if from.starts_with("[endpoints") {
            changed = changed.lines().filter(|it| !it.starts_with("credential")).collect::<Vec<_>>().join("\n");
        }
        let wasm = folder.path().join("changed.wasm");
        std::fs::write(&wasm, files::with_manifest(&component, &changed)).expect("a new file");
        let (exit, found) = test(folder.path(), &wasm, &[]);
        assert_eq!(exit, Some(7), "{to}: {found:#}");
        assert!(failed(&found).contains(&"abilities"), "{to}: {found:#}");
        assert!(found["checks"][0]["faults"].to_string().contains(words), "{to}: {found:#}");
    }
}

#[test]
fn an_ability_without_a_case_is_missed() {
    let folder = copied("unsound");
    for file in ["answer.command.json", "answer.cassette.json", "answer.expect.json"] {
        std::fs::remove_file(folder.path().join("fixtures").join(file)).expect("it is there");
    }
    let (_, found) = test(folder.path(), &files::connector("unsound"), &[]);
    assert_eq!(failed(&found), ["cases"], "{found:#}");
    assert!(found["checks"][1]["faults"].to_string().contains("message.send"), "{found:#}");
}

#[test]
fn another_output_fails_until_it_is_accepted_and_fuel_is_the_same_every_time() {
    let (folder, wasm) = (copied("unsound"), files::connector("unsound"));
    let expectation = folder.path().join("fixtures/hello.expect.json");
    std::fs::write(&expectation, r#"[{ "id": "m-1", "text": "good night" }]"#).expect("a new file");
    let (exit, found) = test(folder.path(), &wasm, &[]);
    assert_eq!(exit, Some(7));
    let faults = found["cases"][1]["faults"].to_string();
    assert!(faults.contains("good night") && faults.contains("hello"), "both are shown: {faults}");
    let (exit, updated) = test(folder.path(), &wasm, &["--update"]);
    assert_eq!((exit, &updated["cases"][1]["updated"]), (Some(0), &json!(true)));
    let written: Value = serde_json::from_slice(&std::fs::read(&expectation).expect("it is written")).expect("JSON");
    assert_eq!(written, json!([{ "id": "m-1", "text": "hello" }]), "as much as was said before");
    let (exit, again) = test(folder.path(), &wasm, &[]);
    assert_eq!(exit, Some(0));
    let fuel = |found: &Value| found["cases"].as_array().into_iter().flatten().map(|it| it["fuel"].clone()).collect::<Vec<_>>();
    assert_eq!(fuel(&again), fuel(&found));
    assert!(fuel(&again).iter().all(|it| it.as_u64().is_some_and(|it| it > 1_000)), "{again:#}");
}

#[test]
fn a_request_that_the_cassette_does_not_have_fails_the_case_and_cannot_be_accepted() {
    let folder = copied("unsound");
    let cassette = folder.path().join("fixtures/answer.cassette.json");
    let text = std::fs::read_to_string(&cassette).expect("it is there");
    std::fs::write(&cassette, text.replace("\"hi\"", "\"hello\"")).expect("a new file");
    let (exit, found) = test(folder.path(), &files::connector("unsound"), &["--update"]);
    assert_eq!(exit, Some(7));
    assert!(found["cases"][0]["faults"].to_string().contains("its body is"), "{found:#}");
}

#[test]
fn a_budget_holds_until_something_grows_past_it() {
    let (folder, wasm) = (copied("unsound"), files::connector("unsound"));
    let budget = folder.path().join("budget.toml");
    assert_eq!(test(folder.path(), &wasm, &["--budget"]).0, Some(0));
    let text = std::fs::read_to_string(&budget).expect("it is written");
    let (exit, found) = test(folder.path(), &wasm, &[]);
    assert_eq!((exit, &found["budget"]), (Some(0), &json!([])));

    let fuel = found["cases"][1]["fuel"].as_u64().expect("it is measured");
    let spare = fuel + fuel / 10;
    std::fs::write(&budget, text.replace(&format!("fuel = {spare},"), &format!("fuel = {},", fuel - 1))).expect("a new file");
    let (exit, found) = test(folder.path(), &wasm, &[]);
    assert_eq!(exit, Some(7));
    assert!(found["budget"][0].as_str().is_some_and(|it| it.starts_with("hello: fuel is")), "{found:#}");
    assert_eq!(test(folder.path(), &wasm, &["--update"]).0, Some(0));
    assert_eq!(std::fs::read_to_string(&budget).expect("it is written"), text);
}

#[tokio::test]
async fn a_case_is_recorded_from_the_live_vendor_without_its_secret_and_without_people() {
    const TOKEN: &str = "live-token-of-the-vendor";
    let vendor = Vendor::start(|asked| {
        let echo = asked.header("authorization").unwrap_or_default();
        Answer::json(&json!({ "id": "m-9", "echo": echo, "email": "boris@mail.ru", "phone": "+7 912 000-11-22" }))
    });
    let folder = copied("unsound");
    let manifest = include_str!("../connectors/unsound/connector.toml").replace("https://vendor.example", &vendor.url());
    let component = std::fs::read(files::connector("unsound")).expect("the connector is built");
    let wasm = folder.path().join("live.wasm");
    std::fs::write(&wasm, files::with_manifest(&component, &manifest)).expect("a new file");
    let record = |secret: Option<&str>| {
        let mut command = Command::new(files::program());
        command.args(["connector", "test", "--update", "--record", "--case", "answer", "--allow-network", "127.0.0.1", "--wasm"]);
        command.arg(&wasm).arg(folder.path()).current_dir(files::target()).envs(secret.map(|it| ("PATCHBAY_SECRET_TOKEN", it)));
        let output = command.output().expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = record(None);
    assert!(code == Some(2) && said.contains("PATCHBAY_SECRET_TOKEN"), "{said}");
    assert_eq!(vendor.asked().len(), 0);

    let (code, said) = record(Some(TOKEN));
    assert_eq!(code, Some(0), "{said}");
    let asked = vendor.asked();
    assert_eq!(asked.len(), 1, "the second time nothing is sent");
    assert_eq!(asked[0].header("authorization"), Some("Bearer live-token-of-the-vendor"));
    let cassette = std::fs::read_to_string(folder.path().join("fixtures/answer.cassette.json")).expect("it is written");
    for private in [TOKEN, "boris", "000-11"] {
        assert!(!cassette.contains(private), "{private}: {cassette}");
    }
    assert!(cassette.contains("m-9") && cassette.contains("person1@example.com") && cassette.contains("\"hi\""), "{cassette}");
    assert_eq!(test(folder.path(), &wasm, &[]).0, Some(0), "and it is played without the vendor");
    assert_eq!(vendor.asked().len(), 1);
}
