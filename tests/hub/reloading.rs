//! Another version of a connector in a hub that runs: it is tried in shadow, takes over without a restart, and no delivery is lost or read twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use patchbay_tests::api::Connection;
use patchbay_tests::database::Engine;
use patchbay_tests::files;
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Posts messages until it is told to stop: how many were answered with 2xx. Any other answer fails the test.
async fn post(source: Connection, name: usize, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> usize {
    let mut posted = 0;
    while !stop.load(Ordering::Relaxed) {
        let answer = source.post(&json!({ "id": format!("r-{name}-{posted}"), "text": "while it is exchanged" })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        posted += 1;
        answered.fetch_add(1, Ordering::Relaxed);
    }
    posted
}

/// The path on which the first version traps and the next one does not.
async fn traps(source: &Connection) -> bool {
    source.post_to("/panic", &json!({ "id": "p", "text": "which version is it?" })).await.status == 500
}

#[tokio::test]
async fn a_version_takes_over_under_load_and_goes_back_without_a_lost_or_doubled_event() {
    let hub = Hub::start(Engine::Sqlite).await;
    let source = hub.connect("misbehaving", json!({})).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut senders = JoinSet::new();
    for name in 0..4 {
        senders.spawn(post(source.clone(), name, Arc::clone(&stop), Arc::clone(&answered)));
    }
    let more = async || {
        let before = answered.load(Ordering::Relaxed);
        until("deliveries go on", async || (answered.load(Ordering::Relaxed) > before + 40).then_some(())).await;
    };
    more().await;
    let next = files::connector("mended");
    let upgrade = ["connector", "upgrade", next.to_str().expect("its path is text"), "--yes", "--accept-loss", "--json"];
    let upgraded: Value = serde_json::from_slice(&hub.cli(&upgrade).stdout).expect("JSON");
    assert!(upgraded["change"]["shadows"][0]["deliveries"].as_u64() > Some(40), "{upgraded}");
    until("the next version takes over", async || (!traps(&source).await).then_some(())).await;
    more().await;
    // Back again, with one command: whoever gives it does not ask whether the former version reads what the next one read.
    drop(hub.cli(&["connector", "rollback", "misbehaving"]));
    until("the former version is back", async || traps(&source).await.then_some(())).await;
    more().await;
    stop.store(true, Ordering::Relaxed);
    let mut posted = 0;
    while let Some(ended) = senders.join_next().await {
        posted += ended.expect("a sender saw nothing but 2xx");
    }
    let interactions = hub.api().all("/interactions").await;
    let found =
        interactions.iter().filter(|it| it["event"]["payload"]["text"].as_str().is_some_and(|it| it.contains("while it is exchanged")));
    assert_eq!(found.count(), posted);
}

#[tokio::test]
async fn a_version_that_does_not_compile_changes_nothing() {
    let hub = Hub::start(Engine::Sqlite).await;
    let source = hub.connect("misbehaving", json!({})).await;
    std::fs::write(hub.folder().path().join("connectors/misbehaving.wasm"), b"\0asm, but not really").expect("the folder can be written");
    until("it is told", async || hub.log().contains("cannot be taken: the former one goes on").then_some(())).await;
    assert_eq!(source.post(&json!({ "id": "1", "text": "as before" })).await.text, "kept");
    hub.folder().install("mended", "misbehaving");
    until("a sound one is taken", async || (source.post_to("/panic", &Value::Null).await.status == 200).then_some(())).await;
}

/// A connector's `.wasm` with another version in its manifest.
fn renamed(hub: &Hub, version: &str) -> String {
    let manifest =
        include_str!("../connectors/misbehaving/connector.toml").replacen("version = \"0.1.0\"", &format!("version = \"{version}\""), 1);
    let bytes = std::fs::read(files::connector("misbehaving")).expect("the connector is built");
    let path = hub.folder().path().join(format!("{version}.wasm"));
    std::fs::write(&path, files::with_manifest(&bytes, &manifest)).expect("the folder can be written");
    path.to_str().expect("its path is text").to_owned()
}

#[tokio::test]
async fn a_file_that_is_exchanged_is_tried_in_shadow_and_turned_away_where_it_traps() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let source = hub.connect("misbehaving", json!({})).await;
        assert_eq!(source.post(&json!({ "id": "1", "text": "read by both" })).await.status, 200);
        assert_eq!(source.post_to("/fail", &json!({ "retry": "never" })).await.status, 422);
        let path = format!("/connections/{}", source.id);
        let first = hub.api().get(&path).await["running"].clone();
        let shadow = async |verdict: &str| {
            let look = async || Some(hub.api().get(&path).await["shadow"].clone()).filter(|it| it["verdict"] == verdict);
            until(&format!("it is {verdict}"), look).await
        };

        hub.folder().install("mended", "misbehaving");
        let taken = shadow("taken").await;
        // Each version calls the event by a key of its own, and the next one reads what the first one refused.
        let numbers = ["deliveries", "same", "new", "changed", "gone", "unreadable", "broken"].map(|it| taken[it].clone());
        assert_eq!(numbers, [2, 0, 2, 0, 1, 0, 0], "{taken}");
        assert!(taken["differences"].as_array().unwrap().iter().all(|it| it["key"].is_null()), "{taken}");
        until("it runs", async || (hub.api().get(&path).await["running"] != first).then_some(())).await;
        assert_eq!(hub.api().all("/interactions").await.len(), 1, "nothing was taken over");
        assert_eq!(source.post_to("/panic", &json!({ "id": "2", "text": "read by one" })).await.status, 200);

        hub.folder().install("misbehaving", "misbehaving");
        let refused = shadow("refused").await;
        assert_eq!((&refused["broken"], &refused["digest"]), (&json!(1), &first["digest"]), "{refused}");
        assert!(refused["reason"].as_str().unwrap().contains("connector.trap"), "{refused}");
        // What it is asked for next, too, goes to the version that went on: also after a change of the connection.
        hub.api().ask(reqwest::Method::PATCH, &path, Some(&json!({ "name": "Another name" }))).await.expect(200);
        until("the change is noticed", async || {
            let shown = hub.api().get(&path).await;
            (shown["name"] == "Another name" && shown["running"] == json!({ "version": taken["version"], "digest": taken["digest"] }))
                .then_some(())
        })
        .await;
        assert_eq!(source.post_to("/panic", &json!({ "id": "3", "text": "still read" })).await.status, 200);
        let shown = String::from_utf8(hub.cli(&["connection", "show", &source.id]).stdout).unwrap();
        assert!(shown.contains("was not taken") && shown.contains("broken"), "{shown}");
        assert!(hub.log().contains("verdict=\"refused\""), "the log tells it too");

        // The version that went on, as a file again: nothing is refused any more.
        hub.folder().install("mended", "misbehaving");
        until("it is forgotten", async || hub.api().get(&path).await["shadow"].is_null().then_some(())).await;
        assert_eq!(hub.api().sums(&source.id).await["dead"], 0);
    }
}

