//! Vendors' rate limits: kept by the hub, so that the vendor never has to say no.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::{self, API_KEY};
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::vendor::{Answer, Vendor};
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

/// A vendor that takes everything and remembers when.
fn timed() -> (Vendor, Arc<Mutex<Vec<Instant>>>) {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let vendor = Vendor::start(move |asked| {
        seen.lock().unwrap().push(Instant::now());
        Answer::json(&json!({ "remote_id": asked.document["idempotency_key"] }))
    });
    (vendor, times)
}

/// A sink with these rate limits, for which one failure is the end of a row, and which the hub runs as it is.
async fn sink(hub: &Hub, vendor: &Vendor, limits: Value) -> Connection {
    let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
    let path = format!("/connections/{}", sink.id);
    let change = json!({ "delivery": { "tries": 1, "rate_limits": limits } });
    hub.api().ask(reqwest::Method::PATCH, &path, Some(&change)).await.expect(200);
    sink
}

async fn write(source: &Connection, people: std::ops::Range<u32>) {
    for number in people {
        let payload = bodies::message("", &format!("person-{number}"), "hello")["payload"].clone();
        let events = json!({ "events": [{ "id": format!("m-{number}"), "payload": payload }] });
        assert_eq!(source.post_to("/event", &events).await.status, 200);
    }
}

#[tokio::test]
async fn a_bucket_is_never_overfilled_also_by_two_hubs_on_one_database() {
    for engine in Engine::each() {
        let (vendor, times) = timed();
        let mut hub = Hub::start(engine).await;
        let sink = sink(&hub, &vendor, json!([{ "kind": "bucket", "requests": 5, "burst": 3 }])).await;
        // From the start on, so that no request goes out under the manifest's own limits.
        hub.kill();
        hub.serve().await;
        let second = if engine == Engine::Postgres { Some(hub.beside().await) } else { None };
        let source = hub.connect("misbehaving", json!({})).await;
        write(&source, 0..10).await;
        hub.api().until_delivered().await;
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!([&sums["delivered"], &sums["outbox_dead"]], [20, 0], "{sums}");
        let times = times.lock().unwrap().clone();
        for (first, from) in times.iter().enumerate() {
            for (count, to) in times[first..].iter().enumerate() {
                // A request may be late on its way, and the next one not.
                let window = to.duration_since(*from) + Duration::from_millis(250);
                let allowed = 3.0 + window.as_secs_f64() * 5.0;
                assert!(f64::from(u32::try_from(count).unwrap()) < allowed, "{} requests in {window:?}", count + 1);
            }
        }
        drop(second);
    }
}

#[tokio::test]
async fn a_days_quota_outlives_a_kill_and_what_is_over_it_waits_for_the_next_day() {
    for engine in Engine::each() {
        let (vendor, _) = timed();
        let mut hub = Hub::start(engine).await;
        let sink = sink(&hub, &vendor, json!([{ "kind": "day", "requests": 3 }])).await;
        hub.kill();
        hub.serve().await;
        let source = hub.connect("misbehaving", json!({})).await;
        write(&source, 0..4).await;
        let path = format!("/connections/{}", sink.id);
        let held = async || {
            until("it waits for tomorrow", async || hub.api().get(&path).await["hold"]["reason"].as_str().map(str::to_owned)).await
        };
        let reason = held().await;
        assert!(reason.starts_with("http.rate_limited") && reason.contains("3/day"), "{reason}");
        assert_eq!(vendor.commands().len(), 3);
        until_equal("all that was sent is written down", json!(3), async || hub.api().sums(&sink.id).await["delivered"].clone()).await;
        hub.kill();
        hub.serve().await;
        hub.api().post(&format!("{path}/resume"), &Value::Null).await.expect(200);
        let held = async || hub.api().get(&path).await["hold"]["reason"].as_str().map(str::to_owned);
        until("it waits again", held).await;
        assert_eq!(vendor.commands().len(), 3, "what the vendor counts is not forgotten");
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!([&sums["pending"], &sums["outbox_dead"]], [5, 0], "{sums}");
    }
}
