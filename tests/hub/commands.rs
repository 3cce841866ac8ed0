//! The command line: exit codes, JSON, and what it must not print.

use patchbay_tests::bodies::{self, API_KEY};
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::vendor::{Answer, Vendor};
use serde_json::{Value, json};

fn code(hub: &Hub, arguments: &[&str]) -> Option<i32> {
    let output = hub.cli_any(arguments, "");
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.trim().is_empty() && !said.contains("panicked"), "{arguments:?}: {said}");
    }
    output.status.code()
}

#[tokio::test]
async fn exit_codes_tell_scripts_what_happened() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        assert_eq!(code(&hub, &["doctor"]), Some(0));
        assert_eq!(code(&hub, &["connection", "frobnicate"]), Some(2));
        assert_eq!(code(&hub, &["connection", "show", "nobody"]), Some(5));
        assert_eq!(code(&hub, &["lead", "show", "lead_01J0000000000000000000000X"]), Some(5));
        assert_eq!(code(&hub, &["connection", "add", "no-such-connector"]), Some(5));
        assert_eq!(code(&hub, &["connection", "add", "misbehaving", "--set", "mode=furious"]), Some(6));
        assert_eq!(code(&hub, &["dead", "redrive", "dlv_01J0000000000000000000000X"]), Some(5));
        assert_eq!(code(&hub, &["--config", "elsewhere.toml", "lead", "list"]), Some(6));
        let form = hub.connect("webform", json!({})).await;
        // Nobody is there to say yes.
        assert_eq!(code(&hub, &["connection", "remove", &form.id]), Some(10));
        assert_eq!(code(&hub, &["connection", "remove", &form.id, "--yes"]), Some(0));
    }
}

#[tokio::test]
async fn every_list_and_every_thing_is_json_where_it_is_asked_for() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.status, 200);
        let leads = hub.cli_json(&["lead", "list"]);
        let lead = leads[0]["id"].as_str().expect("a list of leads").to_owned();
        assert_eq!(hub.cli_json(&["lead", "show", &lead])["id"].as_str().or(Some(&lead)), Some(lead.as_str()));
        for arguments in [
            &["connection", "list"][..],
            &["connection", "show", &form.id],
            &["connector", "list"],
            &["connector", "inspect", "telegram"],
            &["contact", "list"],
            &["dead", "list"],
            &["token", "list"],
            &["doctor"],
        ] {
            let answer = hub.cli_json(arguments);
            assert!(answer.is_array() || answer.is_object(), "{arguments:?}: {answer}");
        }
        assert_eq!(hub.cli_json(&["connection", "list"])[0]["id"], form.id.as_str());
    }
}

#[tokio::test]
async fn a_secret_goes_in_by_stdin_or_file_and_never_comes_out() {
    let vendor = Vendor::start(|asked| Answer::json(&json!({ "key_arrived": asked.header("x-api-key") == Some(API_KEY) })));
    let hub = Hub::start(Engine::Sqlite).await;
    let url = format!("base_url={}", vendor.url());
    let add = ["connection", "add", "relay", "--set", &url, "--allow-network", "127.0.0.1", "--json"];
    let said =
        |output: &std::process::Output| format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));

    let refused = hub.cli_any(&[&add[..], &["--set", &format!("api_key={API_KEY}")]].concat(), "");
    assert_eq!(refused.status.code(), Some(2), "the shell's history would keep it: {}", said(&refused));
    let made = hub.cli_any(&[&add[..], &["--secrets-stdin"]].concat(), &format!("api_key={API_KEY}\n"));
    assert!(made.status.success(), "{}", said(&made));
    let shown: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(shown["test"]["said"]["key_arrived"], true, "the vendor was asked with it: {shown}");
    let id = shown["id"].as_str().unwrap();

    std::fs::write(hub.folder().path().join("key.txt"), format!("{API_KEY}\n")).unwrap();
    let updated = hub.cli_any(&["connection", "update", id, "--secret-file", "api_key=key.txt"], "");
    assert!(updated.status.success(), "{}", said(&updated));
    for output in [refused, made, updated, hub.cli(&["connection", "show", id]), hub.cli(&["connection", "list", "--json"])] {
        assert!(!said(&output).contains(API_KEY), "{}", said(&output));
    }
    // In the database it is sealed.
    let database = std::fs::read(hub.folder().path().join("hub.db")).unwrap();
    let log = std::fs::read(hub.folder().path().join("hub.db-wal")).unwrap_or_default();
    for bytes in [database, log] {
        assert!(!bytes.windows(API_KEY.len()).any(|it| it == API_KEY.as_bytes()));
    }
}

#[tokio::test]
async fn a_connection_that_does_not_work_is_kept_and_the_failed_test_told() {
    let vendor = Vendor::start(|_| Answer::failure("vendor.down", "later"));
    let hub = Hub::start(Engine::Sqlite).await;
    let url = format!("base_url={}", vendor.url());
    let add = ["connection", "add", "relay", "--set", &url, "--allow-network", "127.0.0.1", "--secrets-stdin", "--json"];
    let made = hub.cli_any(&add, &format!("api_key={API_KEY}\n"));
    assert_eq!(made.status.code(), Some(7));
    let shown: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(shown["test"]["ok"], false, "{shown}");
    assert_eq!(hub.cli_any(&["connection", "test", shown["id"].as_str().unwrap()], "").status.code(), Some(7));
    vendor.now(|_| Answer::json(&json!({ "fine": true })));
    assert_eq!(hub.cli_json(&["connection", "test", shown["id"].as_str().unwrap()])["said"]["fine"], true);
}

#[tokio::test]
async fn pausing_and_resuming_from_the_command_line_reaches_the_hub_that_runs() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let state = async || hub.api().get(&format!("/connections/{}", form.id)).await["state"].to_string();
        let _ = hub.cli(&["connection", "pause", &form.id]);
        assert!(state().await.contains("paused"));
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.status, 200, "what comes in is still taken");
        let _ = hub.cli(&["connection", "resume", &form.id]);
        assert!(state().await.contains("active"));
    }
}
