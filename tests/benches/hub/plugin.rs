//! A call of a connector: on a reused instance, on a new one, and the same mapping natively.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use patchbay_host::clock::Clock;
use patchbay_host::pace::Pace;
use patchbay_host::plugin::outbound::Outbound;
use patchbay_host::plugin::state::StateKeeper;
use patchbay_host::plugin::{Artifact, CompileCache, Connector, Header, Instances, Randomness, Request, Runtime, Surroundings};
use patchbay_host::secrets::MasterKey;
use patchbay_sdk::{events, json};
use serde_json::{Value, json};

use crate::{figure, world};

const ROUNDS: usize = 3_000;

/// Bytes of the larger webhook.
const LARGE: usize = 4 << 10;
/// The connector whose compilation is measured: about 100 kB, as those that authors ship.
const AVERAGE: &str = "unsound";

/// Measures and prints.
pub fn measure() {
    world::runtime().block_on(async {
        let folder = world::folder("plugin");
        let cache = CompileCache::new(folder, MasterKey::random().cache_key());
        let runtime = Runtime::new(cache.clone()).expect("the engine starts");
        let artifact = artifact("telegram");
        let size = artifact.wasm.len();
        let connector = Arc::new(runtime.load(artifact.clone()).await.expect("it loads"));
        let instances = instances(&connector, json!({ "mode": "webhook" }));
        println!("\n# a connector's call: telegram, one message ({size} bytes of wasm)");
        for (what, body) in [("1.4 KB", 0), ("4 KiB", LARGE)] {
            let times = calls(&instances, body).await;
            let native = native(body);
            println!("\n## a webhook of {what} that becomes one event");
            figure("the same natively", micros(native), "configuration and body read, mapped, event written");
            figure("instance reused", micros(times.reused), format!("{:.2} x native (target <= 1.7)", ratio(times.reused, native)));
            figure("new instance", micros(times.fresh), format!("{:.2} x native (target <= 6)", ratio(times.fresh, native)));
            figure("there and back, refused at once", micros(times.empty), "target <= 4 µs for a no-op");
        }
        let measuring = Runtime::measuring(cache.clone()).expect("the engine starts");
        let measured = Arc::new(measuring.load(artifact).await.expect("it loads"));
        let measured = self::instances(&measured, json!({ "mode": "webhook" }));
        measured.webhook(&request(sized(1, LARGE))).await.expect("the call works");
        let usage = measured.usage().expect("this engine measures");
        println!();
        figure("memory of an instance", format!("{} KiB", usage.memory >> 10), "linear memory after the webhook of 4 KiB");
        figure("instructions of that call", usage.fuel, "the same on every machine");

        let artifact = self::artifact(AVERAGE);
        println!("\n# compilation of a connector of {} kB", artifact.wasm.len() / 1_000);
        for (what, target) in [("cold", ""), ("from the cache", "")] {
            let started = Instant::now();
            runtime.load(artifact.clone()).await.expect("it loads");
            figure(what, format!("{:.2} ms", started.elapsed().as_secs_f64() * 1e3), target);
        }
    });
}

fn artifact(name: &str) -> Artifact {
    let wasm = std::fs::read(world::connectors().join(format!("{name}.wasm"))).expect("the connector is there");
    Artifact::read(wasm).expect("it is a connector")
}

/// Medians, nanoseconds.
struct Times {
    reused: u128,
    fresh: u128,
    empty: u128,
}

async fn calls(instances: &Instances, bytes: usize) -> Times {
    let (mut reused, mut fresh, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    // Taken in turns, so that whatever else the machine does meets all of them.
    for round in 0..ROUNDS {
        let request = request(sized(round as u64, bytes));
        let started = Instant::now();
        instances.webhook(&request).await.expect("the call works");
        reused.push(started.elapsed().as_nanos());
        let nothing = self::request("[]".to_owned());
        let started = Instant::now();
        // Refused at once: what is left is the way there and back.
        let _ = instances.webhook(&nothing).await;
        empty.push(started.elapsed().as_nanos());
        if round % 4 == 0 {
            instances.retire_all();
            let started = Instant::now();
            instances.webhook(&request).await.expect("the call works");
            fresh.push(started.elapsed().as_nanos());
        }
    }
    Times { reused: middle(reused), fresh: middle(fresh), empty: middle(empty) }
}

/// An update of at least so many bytes: what is missing is said in the message.
fn sized(round: u64, bytes: usize) -> String {
    let update = world::update(round, 1);
    let missing = bytes.saturating_sub(update.len());
    let text = "\"text\": \"";
    assert!(update.contains(text), "the template has a text");
    update.replacen(text, &format!("{text}{}", "word ".repeat(missing.div_ceil(5))), 1)
}

/// The instances of a connection with this configuration, and no network.
pub fn instances(connector: &Arc<Connector>, config: Value) -> Instances {
    let surroundings = Surroundings {
        connection: "cxn_bench".to_owned(),
        manifest: Arc::clone(&connector.manifest),
        config_text: config.to_string(),
        config,
        secrets: BTreeMap::new(),
        uses: Arc::default(),
        tokens: None,
        outbound: Outbound::Closed,
        pace: Pace::default(),
        state: StateKeeper::in_memory(),
        clock: Clock::System,
        random: Randomness::System,
        journal: Arc::default(),
    };
    Instances::new(Arc::clone(connector), Arc::new(surroundings))
}

/// A delivery with this JSON body.
pub fn request(body: String) -> Request {
    let headers = vec![Header { name: "content-type".to_owned(), value: "application/json".to_owned() }];
    Request { method: "POST".to_owned(), path: String::new(), query: String::new(), headers, body: body.into_bytes() }
}

/// What the guest does, by the same code without a sandbox: it reads the body, maps, and writes the event.
fn native(bytes: usize) -> u128 {
    let config = json!({ "mode": "webhook" }).to_string();
    let config = json::Node::parse(config.as_bytes()).expect("JSON");
    let config = telegram::config::Config::read(&config).expect("a configuration");
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let body = sized(round as u64, bytes);
        let started = Instant::now();
        let payload = payload(config, body.as_bytes());
        times.push(started.elapsed().as_nanos());
        assert!(payload.contains("direction"));
    }
    middle(times)
}

fn payload(config: telegram::config::Config, body: &[u8]) -> String {
    let update = json::Node::parse(body).expect("JSON");
    let event = telegram::map::event(update, config).expect("an update").expect("of interest");
    events::payload(&event.body)
}

/// The median.
pub fn middle(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(one: u128, other: u128) -> f64 {
    one as f64 / other as f64
}

/// Nanoseconds as people read them.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub fn micros(nanos: u128) -> String {
    format!("{:.1} µs", nanos as f64 / 1e3)
}
