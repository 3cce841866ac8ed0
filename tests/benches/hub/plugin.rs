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
use serde_json::json;

use crate::{figure, world};

const ROUNDS: usize = 3_000;

/// Measures and prints.
pub fn measure() {
    world::runtime().block_on(async {
        let folder = world::folder("plugin");
        let runtime = Runtime::new(CompileCache::new(folder, MasterKey::random().cache_key())).expect("the engine starts");
        let wasm = std::fs::read(world::connectors().join("telegram.wasm")).expect("the connector is there");
        let size = wasm.len();
        let artifact = Artifact::read(wasm).expect("it is a connector");
        let started = Instant::now();
        let connector = Arc::new(runtime.load(artifact.clone()).await.expect("it loads"));
        let cold = started.elapsed();
        let started = Instant::now();
        runtime.load(artifact).await.expect("it loads");
        let cached = started.elapsed();

        let native = native();
        let instances = instances(&connector);
        let mut reused = Vec::new();
        let mut fresh = Vec::new();
        let mut empty = Vec::new();
        // Taken in turns, so that whatever else the machine does meets all of them.
        for round in 0..ROUNDS {
            let request = request(world::update(round as u64, 1));
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
        let (native, reused, fresh, empty) = (native, middle(reused), middle(fresh), middle(empty));
        println!("\n# a connector's call: telegram, one message of 1.4 KB ({size} bytes of wasm)");
        figure("the same natively", micros(native), "configuration and body read, mapped, event written");
        figure("instance reused", micros(reused), format!("{:.2} x native (target <= 1.7)", ratio(reused, native)));
        figure("new instance", micros(fresh), format!("{:.2} x native (target <= 6)", ratio(fresh, native)));
        figure("there and back, refused at once", micros(empty), "target <= 4 µs for a no-op");
        figure("compile, cold", format!("{:.0} ms", cold.as_secs_f64() * 1e3), "");
        figure("load from the cache", format!("{:.2} ms", cached.as_secs_f64() * 1e3), "");
    });
}

fn instances(connector: &Arc<Connector>) -> Instances {
    let config = json!({ "mode": "webhook" });
    let surroundings = Surroundings {
        connection: "cxn_bench".to_owned(),
        manifest: Arc::clone(&connector.manifest),
        config_text: config.to_string(),
        config,
        secrets: BTreeMap::new(),
        outbound: Outbound::Closed,
        pace: Pace::default(),
        state: StateKeeper::in_memory(),
        clock: Clock::System,
        random: Randomness::System,
    };
    Instances::new(Arc::clone(connector), Arc::new(surroundings))
}

fn request(body: String) -> Request {
    let headers = vec![Header { name: "content-type".to_owned(), value: "application/json".to_owned() }];
    Request { method: "POST".to_owned(), path: String::new(), query: String::new(), headers, body: body.into_bytes() }
}

/// What the guest does, by the same code without a sandbox: it reads the body, maps, and writes the event.
fn native() -> u128 {
    let config = json!({ "mode": "webhook" }).to_string();
    let config = json::Node::parse(config.as_bytes()).expect("JSON");
    let config = telegram::config::Config::read(&config).expect("a configuration");
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let body = world::update(round as u64, 1);
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

fn middle(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(one: u128, other: u128) -> f64 {
    one as f64 / other as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn micros(nanos: u128) -> String {
    format!("{:.1} µs", nanos as f64 / 1e3)
}
