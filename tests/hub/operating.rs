//! Starting, stopping and being looked at.

use std::time::Duration;

use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::vendor::{Answer, Vendor};
use patchbay_tests::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_hub_that_is_asked_to_stop_answers_what_it_took_and_keeps_what_it_answered() {
    for engine in Engine::each() {
        let vendor = Vendor::start(|_| Answer::json(&json!({})).after(Duration::from_millis(700)));
        let mut hub = Hub::start(engine).await;
        let slow = hub.connect("misbehaving", json!({ "base_url": vendor.url() })).await;
        let form = hub.connect("webform", json!({})).await;
        let mut posts = JoinSet::new();
        for number in 0..5 {
            let slow = slow.clone();
            let body = json!({ "endpoint": "vendor", "path": format!("/{number}") });
            posts.spawn(async move { slow.post_to("/call", &body).await.status });
        }
        until("all five are under way", async || (vendor.asked().len() == 5).then_some(())).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "just in time")).await.status, 200);

        hub.ask_to_stop();
        assert_eq!(posts.join_all().await, [200; 5], "{engine:?}");
        assert_eq!(hub.ended().await.code(), Some(0));
        assert!(form.deliver("", &[], "{}").await.is_err(), "nobody listens any more");

        hub.serve().await;
        assert_eq!(slow.deliveries().await.len(), 5);
        assert_eq!(form.deliveries().await.len(), 1);
    }
}

#[tokio::test]
async fn leases_of_a_killed_hub_are_served_again_at_once() {
    for engine in Engine::each() {
        let vendor = Vendor::start(|_| Answer::status(200).after(Duration::from_secs(30)));
        let mut hub = Hub::start_with(engine, &Settings::default()).await;
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": bodies::API_KEY })).await;
        let form = hub.connect("webform", json!({})).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.status, 200);
        until("the sink is asked", async || (!vendor.commands().is_empty()).then_some(())).await;
        hub.kill();
        vendor.now(|_| Answer::json(&json!({ "remote_id": "r" })));
        hub.serve().await;
        hub.api().until_delivered().await;
        let commands = vendor.commands();
        assert_eq!(commands[0]["idempotency_key"], commands[1]["idempotency_key"], "the same command comes again");
        assert_eq!([&commands[0]["payload"]["retried"], &commands[1]["payload"]["retried"]], [false, true], "and says so");
        assert_eq!(hub.api().sums(&sink.id).await["outbox_dead"], 0);
    }
}

#[tokio::test]
async fn the_hub_is_seen_from_outside_without_a_token_and_without_addresses() {
    let hub = Hub::start(Engine::Sqlite).await;
    let form = hub.connect("webform", json!({})).await;
    assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.status, 200);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = hub.api().outside(path).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains(&form.id), "an address is a secret: {path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
    }
    let text = hub.api().outside("/metrics").await.unwrap().text;
    for name in ["patchbay_deliveries_received_total", "patchbay_deliveries_total", "patchbay_receive_seconds", "patchbay_commit_batch"] {
        assert!(text.contains(name), "{name} is missing");
    }
    assert_eq!(hub.api().metric("patchbay_deliveries_received_total").await, 1);
}

#[tokio::test]
async fn the_api_answers_nobody_without_a_token_that_is_valid() {
    let hub = Hub::start(Engine::Sqlite).await;
    let mut stranger = hub.api().clone();
    for token in ["", "pb_guessed", "nonsense"] {
        token.clone_into(&mut stranger.token);
        for path in ["/leads", "/connections", "/dead-letters", "/sums", "/doctor"] {
            let answer = stranger.ask(reqwest::Method::GET, path, None).await;
            assert_eq!(answer.status, 401, "{path} with `{token}`");
        }
    }
    let tokens = hub.cli_json(&["token", "list"]);
    let made = hub.cli_json(&["token", "create", "short-lived"]);
    made["token"].as_str().unwrap().clone_into(&mut stranger.token);
    assert!(stranger.all("/leads").await.is_empty());
    assert_eq!(tokens.as_array().map(Vec::len), Some(1));
    let _ = hub.cli(&["token", "revoke", made["id"].as_str().unwrap()]);
    assert_eq!(stranger.ask(reqwest::Method::GET, "/leads", None).await.status, 401, "revoked at once");
    let shown = hub.cli_json(&["token", "list"]).to_string();
    assert!(!shown.contains(made["token"].as_str().unwrap()), "a token is shown once");
}

#[tokio::test]
async fn lists_come_page_by_page_and_each_item_once() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let events =
            |from: usize| -> Vec<Value> { (from..from + 50).map(|it| json!({ "id": format!("p-{it}"), "text": "hello" })).collect() };
        for from in [0, 50, 100] {
            assert_eq!(source.post_to("/event", &json!({ "events": events(from) })).await.status, 200);
        }
        for list in ["/leads", "/contacts", "/interactions", "/conversations"] {
            let mut seen = std::collections::BTreeSet::new();
            let mut cursor = String::new();
            let mut pages = 0;
            loop {
                let page = hub.api().get(&format!("{list}?limit=40{cursor}")).await;
                for item in page["items"].as_array().unwrap() {
                    assert!(seen.insert(item["id"].as_str().unwrap().to_owned()), "{list}: {} comes twice", item["id"]);
                }
                pages += 1;
                match page["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!((seen.len(), pages), (150, 4), "{list}");
        }
        assert_eq!(hub.api().ask(reqwest::Method::GET, "/leads?limit=0", None).await.status, 400);
        assert_eq!(hub.api().ask(reqwest::Method::GET, "/leads?colour=red", None).await.status, 400);
        assert_eq!(hub.api().ask(reqwest::Method::GET, "/leads/lead_01J0000000000000000000000X", None).await.status, 404);
    }
}