#[tokio::test]
async fn an_upgrade_that_loses_events_needs_more_than_a_yes() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let source = hub.connect("misbehaving", json!({})).await;
        assert_eq!(source.post(&json!({ "id": "1", "text": "read by both" })).await.status, 200);
        let alike = renamed(&hub, "0.2.0");
        let asked = hub.cli_any(&["connector", "upgrade", &alike], "");
        assert_eq!(asked.status.code(), Some(10), "nobody says yes");
        let done = hub.cli_json(&["connector", "upgrade", &alike, "--yes"]);
        let shadow = &done["change"]["shadows"][0];
        assert_eq!((&shadow["connection"], &shadow["same"], &shadow["gone"]), (&json!(source.id), &json!(1), &json!(0)), "{done}");

        let other = files::connector("mended");
        let other = other.to_str().expect("its path is text");
        for arguments in [&["connector", "upgrade", other][..], &["connector", "upgrade", other, "--yes"]] {
            let refused = hub.cli_any(arguments, "");
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(7), "{said}");
            assert!(said.contains("1 gone") && said.contains("--accept-loss"), "{said}");
        }
        assert_eq!(hub.cli_json(&["connector", "inspect", "misbehaving"])["version"], "0.2.0");
        let unseen = hub.cli_json(&["connector", "upgrade", other, "--yes", "--shadow", "0"]);
        assert_eq!(unseen["change"]["shadows"], json!([]));
        drop(hub.cli(&["connector", "rollback", "misbehaving"]));
        assert_eq!(hub.cli_json(&["connector", "inspect", "misbehaving"])["version"], "0.2.0");
    }
}

