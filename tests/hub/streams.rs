//! Connections that stay open: what comes in is kept before it is acknowledged, and a line that breaks is made anew.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::API_KEY;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::line::FakeLine;
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

/// A hub that is connected to this address.
async fn connected(engine: Engine, url: &str) -> (Hub, Connection) {
    let hub = Hub::start(engine).await;
    let connection = hub.connect("ticker", json!({ "url": url, "token": API_KEY })).await;
    until("the stream stands", async || (stream(&hub, &connection).await["state"] == "connected").then_some(())).await;
    (hub, connection)
}

async fn stream(hub: &Hub, connection: &Connection) -> Value {
    hub.api().get(&format!("/connections/{}", connection.id)).await["stream"].clone()
}

async fn texts(hub: &Hub) -> Vec<String> {
    let mut found: Vec<String> = hub
        .api()
        .all("/interactions")
        .await
        .iter()
        .map(|it| it["event"]["payload"]["text"].as_str().unwrap_or_default().to_owned())
        .collect();
    found.sort();
    found
}

async fn heard(vendor: &FakeLine, what: &str) {
    until(&format!("the vendor heard `{what}`"), async || vendor.heard().iter().any(|it| it == what).then_some(())).await;
}

#[tokio::test]
async fn what_comes_in_is_acknowledged_when_it_is_kept() {
    for engine in Engine::each() {
        for is_web_socket in [false, true] {
            let vendor = FakeLine::start().await;
            let (url, end) = if is_web_socket { (vendor.web_socket(), "") } else { (vendor.lines(), "\r\n") };
            let (hub, connection) = connected(engine, &url).await;
            // The secret is filled in by the host.
            heard(&vendor, &format!("hello {API_KEY}")).await;
            assert_eq!(is_web_socket, vendor.heads().iter().any(|it| it.to_lowercase().contains("x-token")), "{:?}", vendor.heads());
            for it in ["say 1 one", "nothing of interest", "say 2 two", "say 2 two"] {
                vendor.say(&format!("{it}{end}"));
            }
            heard(&vendor, "ack 2").await;
            assert_eq!(texts(&hub).await, ["one", "two"]);
            let kept = connection.deliveries().await;
            assert!(kept.iter().all(|it| it["origin"] == "stream"), "{kept:?}");

            // Nothing is acknowledged while nothing can be kept, and nothing is lost.
            let standstill = hub.standstill().await;
            vendor.say(&format!("say 3 three{end}"));
            let beats = vendor.beats();
            until("the heart beats meanwhile", async || (vendor.beats() > beats + 3).then_some(())).await;
            assert!(!vendor.heard().iter().any(|it| it == "ack 3"));
            standstill.end().await;
            heard(&vendor, "ack 3").await;
            assert_eq!(texts(&hub).await, ["one", "three", "two"]);
            let shown = stream(&hub, &connection).await;
            assert_eq!((&shown["state"], &shown["reconnects"]), (&json!("connected"), &json!(0)), "{shown}");
            assert!(hub.api().metric("patchbay_stream_frames_total").await >= 5);
        }
    }
}

#[tokio::test]
async fn a_line_that_breaks_is_silent_or_brings_too_much_is_made_anew() {
    for is_web_socket in [false, true] {
        let vendor = FakeLine::start().await;
        let (url, end) = if is_web_socket { (vendor.web_socket(), "") } else { (vendor.lines(), "\n") };
        let (hub, connection) = connected(Engine::Sqlite, &url).await;
        let again = async |after: usize, what: &str| {
            until(what, async || (vendor.connections() > after).then_some(())).await;
            until("the stream stands again", async || (stream(&hub, &connection).await["state"] == "connected").then_some(())).await;
        };
        let before = vendor.connections();
        vendor.hang_up();
        again(before, "it connects when the line broke").await;

        let before = vendor.connections();
        vendor.say(&format!("say 1 {}{end}", "x".repeat(4096)));
        again(before, "it connects when a frame is too long").await;
        assert!(hub.log().contains("stream.frame_too_long"), "{}", hub.log());
        // As long as it may be.
        vendor.say(&format!("say 2 {}{end}", "x".repeat(4090)));
        heard(&vendor, "ack 2").await;

        let before = vendor.connections();
        vendor.play_dead(true);
        until("it connects when nothing comes", async || (vendor.connections() > before).then_some(())).await;
        assert!(hub.log().contains("stream.silent"), "{}", hub.log());
        vendor.play_dead(false);
        again(before, "it stands").await;
        vendor.say(&format!("say 3 three{end}"));
        heard(&vendor, "ack 3").await;
        assert!(stream(&hub, &connection).await["reconnects"].as_i64() >= Some(3));
    }
}

