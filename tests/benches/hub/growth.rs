//! The same load with more and more people stored.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use patchbay_host::rules::ingest::Intake;

use crate::process::Beside;
use crate::store::{BATCH, NEWCOMERS};
use crate::world::Database;
use crate::{SPAN, figure, load, store, world};

/// People stored before each measurement.
const PEOPLE: [u64; 3] = [0, 100_000, 1_000_000];

/// Measures with each number of people.
pub fn measure(database: &Database) {
    world::runtime().block_on(async {
        let folder = world::folder(&format!("growth-{}", database.kind));
        let url = database.fresh("growth").await;
        let (hub, connection) = world::hub(&url, &folder).await;
        let running = hub.registry.running(connection.id).expect("it runs");
        // Far from the updates that the load posts.
        let mut filled = 1_000_000_000 / NEWCOMERS;
        let start = filled;
        let template = store::intake(&hub, &running, 0, 0).await;
        let mut none = 0.0;
        let mut posted = 0;
        for people in PEOPLE {
            while filled - start < people {
                // One delivery each: a person, a lead, a conversation, a message.
                let batch: Vec<Intake> = (0..BATCH).map(|at| store::again(&hub, &template, (filled + at) * NEWCOMERS)).collect();
                filled += BATCH;
                hub.store.ingest(&batch, &hub.registry.current().contexts, 0).await.expect("the store takes it");
            }
            let beside = Beside::start(&url, &folder).await;
            let next = Arc::new(AtomicU64::new(posted));
            let run = load::post(beside.port, &connection.id.to_string(), 32, SPAN, None, &next).await;
            posted = next.load(std::sync::atomic::Ordering::Relaxed);
            if people == 0 {
                none = run.rate;
            }
            let share = format!("{:.0} % of none (target >= 80); p99 {:.1} ms", run.rate / none * 100.0, run.percentile(0.99));
            figure(&format!("{}: webhooks with {people} contacts stored", database.kind), format!("{:.0}/s", run.rate), share);
        }
        hub.store.close().await;
    });
}
