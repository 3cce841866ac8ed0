//! The whole path: HTTP → verified → connector → schema → committed → answered.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::process::Beside;
use crate::world::Database;
use crate::{SPAN, figure, load, world};

/// Full load with 32 and with 256 clients.
pub fn measure(database: &Database, ceiling: Option<f64>) {
    world::runtime().block_on(async {
        let (beside, connection) = start(database, "path").await;
        let (idle, _) = beside.memory();
        figure("memory, idle with one connection", format!("{idle:.0} MiB"), "target <= 60 with 10 connectors");
        let next = Arc::new(AtomicU64::new(0));
        load::post(beside.port, &connection, 32, Duration::from_secs(1), None, &next).await;
        for clients in [32, 256] {
            let before = beside.cpu();
            let run = load::post(beside.port, &connection, clients, SPAN, None, &next).await;
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            let cpu = (beside.cpu() - before) * 1e3 / (run.latencies.len() as f64).max(1.0);
            let share = ceiling.map_or_else(String::new, |it| format!("{:.0} % of the store alone (target >= 50)", run.rate / it * 100.0));
            figure(&format!("webhooks, {clients} clients"), format!("{:.0}/s", run.rate), share);
            let (p50, p99, worst) = (run.percentile(0.5), run.percentile(0.99), run.percentile(1.0));
            figure("  p50 / p99 / worst", format!("{p50:.1} / {p99:.1} / {worst:.0} ms"), "target p99 <= 25 with 32 clients, worst <= 250");
            figure("  server CPU each", format!("{cpu:.3} ms"), "target <= 0.12 on SQLite");
            figure("  answers that were no 2xx", run.refused, "");
        }
        let (now, highest) = beside.memory();
        figure("memory, after load / at its highest", format!("{now:.0} / {highest:.0} MiB"), "target <= 200");
    });
}

/// A steady thousand a second.
pub fn pace(database: &Database) {
    world::runtime().block_on(async {
        let (beside, connection) = start(database, "pace").await;
        let next = Arc::new(AtomicU64::new(0));
        load::post(beside.port, &connection, 32, Duration::from_secs(1), Some(1_000), &next).await;
        let run = load::post(beside.port, &connection, 32, SPAN, Some(1_000), &next).await;
        let (p50, p99) = (run.percentile(0.5), run.percentile(0.99));
        figure(&format!("{}: p50 / p99 at {:.0}/s", database.kind, run.rate), format!("{p50:.2} / {p99:.2} ms"), "target p99 <= 5");
    });
}

/// An hour at a steady pace, on all databases at once: whether memory and answers stay as they are. `PATCHBAY_SOAK_MINUTES` makes it shorter
/// or longer.
pub fn soak(databases: &[Database]) {
    let minutes = std::env::var("PATCHBAY_SOAK_MINUTES").map_or(60, |it| it.parse().expect("a number of minutes"));
    std::thread::scope(|scope| databases.iter().for_each(|it| drop(scope.spawn(move || soak_one(it, minutes)))));
}

fn soak_one(database: &Database, minutes: u64) {
    const RATE: u32 = 500;
    const PARTS: u64 = 12;
    world::runtime().block_on(async {
        let (beside, connection) = start(database, "soak").await;
        let next = Arc::new(AtomicU64::new(0));
        for part in 1..=PARTS {
            let run = load::post(beside.port, &connection, 32, Duration::from_secs(minutes * 60 / PARTS), Some(RATE), &next).await;
            let (now, highest) = beside.memory();
            let what = format!("{}: {:.0}/s, memory after {} min", database.kind, run.rate, minutes * part / PARTS);
            let (p50, p99, worst) = (run.percentile(0.5), run.percentile(0.99), run.percentile(1.0));
            let answers =
                format!("highest {highest:.0} MiB; p50 / p99 / worst {p50:.1} / {p99:.1} / {worst:.0} ms, {} no 2xx", run.refused);
            figure(&what, format!("{now:.0} MiB"), answers);
        }
    });
}

/// A hub on a fresh database with one Telegram connection.
pub async fn start(database: &Database, name: &str) -> (Beside, String) {
    let folder = world::folder(&format!("{name}-{}", database.kind));
    let url = database.fresh(name).await;
    let (hub, connection) = world::hub(&url, &folder).await;
    hub.store.close().await;
    (Beside::start(&url, &folder).await, connection.id.to_string())
}