#[tokio::test]
async fn a_bad_frame_becomes_a_dead_letter_and_takes_no_other_along() {
    let vendor = FakeLine::start().await;
    let (hub, connection) = connected(Engine::Sqlite, &vendor.lines()).await;
    let before = vendor.connections();
    vendor.say("say 1 one\nnever\nsay 2 two\ntrap\nsay 3 three\n");
    heard(&vendor, "ack 3").await;
    assert_eq!(texts(&hub).await, ["one", "three", "two"]);
    let sums = hub.api().sums(&connection.id).await;
    assert_eq!((&sums["refused"], &sums["dead"]), (&json!(1), &json!(1)), "{sums}");
    assert_eq!(vendor.connections(), before, "the stream goes on");

    // It can be tried again, as any other.
    let dead = hub.api().all("/dead-letters").await;
    let trapped = dead.iter().find(|it| it["reason"].as_str().is_some_and(|it| it.contains("connector.trap"))).expect("it is kept");
    let redriven = hub.api().post(&format!("/dead-letters/{}/redrive", trapped["id"].as_str().unwrap()), &Value::Null).await.expect(200);
    assert_eq!(redriven["now"], "dead", "{redriven}");

    // `later` connects anew, and keeps what it could not take.
    vendor.say("later\n");
    until("it connects anew", async || (vendor.connections() > before).then_some(())).await;
    until_equal("it is kept", json!(2), async || hub.api().sums(&connection.id).await["refused"].clone()).await;
}

#[tokio::test]
async fn a_refused_credential_stops_the_stream_until_it_is_renewed() {
    let vendor = FakeLine::start().await;
    let (hub, connection) = connected(Engine::Sqlite, &vendor.web_socket()).await;
    let path = format!("/connections/{}", connection.id);
    let state = async || hub.api().get(&path).await["state"].clone();
    vendor.say("renew");
    until_equal("the connector says so", json!("broken"), state).await;
    vendor.refuse(Some(401));
    hub.api().post(&format!("{path}/resume"), &Value::Null).await.expect(200);
    until("the vendor refuses the handshake", async || {
        let shown = hub.api().get(&path).await;
        (shown["state"] == "broken" && shown["reason"].as_str()?.contains("stream.refused")).then_some(())
    })
    .await;
    vendor.refuse(None);
    hub.api().post(&format!("{path}/resume"), &Value::Null).await.expect(200);
    until("it stands again", async || (stream(&hub, &connection).await["state"] == "connected").then_some(())).await;
}

#[tokio::test]
async fn a_hub_that_ends_commits_what_came_in() {
    let vendor = FakeLine::start().await;
    let (mut hub, _) = connected(Engine::Sqlite, &vendor.lines()).await;
    let lines: Vec<String> = (0..300).map(|it| format!("say {it} text {it}\n")).collect();
    vendor.say(&lines.concat());
    heard(&vendor, "ack 0").await;
    hub.ask_to_stop();
    assert!(hub.ended().await.success());
    let acknowledged: Vec<String> = vendor.heard().iter().filter_map(|it| it.strip_prefix("ack ").map(str::to_owned)).collect();
    hub.serve().await;
    let kept = texts(&hub).await;
    for id in acknowledged {
        assert!(kept.contains(&format!("text {id}")), "{id} was acknowledged");
    }
}

#[tokio::test]
async fn of_two_hubs_on_one_database_one_holds_the_stream_and_the_other_goes_on_when_it_dies() {
    // SQLite is one hub's own.
    for engine in Engine::each().into_iter().filter(|it| *it == Engine::Postgres) {
        let vendor = FakeLine::start().await;
        let (mut first, connection) = connected(engine, &vendor.lines()).await;
        let second = first.beside().await;
        vendor.say("say 1 one\n");
        heard(&vendor, "ack 1").await;
        assert_eq!(vendor.connections(), 1, "one hub holds it");
        first.kill();
        until("the other hub connects", async || (vendor.connections() == 2).then_some(())).await;
        until("its stream stands", async || (stream(&second, &connection).await["state"] == "connected").then_some(())).await;
        vendor.say("say 2 two\n");
        heard(&vendor, "ack 2").await;
        assert_eq!(texts(&second).await, ["one", "two"]);
    }
}