/// How the connector stands in all that shows it: the digest of what runs, and why another version waits.
async fn standing(hub: &Hub) -> (Value, Option<String>) {
    let shown = hub.api().get("/connectors/misbehaving").await;
    let (inspected, listed) = (hub.cli_json(&["connector", "inspect", "misbehaving"]), hub.cli_json(&["connector", "list"]));
    let listed = listed.as_array().into_iter().flatten().find(|it| it["id"] == "misbehaving").expect("it is installed");
    for it in [&inspected, listed] {
        assert_eq!((&it["sha256"], &it["waiting"]["reason"]), (&shown["digest"], &shown["waiting"]["reason"]), "{it}");
    }
    (shown["digest"].clone(), shown["waiting"]["reason"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_restart_goes_on_with_the_version_that_ran_whatever_lies_in_its_place() {
    for engine in Engine::each() {
        let mut hub = Hub::start(engine).await;
        hub.folder().install("mended", "misbehaving");
        let source = hub.connect("misbehaving", json!({})).await;
        assert_eq!(source.post_to("/panic", &json!({ "id": "1", "text": "read by one" })).await.status, 200);
        let path = format!("/connections/{}", source.id);
        let sound = hub.api().get(&path).await["running"]["digest"].clone();
        assert_eq!(standing(&hub).await, (sound.clone(), None));

        // Refused by a hub that ran.
        hub.folder().install("misbehaving", "misbehaving");
        let refused = async || (hub.api().get(&path).await["shadow"]["verdict"] == "refused").then_some(());
        until("it is refused", refused).await;
        hub.kill();
        hub.serve().await;
        assert_eq!(hub.api().get(&path).await["running"]["digest"], sound);
        assert_eq!(source.post_to("/panic", &json!({ "id": "2", "text": "still read" })).await.status, 200);
        let (running, why) = standing(&hub).await;
        assert!(running == sound && why.is_some_and(|it| it.contains("connector.trap")));

        // Put there while no hub ran: nobody accepted it.
        hub.kill();
        let other = renamed(&hub, "0.3.0");
        std::fs::copy(&other, hub.folder().path().join("connectors/misbehaving.wasm")).expect("the folder can be written");
        let waits = hub.cli_json(&["connector", "inspect", "misbehaving"]);
        assert_eq!((&waits["sha256"], &waits["waiting"]["version"]), (&sound, &json!("0.3.0")));
        assert!(waits["waiting"]["reason"].as_str().is_some_and(|it| it.contains("no hub has tried it")), "{waits}");
        hub.serve().await;
        assert_eq!(source.post_to("/panic", &json!({ "id": "3", "text": "still read" })).await.status, 200);
        let (running, why) = standing(&hub).await;
        assert!(running == sound && why.is_some_and(|it| it.contains("connector.trap")));

        // Whoever saw what it loses may want it all the same, and takes it back.
        drop(hub.cli(&["connector", "upgrade", &other, "--yes", "--accept-loss"]));
        let taken = async || (hub.api().get(&path).await["running"]["version"] == "0.3.0").then_some(());
        until("what was accepted runs", taken).await;
        hub.kill();
        hub.serve().await;
        assert_eq!(hub.api().get(&path).await["running"]["version"], "0.3.0");
        assert_eq!(standing(&hub).await.1, None);
        drop(hub.cli(&["connector", "rollback", "misbehaving"]));
        let back = async || (hub.api().get(&path).await["running"]["digest"] == sound).then_some(());
        until("the sound version is back", back).await;
        assert_eq!(hub.api().all("/interactions").await.len(), 3);
    }
}
