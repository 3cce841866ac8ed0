//! The store's own ceiling: the same rows, handed to it in full batches without HTTP and without connectors.

use std::sync::Arc;
use std::time::Instant;

use patchbay_host::hub::Hub;
use patchbay_host::reading;
use patchbay_host::rules::ingest::{Intake, Reading, Way};

use crate::world::Database;
use crate::{SPAN, figure, world};

/// Deliveries in one batch.
pub const BATCH: u64 = 256;
/// Every so many-th delivery is somebody new.
pub const NEWCOMERS: u64 = 4;

/// Deliveries a second.
pub fn ceiling(database: &Database) -> f64 {
    world::runtime().block_on(async {
        let folder = world::folder(&format!("ceiling-{}", database.kind));
        let (hub, connection) = world::hub(&database.fresh("ceiling").await, &folder).await;
        let running = hub.registry.running(connection.id).expect("it runs");
        let mut next = 0;
        // The connector's part is done before the clock starts.
        let template = intake(&hub, &running, 0, 0).await;
        let writers = if database.kind == "sqlite" { 1 } else { 2 };
        let started = Instant::now();
        let mut done = 0;
        let mut tasks = tokio::task::JoinSet::new();
        while started.elapsed() < SPAN {
            while tasks.len() < writers {
                let batch: Vec<Intake> = (0..BATCH).map(|at| again(&hub, &template, next + at)).collect();
                next += BATCH;
                let (store, registry) = (hub.store.clone(), Arc::clone(&hub.registry));
                let shard = (next / BATCH).cast_signed() % 2;
                tasks.spawn(async move { store.ingest(&batch, &registry.current().contexts, shard).await.expect("the store takes it") });
            }
            tasks.join_next().await.expect("a batch runs").expect("it ends");
            done += BATCH;
        }
        while tasks.join_next().await.is_some() {
            done += BATCH;
        }
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let rate = done as f64 / started.elapsed().as_secs_f64();
        println!("\n# {}", database.kind);
        figure("store alone, batches of 256", format!("{rate:.0}/s"), "one in four deliveries is a new person with a lead");
        hub.store.close().await;
        rate
    })
}

/// What a batch costs by its size: the price of a commit, and of each delivery in it.
pub fn batches(database: &Database) {
    world::runtime().block_on(async {
        let folder = world::folder(&format!("batches-{}", database.kind));
        let (hub, connection) = world::hub(&database.fresh("batches").await, &folder).await;
        let running = hub.registry.running(connection.id).expect("it runs");
        let template = intake(&hub, &running, 0, 0).await;
        let mut next = 0;
        for size in [1, 4, 16, 64, 256] {
            let (mut spent, mut batches) = (std::time::Duration::ZERO, 0_u32);
            while spent < SPAN / 8 {
                let batch: Vec<Intake> = (0..size).map(|at| again(&hub, &template, next + at)).collect();
                next += size;
                let started = Instant::now();
                hub.store.ingest(&batch, &hub.registry.current().contexts, 0).await.expect("the store takes it");
                spent += started.elapsed();
                batches += 1;
            }
            figure(
                &format!("{}: a batch of {size}", database.kind),
                format!("{:.2} ms", spent.as_secs_f64() * 1e3 / f64::from(batches)),
                "",
            );
        }
        hub.store.close().await;
    });
}

/// A delivery as the connector reads it.
pub async fn intake(hub: &Hub, running: &patchbay_host::registry::Running, update: u64, person: u64) -> Intake {
    let body = world::update(update, person).into_bytes();
    let request = patchbay_host::plugin::Request {
        method: "POST".to_owned(),
        path: String::new(),
        query: String::new(),
        headers: Vec::new(),
        body: body.clone(),
    };
    let read = reading::of(&running.instances, &request).await;
    Intake {
        id: hub.store.ids.next(),
        origin: running.origin.clone(),
        way: Way::Webhook,
        request: Some(reading::kept(&request, &[])),
        body,
        fingerprint: Some(reading::fingerprint(&request)),
        received_at: hub.store.clock.now(),
        reading: read.reading,
        cursor: None,
    }
}

/// The same delivery as another update, of a person who is new every so often.
pub fn again(hub: &Hub, template: &Intake, update: u64) -> Intake {
    let mut intake = Intake { id: hub.store.ids.next(), received_at: hub.store.clock.now(), ..template.clone() };
    intake.fingerprint = Some(format!("{update:032x}"));
    if let Reading::Events(events) = &mut intake.reading {
        for event in events {
            event.key = format!("update:{update}");
            if let Ok(patchbay_schemas::EventBody::Message(it)) = &mut event.body {
                let person = (200_000_000 + update / NEWCOMERS).to_string();
                it.person.identities.iter_mut().for_each(|it| it.value.clone_from(&person));
                it.conversation.iter_mut().for_each(|it| it.key.clone_from(&person));
            }
        }
    }
    intake
}
