//! The sandbox: each limit obeyed and violated. After a violation the connection works as before, and nobody else noticed.

use std::time::{Duration, Instant};

use patchbay_tests::api::{Answer, Connection};
use patchbay_tests::database::Engine;
use patchbay_tests::files::unique;
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::vendor::{self, Vendor};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// A hub with a connection that is about to misbehave, and one of the same connector that is not.
async fn two() -> (Hub, Connection, Connection) {
    let hub = Hub::start(Engine::Sqlite).await;
    let (bad, good) = (hub.connect("misbehaving", json!({})).await, hub.connect("misbehaving", json!({})).await);
    (hub, bad, good)
}

async fn works(connection: &Connection) {
    let answer = connection.post(&json!({ "id": format!("w-{}", unique()), "text": "all is well" })).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "kept"));
}

/// The reason that the hub kept for the last delivery.
async fn reason(connection: &Connection) -> String {
    connection.deliveries().await[0]["reason"].as_str().unwrap_or_default().to_owned()
}

/// Asks for something beyond a limit: a 5xx, the limit's name in the reason, and everything goes on.
async fn violated(bad: &Connection, good: &Connection, path: &str, body: &Value, limit: &str) -> Answer {
    let answer = bad.post_to(path, body).await;
    assert_eq!(answer.status, 500, "{path}: {}", answer.text);
    let reason = reason(bad).await;
    assert!(reason.contains(limit), "{path}: {reason}");
    works(bad).await;
    works(good).await;
    answer
}

