//! Quarantine: a version that fails again and again is left alone where it does, visibly, and for no longer than needed.

use std::time::Duration;

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::files::unique;
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::wait::until;
use serde_json::{Value, json};

fn settings(wait_seconds: u32) -> Settings {
    let quarantine = format!("failures = 3\nwithin_seconds = 600\nfirst_wait_seconds = {wait_seconds}\nlongest_wait_seconds = 3600\n");
    Settings { quarantine, alerts: "look_seconds = 1\n".to_owned(), ..Settings::default() }
}

fn message() -> Value {
    json!({ "id": format!("q-{}", unique()), "text": "all is well" })
}

async fn works(connection: &Connection) {
    let answer = connection.post(&message()).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "kept"));
}

/// Makes it trap three times more than it succeeds.
async fn fail(bad: &Connection) {
    for _ in 0..3 {
        assert_eq!(bad.post_to("/panic", &Value::Null).await.status, 500);
    }
}

async fn shown(hub: &Hub, bad: &Connection) -> Value {
    until("the quarantine is shown", async || {
        let shown = hub.api().get(&format!("/connections/{}", bad.id)).await;
        shown["quarantine"].is_object().then(|| shown["quarantine"].clone())
    })
    .await
}

#[tokio::test]
async fn a_version_that_traps_again_and_again_is_left_alone_where_it_does_and_nobody_else_notices() {
    for engine in Engine::each() {
        let hub = Hub::start_with(engine, &settings(3600)).await;
        let (bad, good) = (hub.connect("misbehaving", json!({})).await, hub.connect("misbehaving", json!({})).await);
        let other = hub.connect("relay", json!({ "base_url": "http://127.0.0.1:9", "api_key": bodies::API_KEY })).await;
        // As many that succeed make up for as many that trap.
        for _ in 0..4 {
            works(&bad).await;
            assert_eq!(bad.post_to("/panic", &Value::Null).await.status, 500);
        }
        works(&bad).await;
        fail(&bad).await;
        let kept = message();
        let answer = bad.post(&kept).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.header("retry-after").is_some_and(|it| it.parse::<u64>().is_ok_and(|it| it > 3_000)), "{answer:?}");
        works(&good).await;
        assert_eq!(other.post(&json!({ "events": [bodies::message("r-1", "anna", "hello")] })).await.status, 200);

        let quarantine = shown(&hub, &bad).await;
        assert_eq!((quarantine["version"].as_str(), quarantine["rounds"].as_i64()), (Some("0.1.0"), Some(0)));
        assert!(quarantine["reason"].as_str().is_some_and(|it| it.starts_with("connector.trap")), "{quarantine}");
        let text = String::from_utf8(hub.cli(&["connection", "show", &bad.id]).stdout).expect("text");
        assert!(text.contains("misbehaving 0.1.0 until") && text.contains("connector.trap"), "{text}");
        let metrics = hub.api().outside("/metrics").await.expect("the hub answers").text;
        assert!(metrics.contains("patchbay_quarantined{") && metrics.contains("version=\"0.1.0\"} 1"), "{metrics}");
        until("the alert is open", async || {
            let alerts = hub.api().get("/alerts").await;
            alerts["items"].as_array()?.iter().any(|it| it["kind"] == "quarantined").then_some(())
        })
        .await;
        let dead = &bad.deliveries().await[0];
        assert_eq!((dead["outcome"].as_str(), true), (Some("dead"), dead["reason"].to_string().contains("connector.quarantined")));

        // Nobody needs to wait.
        assert_eq!(hub.cli_json(&["connector", "release", "misbehaving"])["connections"], 1);
        until("it is called again", async || (bad.post(&kept).await.status == 200).then_some(())).await;
        let sums = hub.api().sums(&bad.id).await;
        // The panics are tries of one delivery, and so one dead letter.
        assert_eq!(sums["dead"], 1, "what was kept meanwhile is this delivery's duplicate: {sums}");
        assert_eq!(hub.cli_any(&["connector", "release", "misbehaving"], "").status.code(), Some(10));
        works(&good).await;
    }
}

#[tokio::test]
async fn one_call_finds_out_whether_it_does_better_and_a_failure_doubles_the_wait() {
    let hub = Hub::start_with(Engine::Sqlite, &settings(1)).await;
    let bad = hub.connect("misbehaving", json!({})).await;
    fail(&bad).await;
    assert_eq!(bad.post(&message()).await.status, 503);
    // The probe traps: the wait is two seconds from then on.
    until("a probe is let through", async || (bad.post_to("/panic", &Value::Null).await.status == 500).then_some(())).await;
    let quarantine = until("the second round is shown", async || Some(shown(&hub, &bad).await).filter(|it| it["rounds"] == 1)).await;
    assert!(quarantine["until"].as_str() > quarantine["since"].as_str());
    let from = std::time::Instant::now();
    until("a probe ends it", async || (bad.post(&message()).await.status == 200).then_some(())).await;
    assert!(from.elapsed() > Duration::from_millis(500), "{:?}", from.elapsed());
    works(&bad).await;
    until("nothing is shown any more", async || {
        hub.api().get(&format!("/connections/{}", bad.id)).await.get("quarantine").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_restart_does_not_end_it_and_another_version_does() {
    let mut hub = Hub::start_with(Engine::Sqlite, &settings(3600)).await;
    let bad = hub.connect("misbehaving", json!({})).await;
    fail(&bad).await;
    shown(&hub, &bad).await;
    hub.kill();
    hub.serve().await;
    assert_eq!(bad.post(&message()).await.status, 503);
    hub.folder().install("mended", "misbehaving");
    hub.kill();
    hub.serve().await;
    assert_eq!(bad.post(&message()).await.status, 200);
    assert!(hub.api().get(&format!("/connections/{}", bad.id)).await.get("quarantine").is_none());
}
