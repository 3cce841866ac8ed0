//! Two hundred connections of twenty connectors, loaded at once.

use std::time::{Duration, Instant};

use patchbay_host::operations::NewConnection;
use patchbay_tests::fake::whatsapp;
use patchbay_tests::files;
use serde_json::{Map, Value, json};

use crate::load::Client;
use crate::process::Beside;
use crate::{figure, world};

/// Connectors that listen and so reach for nobody while the hub starts.
const KINDS: [&str; 3] = ["telegram", "webform", "whatsapp"];
const CONNECTORS: usize = 20;
const CONNECTIONS: usize = 200;

/// From the start of the process to ready, cold and from the compile cache, and what it takes up before and after each connection served
/// a delivery.
pub fn measure() {
    world::runtime().block_on(async {
        let folder = world::folder("many");
        let connectors = folder.join("connectors");
        std::fs::create_dir(&connectors).expect("a new folder");
        let names: Vec<(String, &str)> = (0..CONNECTORS).map(|it| (format!("{}_{it}", KINDS[it % 3]), KINDS[it % 3])).collect();
        for (id, kind) in &names {
            std::fs::write(connectors.join(format!("{id}.wasm")), renamed(kind, id)).expect("a new file");
        }
        let url = format!("sqlite:{}", folder.join("many.db").display());
        let hub = world::open(&url, &folder, &connectors).await;
        let mut posts = Vec::new();
        for number in 0..CONNECTIONS {
            let (id, kind) = &names[number % CONNECTORS];
            let new = NewConnection { connector: id.clone(), name: format!("{id} {number}"), config: config(kind), networks: Vec::new() };
            let made = hub.create_connection(hub.workspace.id, new).await.expect("the connection can be made");
            posts.push((made.id.to_string(), *kind));
        }
        hub.store.close().await;
        drop(hub);
        drop(std::fs::remove_dir_all(folder.join("cache")));
        println!("\n# start, {CONNECTIONS} connections of {CONNECTORS} connectors");
        for (what, patience, beside) in [("cold: all are compiled", 600, ""), ("from the compile cache", 60, "")] {
            let hub = Beside::start_with(&url, &folder, &connectors, Duration::from_secs(patience)).await;
            figure(&format!("start to ready, {what}"), format!("{:.0} ms", hub.ready_after.as_secs_f64() * 1e3), beside);
            let idle = hub.memory().0;
            figure("  memory then", format!("{idle:.0} MiB"), format!("{:.2} MiB for each connection", each(idle)));
            let started = Instant::now();
            let mut http = Client::connect(hub.port).await.expect("the hub listens");
            for (number, (connection, kind)) in posts.iter().enumerate() {
                let status = http.send(&delivery(connection, kind, number)).await.expect("the hub answers");
                assert_eq!(status, 200, "{kind}");
            }
            let took = each(started.elapsed().as_secs_f64() * 1e3);
            figure("  first delivery of each connection", format!("{took:.2} ms"), "one after the other, committed each");
            figure("  memory then", format!("{:.0} MiB", hub.memory().0), "each connection with an instance");
        }
    });
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn each(all: f64) -> f64 {
    all / CONNECTIONS as f64
}

/// A connector under another id: other bytes, so it is compiled for itself.
fn renamed(kind: &str, id: &str) -> Vec<u8> {
    let component = std::fs::read(world::connectors().join(format!("{kind}.wasm"))).expect("the connector is built");
    let manifest =
        std::fs::read_to_string(world::workspace().join("plugins").join(kind).join("connector.toml")).expect("it has a manifest");
    files::with_manifest(&component, &manifest.replacen(&format!("id = \"{kind}\""), &format!("id = \"{id}\""), 1))
}

fn config(kind: &str) -> Map<String, Value> {
    let document = match kind {
        "telegram" => {
            json!({ "mode": "webhook", "token": "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "webhook_secret": world::SECRET })
        }
        "whatsapp" => json!({ "phone_number_id": whatsapp::NUMBER, "token": whatsapp::TOKEN, "app_secret": whatsapp::APP_SECRET,
                              "verify_token": whatsapp::VERIFY_TOKEN }),
        _ => json!({}),
    };
    let Value::Object(config) = document else { unreachable!("it was written as one above") };
    config
}

/// A delivery of its own for each connection.
fn delivery(connection: &str, kind: &str, number: usize) -> Vec<u8> {
    let (body, header) = match kind {
        "telegram" => (world::update(number as u64, number as u64), format!("x-telegram-bot-api-secret-token: {}\r\n", world::SECRET)),
        "whatsapp" => {
            let body = include_str!("../../../plugins/whatsapp/fixtures/text.json").to_owned();
            let header = format!("x-hub-signature-256: {}\r\n", whatsapp::sign(&body));
            (body, header)
        }
        _ => (format!(r#"{{"submission_id":"{number}","name":"Anna","phone":"+7912{number:07}","message":"hello"}}"#), String::new()),
    };
    let head = format!(
        "POST /in/{connection} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{header}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}