async fn obeyed(bad: &Connection, path: &str, body: &Value) -> Value {
    bad.post_to(path, body).await.expect(200)
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_limit_of_processor_time() {
    let (_hub, bad, good) = two().await;
    assert!(obeyed(&bad, "/compute", &json!({ "rounds": 100_000 })).await["sum"].is_number());
    let started = Instant::now();
    violated(&bad, &good, "/loop", &Value::Null, "limits.cpu_ms").await;
    // 300 ms of processor time; the rest is other people's on a busy machine.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn endless_loops_on_one_connection_leave_the_others_their_time() {
    let settings = Settings { quarantine: "failures = 0\n".to_owned(), ..Settings::default() };
    let hub = Hub::start_with(Engine::Sqlite, &settings).await;
    let (bad, good) = (hub.connect("misbehaving", json!({})).await, hub.connect("misbehaving", json!({})).await);
    works(&good).await;
    let mut loops = JoinSet::new();
    for _ in 0..16 {
        let bad = bad.clone();
        loops.spawn(async move { bad.post_to("/loop", &Value::Null).await.status });
    }
    let mut slowest = Duration::ZERO;
    let mut answered = 0;
    while !loops.is_empty() {
        let started = Instant::now();
        works(&good).await;
        slowest = slowest.max(started.elapsed());
        answered += 1;
        while let Some(ended) = loops.try_join_next() {
            assert_eq!(ended.unwrap(), 500);
        }
    }
    // Sixteen loops of 300 ms on two cores take seconds; whoever had to wait behind them would take as long.
    assert!(answered >= 3, "{answered} answers meanwhile");
    assert!(slowest < Duration::from_millis(1_500), "{slowest:?}");
}

#[tokio::test]
async fn a_memory_bomb_ends_at_the_limit_of_memory() {
    let (hub, bad, good) = two().await;
    assert_eq!(obeyed(&bad, "/memory", &json!({ "mib": 8 })).await["held"], 8 << 20);
    let before = hub.peak_memory();
    violated(&bad, &good, "/memory", &json!({ "mib": 1024 }), "limits.memory_mib").await;
    let grown = hub.peak_memory() - before;
    assert!(grown < 64 << 20, "{} MiB", grown >> 20);
}

#[tokio::test]
async fn a_recursion_without_end_traps_at_the_end_of_the_stack() {
    let (_hub, bad, good) = two().await;
    assert_eq!(obeyed(&bad, "/deep", &json!({ "depth": 100 })).await["depth"], 100);
    violated(&bad, &good, "/deep", &json!({}), "connector.trap").await;
}

#[tokio::test]
async fn a_panic_traps_and_says_nothing_of_the_inside_to_the_vendor() {
    let (_hub, bad, good) = two().await;
    let answer = violated(&bad, &good, "/panic", &Value::Null, "connector.trap").await;
    assert!(!answer.text.contains("wasm") && !answer.text.contains("asked"), "{}", answer.text);
}

#[tokio::test]
async fn host_calls_without_end_stop_at_their_limit() {
    let (_hub, bad, good) = two().await;
    assert_eq!(obeyed(&bad, "/host-calls", &json!({ "calls": 90 })).await["calls"], 90);
    violated(&bad, &good, "/host-calls", &json!({ "calls": 1_000_000 }), "limits.host_calls").await;
    // The budget belongs to one call: two calls within it are fine.
    assert_eq!(obeyed(&bad, "/host-calls", &json!({ "calls": 90 })).await["calls"], 90);
}

#[tokio::test]
async fn an_output_over_the_limit_is_no_output() {
    let (_hub, bad, good) = two().await;
    let answer = bad.post_to("/output", &json!({ "bytes": 131_072 })).await;
    assert_eq!((answer.status, answer.text.len()), (200, 131_072));
    violated(&bad, &good, "/output", &json!({ "bytes": 131_073 }), "limits.output_bytes").await;
}

#[tokio::test]
async fn too_many_events_in_one_delivery_are_none() {
    let (hub, bad, good) = two().await;
    // What counts first is the size of all that comes back, so events are few bytes here.
    let events =
        |count: usize| -> Vec<Value> { (0..count).map(|it| json!({ "id": format!("{it}"), "kind": "other", "raw": "{}" })).collect() };
    let short: Vec<Value> = events(1_000);
    assert_eq!(bad.post_to("/event", &json!({ "events": short })).await.status, 200);
    violated(&bad, &good, "/event", &json!({ "events": events(1_001) }), "connector.events").await;
    assert_eq!(hub.api().all("/interactions").await.len(), 2, "only what came in by the way");
}

#[tokio::test]
async fn waiting_for_a_slow_vendor_ends_at_the_limit_of_time() {
    let slow = Vendor::start(|asked| {
        let after = if asked.path == "/slow" { Duration::from_secs(20) } else { Duration::from_millis(50) };
        vendor::Answer::json(&json!({})).after(after)
    });
    let hub = Hub::start(Engine::Sqlite).await;
    let bad = hub.connect("misbehaving", json!({ "base_url": slow.url() })).await;
    let good = hub.connect("misbehaving", json!({})).await;
    assert_eq!(obeyed(&bad, "/call", &json!({ "endpoint": "vendor", "path": "/quick" })).await["status"], 200);
    let started = Instant::now();
    violated(&bad, &good, "/call", &json!({ "endpoint": "vendor", "path": "/slow" }), "took longer than 1500 ms").await;
    assert!(started.elapsed() < Duration::from_secs(10));
    // The connector's own time-out is an answer to it, not a violation.
    let answer = obeyed(&bad, "/call", &json!({ "endpoint": "vendor", "path": "/slow", "timeout_ms": 100 })).await;
    assert_eq!(answer["failure"]["code"], "http.timeout", "{answer}");
}

#[tokio::test]
async fn events_that_are_no_events_are_set_aside_one_by_one() {
    let (hub, bad, good) = two().await;
    let post = async |event: Value| bad.post_to("/event", &json!({ "events": [event] })).await.status;
    for (event, place) in [
        (json!({ "id": "1", "raw": "{\"direction\": " }), "/payload: it is not JSON"),
        (json!({ "id": "2", "raw": "[]" }), "/payload"),
        (json!({ "id": "3", "payload": { "direction": "in", "message": {}, "person": { "name": "text" } } }), "/payload/person/name"),
        (json!({ "id": "", "text": "no id" }), "/id"),
        (json!({ "id": "x".repeat(513), "text": "long id" }), "/id"),
        (json!({ "id": "4", "kind": "unheard-of", "raw": "7" }), "/payload"),
    ] {
        // The delivery was read, so the vendor need not send it again; the fault is ours to mend.
        let status = post(event.clone()).await;
        assert!(matches!(status, 200 | 500), "{event}: {status}");
        let reason = reason(&bad).await;
        assert!(reason.contains(place), "{event}: {reason}");
    }
    assert!(hub.api().all("/interactions").await.is_empty());
    // A kind that the hub has no word for is kept.
    assert_eq!(post(json!({ "id": "5", "kind": "unheard-of", "raw": "{\"a\": 1}" })).await, 200);
    assert_eq!(bad.deliveries().await[0]["outcome"], "accepted");
    works(&bad).await;
    works(&good).await;
}

#[tokio::test]
async fn an_odd_reply_cannot_break_the_answer_to_the_vendor() {
    let (_hub, bad, _good) = two().await;
    let reply = async |reply: Value| bad.post_to("/reply", &reply).await;

    let answer = reply(json!({ "status": 202, "headers": [["X-Mine", "yes"], ["Content-Type", "text/x"]], "body": "hello" })).await;
    assert_eq!((answer.status, answer.text.as_str(), answer.header("x-mine")), (202, "hello", Some("yes")));
    // Framing is the host's own: a wrong length would cut the answer off or hang the vendor.
    let headers = json!([["Content-Length", "3"], ["Transfer-Encoding", "chunked"], ["Connection", "close"]]);
    let answer = reply(json!({ "headers": headers, "body": "hello" })).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "hello"));
    // Header splitting is no header.
    let answer = reply(json!({ "headers": [["X-A", "b\r\nSet-Cookie: c=d"], ["bad name", "x"]], "body": "hello" })).await;
    assert_eq!((answer.status, answer.text.as_str(), answer.header("set-cookie")), (200, "hello", None));
    for status in [0, 1, 99, 100, 101, 1_000, 65_535] {
        let answer = reply(json!({ "status": status, "body": "hello" })).await;
        assert!((200..600).contains(&answer.status) || answer.status >= 600, "{status} became {}", answer.status);
        assert!(answer.status >= 200, "{status} became {}", answer.status);
    }
}
