//! Connectors in JavaScript and in Python: what `connector new` writes of each kind is built and passes the cases of its twin in Rust and the
//! suite; the same bot of Telegram works in a hub, and reaches no more than a connector in Rust.

use std::path::Path;
use std::process::Command;

use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::line::FakeLine;
use patchbay_tests::files::{self, Folder};
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until;
use serde_json::{Value, json};

fn patchbay(folder: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(files::program());
    let output = command.args(arguments).current_dir(folder).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
}

async fn works(language: &str) {
    let Some(tools) = files::tools_or_skip(language) else { return };
    let folder = Folder::outside();
    patchbay(folder.path(), &["connector", "new", "acme", "--lang", language, "--kind", "messenger", "--json"]);
    let connector = folder.path().join("acme");
    files::lend_tools(language, &tools, &connector);
    let built = patchbay(&connector, &["connector", "build", "--json"]);
    // All that it can reach are its imports: no clock, no file, no environment, no network of WASI's.
    assert_eq!(imports(&built), ["http", "state"]);
    let tested = patchbay(&connector, &["connector", "test", "--json"]);
    assert_eq!(tested["passed"], true, "{tested:#}");

    let hub = Hub::start(Engine::Sqlite).await;
    std::fs::copy(built["file"].as_str().expect("a file"), hub.folder().path().join("connectors/acme.wasm")).expect("it can be copied");
    // Compiles it into the hub's own cache, however long that takes here.
    let body = folder.path().join("body.json");
    std::fs::write(&body, bodies::telegram(1, 42, "hello").to_string()).expect("a new file");
    let _ = hub.cli_any(&["connector", "map", "acme", "--body", &body.display().to_string()], "");
    let config = json!({ "token": bodies::BOT_TOKEN, "webhook_secret": bodies::WEBHOOK_SECRET });
    let bot = hub.connect("acme", config).await;
    let headers = [("content-type", "application/json"), (bodies::TELEGRAM_HEADER, bodies::WEBHOOK_SECRET)];
    for _ in 0..2 {
        let update = bodies::telegram(1, 42, "Сколько стоит?").to_string();
        assert_eq!(bot.deliver("", &headers, update).await.expect("the hub answers").status, 200);
    }
    let interactions = hub.api().all("/interactions").await;
    assert_eq!(interactions.len(), 1, "the second one is a duplicate");
    assert_eq!(interactions[0]["event"]["payload"]["text"], "Сколько стоит?");
}

/// The imports that a connector was built with, by the interface's name.
fn imports(built: &Value) -> Vec<String> {
    let all = built["imports"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut names: Vec<String> = all
        .filter_map(|it| it.trim_start_matches("patchbay:connector/").split('@').next())
        .filter(|it| *it != "types")
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names
}

/// The other kinds share manifest and fixtures with their templates in Rust, so they must say the same, word for word. Each takes a minute of
/// processor time, so each language is tried with two.
fn other_kinds_pass(language: &str, kinds: [&str; 2]) {
    let Some(tools) = files::tools_or_skip(language) else { return };
    let folder = Folder::outside();
    for kind in kinds {
        patchbay(folder.path(), &["connector", "new", kind, "--lang", language, "--kind", kind, "--json"]);
        let connector = folder.path().join(kind);
        files::lend_tools(language, &tools, &connector);
        let built = patchbay(&connector, &["connector", "build", "--json"]);
        assert_eq!(imports(&built), if kind == "crm" { vec!["http"] } else { vec![] }, "{kind}");
        let tested = patchbay(&connector, &["connector", "test", "--json"]);
        assert_eq!(tested["passed"], true, "{kind}: {tested:#}");
    }
}

/// The twin of the connector in `tests/connectors/ticker`: a stream of lines, a secret in what it says, an acknowledgement when a line is kept.
async fn streams(language: &str, source: &str) {
    let Some(tools) = files::tools_or_skip(language) else { return };
    let folder = Folder::outside();
    patchbay(folder.path(), &["connector", "new", "ticker", "--lang", language, "--kind", "form", "--json"]);
    let connector = folder.path().join("ticker");
    files::lend_tools(language, &tools, &connector);
    let twin = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors/ticker");
    std::fs::copy(twin.join("twins").join(source), connector.join("src").join(source)).expect("it can be copied");
    // What the language needs besides stands in the manifest that was there.
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("a text");
    let limits = read(connector.join("connector.toml")).split_once("[limits]").map(|it| format!("\n[limits]{}", it.1)).expect("limits");
    std::fs::write(connector.join("connector.toml"), read(twin.join("connector.toml")) + &limits).expect("it can be written");
    let built = patchbay(&connector, &["connector", "build", "--json"]);
    assert_eq!(imports(&built), Vec::<String>::new());

    let hub = Hub::start(Engine::Sqlite).await;
    std::fs::copy(built["file"].as_str().expect("a file"), hub.folder().path().join("connectors/ticker.wasm")).expect("it can be copied");
    // Compiles it into the hub's own cache, however long that takes here.
    let body = folder.path().join("line.txt");
    std::fs::write(&body, "say 1 hello").expect("a new file");
    let _ = hub.cli_any(&["connector", "map", "ticker", "--body", &body.display().to_string()], "");
    let vendor = FakeLine::start().await;
    hub.connect("ticker", json!({ "url": vendor.lines(), "token": bodies::API_KEY })).await;
    let heard = async |what: &str| until(what, async || vendor.heard().iter().any(|it| it == what).then_some(())).await;
    heard(&format!("hello {}", bodies::API_KEY)).await;
    vendor.say("say 1 Сколько стоит?\nsay 1 Сколько стоит?\n");
    heard("ack 1").await;
    let interactions = hub.api().all("/interactions").await;
    assert_eq!(interactions.len(), 1, "the second one is a duplicate");
    assert_eq!(interactions[0]["event"]["payload"]["text"], "Сколько стоит?");
}

#[tokio::test]
async fn a_stream_is_read_by_a_connector_in_javascript() {
    streams("js", "connector.js").await;
}

#[tokio::test]
async fn a_stream_is_read_by_a_connector_in_python() {
    streams("python", "connector.py").await;
}

#[test]
fn a_template_in_javascript_does_what_its_twin_in_rust_does() {
    other_kinds_pass("js", ["telephony", "crm"]);
}

#[test]
fn a_template_in_python_does_what_its_twin_in_rust_does() {
    other_kinds_pass("python", ["form", "crm"]);
}

#[tokio::test]
async fn a_connector_in_javascript_is_as_good() {
    works("js").await;
}

#[tokio::test]
async fn a_connector_in_python_is_as_good() {
    works("python").await;
}
