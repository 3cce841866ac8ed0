//! The outbox: how fast what waits goes out, how soon what comes in, what a dead sink costs the others, and what a million rows cost.
//!
//! Each sink is the connector `relay` against a local server that answers at once, so what is measured is the hub and its sandbox. A new
//! person is two commands for each sink: the lead, and the message in its history. `PATCHBAY_BENCH_DIVIDE=1000` does the same with a thousandth
//! of the rows, to see that it works.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use patchbay_host::hub::Hub;
use patchbay_host::operations::NewConnection;
use patchbay_tests::files;
use serde_json::json;

use crate::load::Client;
use crate::process::Beside;
use crate::sink::Sinks;
use crate::store::{BATCH, NEWCOMERS};
use crate::world::Database;
use crate::{SPAN, figure, store, world};

/// Commands for one sink.
const COMMANDS: u64 = 20_000;
/// Sinks of which one may be dead, the dead one included.
const SINKS: usize = 50;
/// Commands for each of them.
const COMMANDS_EACH: u64 = 400;
/// Commands that wait.
const WAITING: u64 = 1_000_000;
/// People who write, one after the other, to a hub at rest.
const WRITERS: u64 = 200;
/// How long the hub rests between two of them.
const REST: Duration = Duration::from_millis(30);
/// Lanes that the wide relay serves at once; the other one serves four.
const WIDE: u32 = 32;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// All of it on one database.
pub fn measure(database: &Database) {
    world::runtime().block_on(async {
        let few = full(database, "outbox", "relay").await;
        let many = full(database, "outbox-wide", "relay_wide").await;
        figure(
            &format!("{}: commands to one sink, 4 lanes at once", database.kind),
            format!("{:.0}/s", few.0),
            format!("{:.2} ms CPU each", few.1),
        );
        figure(&format!("  {WIDE} lanes at once"), format!("{:.0}/s", many.0), format!("{:.2} ms CPU each", many.1));
        rest(database).await;
        let (alone, beside) = (others(database, "outbox-alive", false).await, others(database, "outbox-dead", true).await);
        figure(
            &format!("  {} sinks beside a dead one", SINKS - 1),
            format!("{beside:.0}/s"),
            format!("{:.0} % of {alone:.0}/s without it (target >= 95)", beside / alone * 100.0),
        );
        backlog(database, few.0).await;
    });
}

/// Commands a second while all of them wait, and the server's processor time for each, milliseconds.
async fn full(database: &Database, name: &str, connector: &str) -> (f64, f64) {
    let sinks = Sinks::start(1).await;
    let commands = divided(COMMANDS);
    let place = Place::fill(database, name, connector, &[sinks.url(0)], commands).await;
    let hub = place.start().await;
    let (begun, cpu, first) = (Instant::now(), hub.cpu(), sinks.count());
    let done = sinks.wait(commands, PATIENCE).await;
    assert_eq!(done, commands, "all of them arrive, each once");
    (rate(done - first, begun), (hub.cpu() - cpu) * 1e3 / float(done - first).max(1.0))
}

/// From the commit, right after which the answer to the webhook goes out, to the sink's request.
async fn rest(database: &Database) {
    let mut sinks = Sinks::start(1).await;
    let place = Place::fill(database, "outbox-rest", "relay", &[sinks.url(0)], 2).await;
    let hub = place.start().await;
    sinks.wait(2, PATIENCE).await;
    while sinks.arrivals.try_recv().is_ok() {}
    let mut http = Client::connect(hub.port).await.expect("the hub listens");
    let mut delays = Vec::new();
    for person in 0..divided(WRITERS).max(10) {
        let body = world::update(person, person);
        let head = format!(
            "POST /in/{} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-telegram-bot-api-secret-token: {}\r\ncontent-length: {}\r\n\r\n",
            place.source,
            world::SECRET,
            body.len()
        );
        let status = http.send(&[head.into_bytes(), body.into_bytes()].concat()).await.expect("the hub answers");
        let answered = Instant::now();
        assert_eq!(status, 200);
        let asked = sinks.arrivals.recv().await.expect("the sink is there");
        delays.push(asked.saturating_duration_since(answered).as_secs_f64() * 1e3);
        sinks.arrivals.recv().await.expect("the message follows the lead");
        tokio::time::sleep(REST).await;
    }
    delays.sort_unstable_by(f64::total_cmp);
    let at = |hundredths: usize| delays[(delays.len() * hundredths / 100).min(delays.len() - 1)];
    figure("  from commit to the sink's request, p50 / p99", format!("{:.1} / {:.1} ms", at(50), at(99)), "one after the other, at rest");
}

