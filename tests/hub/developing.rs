//! `connector dev`: an author's folder, a hub that runs, and one terminal.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use patchbay_tests::bodies::{self, TELEGRAM_HEADER, WEBHOOK_SECRET};
use patchbay_tests::database::Engine;
use patchbay_tests::files::{self, Folder};
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until;
use serde_json::{Value, json};

/// What the template's connector wants to see of who posts.
const TOKEN: &str = "a-token-of-the-tests-0001";
/// Longest wait for a build: the first one compiles the SDK.
const PATIENCE: Duration = Duration::from_mins(8);

/// `connector dev` under way: what it says, one JSON object after the other.
struct Session {
    process: Child,
    said: Receiver<Value>,
    /// All that it said so far.
    heard: Vec<Value>,
}

impl Session {
    fn start(hub: &Hub, connector: &Path) -> Self {
        let mut command = hub.command(&["--json", "connector", "dev"]);
        command.arg(connector).env("CARGO_TARGET_DIR", files::target()).env_remove("CARGO");
        // What the templates' connectors ask for.
        for (name, value) in [("WEBHOOK_TOKEN", TOKEN), ("TOKEN", bodies::BOT_TOKEN), ("WEBHOOK_SECRET", WEBHOOK_SECRET)] {
            command.env(format!("PATCHBAY_SECRET_{name}"), value);
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let news = serde_json::from_str(&line).unwrap_or_else(|error| panic!("each line is JSON: {error}: {line}"));
                if sender.send(news).is_err() {
                    return;
                }
            }
        });
        Self { process, said, heard: Vec::new() }
    }

    /// The next news of this sort that is as wanted.
    async fn hear(&mut self, news: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            while let Ok(it) = self.said.try_recv() {
                self.heard.push(it.clone());
                if it["news"] == news && is_it(&it) {
                    return it;
                }
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain for {news}; it said {:#?}", self.heard);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ctrl-C: how it ends.
    async fn interrupt(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        assert!(sent.is_ok_and(|it| it.success()), "the signal could not be sent");
        self.hear("stopped", |_| true).await;
        self.process.wait().expect("a child can be waited for").code()
    }
}

fn change(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("the template has it");
    assert!(text.contains(from), "{}: {from}", file.display());
    std::fs::write(file, text.replacen(from, to, 1)).expect("the folder can be written");
}

#[tokio::test]
async fn a_change_runs_in_the_hub_and_what_does_not_compile_changes_nothing() {
    let (hub, author) = (Hub::start(Engine::Sqlite).await, Folder::outside());
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::to_str).expect("the checkout has a name");
    let folder = author.path().join("acme");
    drop(hub.cli(&["connector", "new", folder.to_str().expect("text"), "--kind", "form", "--sdk", checkout]));
    let source = folder.join("src/lib.rs");

    let mut dev = Session::start(&hub, &folder);
    let first = dev.hear("built", |_| true).await["built"].clone();
    let ready = dev.hear("ready", |_| true).await;
    dev.hear("running", |it| it["running"] == first).await;
    let address = ready["address"].as_str().expect("a form has an address").to_owned();
    let post = async |id: &str| {
        let body = json!({ "id": id, "name": "Anna", "message": "which version?" }).to_string();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        let request = client.post(&address).header("content-type", "application/json").header("x-webhook-token", TOKEN);
        request.body(body).send().await.expect("the hub answers").status().as_u16()
    };
    assert_eq!(post("f-1").await, 200);
    let delivered = dev.hear("delivery", |_| true).await;
    assert_eq!((&delivered["delivery"]["outcome"], &delivered["delivery"]["read_by"]), (&json!("accepted"), &first), "{delivered}");
    assert_eq!([&delivered["events"][0]["id"], &delivered["events"][0]["text"]], ["f-1", "which version?"], "{delivered}");

    // It does not compile: the version before goes on.
    change(&source, "fn submission", "fn submission(");
    let failed = dev.hear("failed", |_| true).await;
    assert!(failed["error"].as_str().is_some_and(|it| it.contains("cargo")), "{failed}");
    assert_eq!(post("f-2").await, 200);
    dev.hear("delivery", |it| it["delivery"]["read_by"] == first).await;

    // It compiles, says something to the log, and reads something else of the same bytes.
    change(&source, "fn submission(", "fn submission");
    change(&source, "taken(&mut fields, \"message\", 65_536)", "taken(&mut fields, \"message\", 65_536).map(|it| it.to_uppercase())");
    change(
        &source,
        "let text =",
        "patchbay_sdk::host::log(patchbay_sdk::host::Level::Info, \"a form came in\", &\"here\");\n    let text =",
    );
    let second = dev.hear("built", |it| it["built"] != first).await["built"].clone();
    let tried = dev.hear("tried", |it| it["shadow"]["digest"] == second["digest"]).await["shadow"].clone();
    assert_eq!([&tried["verdict"], &tried["changed"], &tried["gone"]], [&json!("taken"), &json!(2), &json!(0)], "{tried}");
    assert_eq!(tried["differences"][0]["places"], json!(["/text"]), "{tried}");
    dev.hear("running", |it| it["running"] == second).await;
    assert_eq!(post("f-3").await, 200);
    let line = dev.hear("log", |_| true).await;
    assert_eq!([&line["log"]["message"], &line["log"]["level"]], ["a form came in", "info"], "{line}");
    let delivered = dev.hear("delivery", |_| true).await;
    assert_eq!(delivered["events"][0]["text"], "WHICH VERSION?", "{delivered}");

    // It traps on what the one before reads: it is not taken.
    change(&source, "let text =", "assert!(id.is_empty(), \"a bug\");\n    let text =");
    let refused = dev.hear("tried", |it| it["shadow"]["verdict"] == "refused").await["shadow"].clone();
    assert!(refused["reason"].as_str().is_some_and(|it| it.contains("connector.trap")), "{refused}");
    assert_eq!(post("f-4").await, 200);

    assert_eq!(dev.interrupt().await, Some(0));
    let tokens = hub.cli_json(&["token", "list"]);
    let open = tokens.as_array().into_iter().flatten().filter(|it| it["name"] == "connector dev" && it["revoked_at"].is_null()).count();
    assert_eq!(open, 0, "{tokens}");
    until("four forms are there", async || (hub.api().all("/interactions").await.len() == 4).then_some(())).await;
}

#[tokio::test]
async fn a_change_in_python_runs_in_the_hub_as_well() {
    let Some(tools) = files::tools_or_skip("python") else { return };
    let (hub, author) = (Hub::start(Engine::Sqlite).await, Folder::outside());
    let folder = author.path().join("acme");
    drop(hub.cli(&["connector", "new", folder.to_str().expect("text"), "--lang", "python", "--kind", "messenger"]));
    files::lend_tools("python", &tools, &folder);
    let source = folder.join("src/connector.py");

    let mut dev = Session::start(&hub, &folder);
    let first = dev.hear("built", |_| true).await["built"].clone();
    let ready = dev.hear("ready", |_| true).await;
    dev.hear("running", |it| it["running"] == first).await;
    let address = ready["address"].as_str().expect("a bot has an address").to_owned();
    let post = async |number: i64| {
        let body = bodies::telegram(number, 42, "which version?").to_string();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        let request = client.post(&address).header("content-type", "application/json").header(TELEGRAM_HEADER, WEBHOOK_SECRET);
        request.body(body).send().await.expect("the hub answers").status().as_u16()
    };
    assert_eq!(post(1).await, 200);
    let delivered = dev.hear("delivery", |_| true).await;
    assert_eq!((&delivered["delivery"]["outcome"], &delivered["delivery"]["read_by"]), (&json!("accepted"), &first), "{delivered}");
    assert_eq!(delivered["events"][0]["text"], "which version?", "{delivered}");

    // Its tool does not take it: the version before goes on.
    change(&source, "def message(key, what, it):", "def message(key, what, it:");
    let failed = dev.hear("failed", |_| true).await;
    assert!(failed["error"].as_str().is_some_and(|it| it.contains("could not be built")), "{failed}");
    assert_eq!(post(2).await, 200);
    dev.hear("delivery", |it| it["delivery"]["read_by"] == first).await;

    // One write, so that no build sees half of it.
    let text = std::fs::read_to_string(&source).expect("the template has it");
    let text = text.replacen("def message(key, what, it:", "def message(key, what, it):", 1).replacen(
        "else cut(text, 65536)",
        "else cut(text, 65536).upper()",
        1,
    );
    std::fs::write(&source, text).expect("the folder can be written");
    let second = dev.hear("built", |it| it["built"] != first).await["built"].clone();
    let tried = dev.hear("tried", |it| it["shadow"]["digest"] == second["digest"]).await["shadow"].clone();
    assert_eq!([&tried["verdict"], &tried["changed"], &tried["gone"]], [&json!("taken"), &json!(2), &json!(0)], "{tried}");
    dev.hear("running", |it| it["running"] == second).await;
    assert_eq!(post(3).await, 200);
    let delivered = dev.hear("delivery", |it| it["delivery"]["read_by"] == second).await;
    assert_eq!(delivered["events"][0]["text"], "WHICH VERSION?", "{delivered}");
    assert_eq!(dev.interrupt().await, Some(0));
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_session_is_named_with_its_cure() {
    let (mut hub, author) = (Hub::start(Engine::Sqlite).await, Folder::outside());
    let folder = author.path().join("acme");
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::to_str).expect("the checkout has a name");
    drop(hub.cli(&["connector", "new", folder.to_str().expect("text"), "--kind", "form", "--sdk", checkout]));
    let refused = |hub: &Hub, place: &str| {
        let output = hub.cli_any(&["connector", "dev", place], "");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = refused(&hub, "nowhere");
    assert!(code == Some(5) && said.contains("patchbay connector new"), "{said}");
    hub.kill();
    let (code, said) = refused(&hub, folder.to_str().expect("text"));
    assert!(code == Some(10) && said.contains("no hub answers at http://127.0.0.1:") && said.contains("patchbay up"), "{said}");
    let file = hub.folder().path().join("patchbay.toml");
    change(&file, "unsigned = true", "unsigned = false");
    let (code, said) = refused(&hub, folder.to_str().expect("text"));
    assert!(code == Some(4) && said.contains("unsigned = true"), "{said}");
}