/// Commands a second to all sinks that live.
async fn others(database: &Database, name: &str, is_one_dead: bool) -> f64 {
    let alive = SINKS - 1;
    let sinks = Sinks::start(alive).await;
    let mut urls: Vec<String> = (0..alive).map(|it| sinks.url(it)).collect();
    // It takes connections and never answers: what costs most.
    let deaf = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    if is_one_dead {
        urls.push(format!("http://{}", deaf.local_addr().expect("a listener has an address")));
    }
    let each = divided(COMMANDS_EACH).max(4);
    let place = Place::fill(database, name, "relay", &urls, each).await;
    let hub = place.start().await;
    let (begun, first) = (Instant::now(), sinks.count());
    let all = each * u64::try_from(alive).expect("few sinks");
    let done = sinks.wait(all, PATIENCE).await;
    assert_eq!(done, all, "all of them arrive, each once");
    drop(hub);
    rate(done - first, begun)
}

/// A start with many rows that wait: memory, time, and how fast they go out.
async fn backlog(database: &Database, usual: f64) {
    let sinks = Sinks::start(1).await;
    let rows = divided(WAITING);
    let place = Place::fill(database, "outbox-backlog", "relay", &[sinks.url(0)], rows).await;
    let hub = place.start().await;
    figure(
        &format!("  start with {rows} rows that wait"),
        format!("{:.0} ms", hub.ready_after.as_secs_f64() * 1e3),
        format!("memory {:.0} MiB", hub.memory().0),
    );
    let (begun, first) = (Instant::now(), sinks.count());
    let done = sinks.wait(rows, SPAN).await;
    let rate = rate(done - first, begun);
    let share = format!("{:.0} % of a short outbox; memory at its highest {:.0} MiB", rate / usual * 100.0, hub.memory().1);
    figure("    commands to the sink then", format!("{rate:.0}/s"), share);
}

/// A database whose outbox is filled, and whose hub does not run yet.
struct Place {
    url: String,
    folder: std::path::PathBuf,
    source: String,
}

impl Place {
    /// `commands` for each sink: half as many people, each with a lead and a message.
    async fn fill(database: &Database, name: &str, connector: &str, sinks: &[String], commands: u64) -> Self {
        let (folder, url) = (world::folder(&format!("{name}-hub-{}", database.kind)), database.fresh(name).await);
        wide(&world::installed(&folder));
        let (hub, source) = world::hub(&url, &folder).await;
        for sink in sinks {
            connect(&hub, connector, sink).await;
        }
        hub.registry.refresh().await.expect("the registry can be read");
        let running = hub.registry.running(source.id).expect("it runs");
        // Far from the updates that are posted.
        let template = store::intake(&hub, &running, 0, 0).await;
        let (mut next, people) = (1_000_000_000 / NEWCOMERS, commands.div_ceil(2));
        let last = next + people;
        while next < last {
            let size = BATCH.min(last - next);
            let batch: Vec<_> = (0..size).map(|at| store::again(&hub, &template, (next + at) * NEWCOMERS)).collect();
            next += size;
            hub.store.ingest(&batch, &hub.registry.current().contexts, 0).await.expect("the store takes it");
        }
        hub.store.close().await;
        Self { url, folder, source: source.id.to_string() }
    }

    async fn start(&self) -> Beside {
        Beside::start(&self.url, &self.folder).await
    }
}

async fn connect(hub: &Hub, connector: &str, url: &str) {
    let config = [("base_url", json!(url)), ("api_key", json!("bench-key-0123456789"))].map(|(name, value)| (name.to_owned(), value));
    let new = NewConnection {
        connector: connector.to_owned(),
        name: url.to_owned(),
        config: config.into_iter().collect(),
        networks: vec!["127.0.0.1".to_owned()],
    };
    hub.create_connection(hub.workspace.id, new).await.expect("the connection can be made");
}

/// Puts the relay that serves more lanes at once beside the other one.
fn wide(connectors: &std::path::Path) {
    let component = std::fs::read(connectors.join("relay.wasm")).expect("the relay is built: `tests/run connectors`");
    let manifest = std::fs::read_to_string(world::workspace().join("tests/connectors/relay/connector.toml")).expect("it has a manifest");
    let manifest =
        manifest.replacen("id = \"relay\"", "id = \"relay_wide\"", 1).replacen("concurrency = 4", &format!("concurrency = {WIDE}"), 1);
    std::fs::write(connectors.join("relay_wide.wasm"), files::with_manifest(&component, &manifest))
        .expect("the build folder can be written");
}

/// As many, or the part that `PATCHBAY_BENCH_DIVIDE` asks for: at least two.
fn divided(count: u64) -> u64 {
    let by = std::env::var("PATCHBAY_BENCH_DIVIDE").map_or(1, |it| it.parse().expect("PATCHBAY_BENCH_DIVIDE is a number"));
    (count / by).max(2)
}

fn rate(commands: u64, begun: Instant) -> f64 {
    float(commands) / begun.elapsed().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn float(count: u64) -> f64 {
    count as f64
}
