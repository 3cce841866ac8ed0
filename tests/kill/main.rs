//! kill -9 under load, round after round: whatever got a 2xx is there once, and the CRM has every lead and every note once.
//!
//! ```text
//! 16 vendors' clients ─ telegram and forms, again until 2xx ─► hubs (killed and started again) ─► fake Odoo (slow, failing, losing answers)
//! ```
//! `PATCHBAY_KILL_SEED` plays a run's choices again (not its timing), `PATCHBAY_KILL_ROUNDS` makes it shorter or longer. `steps`: killed at each
//! named step; `database`: it is PostgreSQL that goes away; `disk`: the disk is full; `clock`: it is put back and forward; `real_odoo`: a real
//! Odoo is stopped and started.

mod chance;
mod client;
mod clock;
mod database;
mod disk;
mod real_odoo;
mod steps;

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::{self, FakeOdoo, Misbehave};
use patchbay_tests::hub::{Hub, Settings};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use chance::Chance;
use client::{Client, Done};

/// Vendors' clients that post at the same time.
const CLIENTS: u32 = 16;
/// Kills, unless `PATCHBAY_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 20;
/// Kills of one of two hubs, unless it says otherwise.
const ROUNDS_OF_TWO: u64 = 5;

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_hub_is_killed_under_load_on_sqlite() {
    run(Engine::Sqlite, 1, ROUNDS).await;
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_hub_is_killed_under_load_on_postgresql() {
    run(Engine::Postgres, 1, ROUNDS).await;
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_one_of_two_hubs_is_killed_under_load() {
    // SQLite is one hub's own.
    run(Engine::Postgres, 2, ROUNDS_OF_TWO).await;
}

async fn run(engine: Engine, hubs: usize, rounds: u64) {
    let seed = number("PATCHBAY_KILL_SEED").unwrap_or_else(Chance::anything);
    let rounds = number("PATCHBAY_KILL_ROUNDS").unwrap_or(rounds);
    say(&format!("{engine:?}, {hubs} hubs: {rounds} rounds with PATCHBAY_KILL_SEED={seed}"));
    let mut chance = Chance::new(seed);
    let mut world = World::open(engine, &Settings::default()).await;
    while world.hubs.len() < hubs {
        let other = world.hubs[0].beside().await;
        world.hubs.push(other);
    }
    let load = world.load(&mut chance);
    for _ in 0..rounds {
        world.go_on(&mut chance, 400, 1_800).await;
        let killed = usize::try_from(chance.below(hubs as u64)).expect("there are few");
        world.hubs[killed].kill();
        world.hubs[killed].serve().await;
    }
    let repeats = world.end(load, 10 * rounds).await;
    assert!(repeats > 0, "no client ever met a dead hub");
}

/// Hubs with two channels and a CRM.
struct World {
    crm: FakeOdoo,
    hubs: Vec<Hub>,
    sink: Connection,
    form: Connection,
    bot: Connection,
}

/// Clients that post until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Done>,
}

impl World {
    async fn open(engine: Engine, settings: &Settings) -> Self {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start_with(engine, settings).await;
        let sink = hub.connect("odoo", json!({ "base_url": crm.url(), "database": odoo::DATABASE, "api_key": odoo::KEY })).await;
        let form = hub.connect("webform", json!({})).await;
        let webhook = json!({ "token": bodies::BOT_TOKEN, "mode": "webhook", "webhook_secret": bodies::WEBHOOK_SECRET });
        let bot = hub.connect("telegram", webhook).await;
        Self { crm, hubs: vec![hub], sink, form, bot }
    }

    /// Begins to post, in turn to each hub.
    fn load(&self, chance: &mut Chance) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for (number, hub) in (0..CLIENTS).zip(self.hubs.iter().cycle()) {
            let (bot, form) = (self.bot.at(hub.api()), self.form.at(hub.api()));
            clients.spawn(Client::new(number, chance.split(), bot, form).post_until(Arc::clone(&stop)));
        }
        Load { stop, clients }
    }

    /// Lets the load go on for a while, in milliseconds, with a CRM that misbehaves.
    async fn go_on(&self, chance: &mut Chance, least: u64, most: u64) {
        let until = Instant::now() + Duration::from_millis(least + chance.below(most - least));
        while Instant::now() < until {
            self.misbehave(chance);
            tokio::time::sleep(Duration::from_millis(10 + chance.below(60))).await;
        }
    }

    /// The fake Odoo has a bad moment now and then: not more of them than it is asked, or it would be down for good once the hub leaves it alone.
    fn misbehave(&self, chance: &mut Chance) {
        if self.crm.planned() >= 4 {
            return;
        }
        let how = match chance.below(8) {
            0 => Misbehave::LoseAnswer,
            1 => Misbehave::Break,
            2 => Misbehave::Exception("psycopg2.errors.SerializationFailure".to_owned()),
            3 => Misbehave::Slow(Duration::from_millis(50 + chance.below(400))),
            _ => return,
        };
        self.crm.misbehave("*", how);
    }

    /// Ends the load, and proves that all of it, at least so many deliveries, is there once. How often something was sent again.
    async fn end(&self, load: Load, least: u64) -> u32 {
        load.stop.store(true, Ordering::Relaxed);
        let (mut posted, mut repeats) = (HashMap::new(), 0);
        for client in load.clients.join_all().await {
            repeats += client.repeats;
            posted.extend(client.posted.into_iter().map(|it| (it, 0_u32)));
        }
        let hub = &self.hubs[0];
        hub.api().until_delivered().await;
        say(&format!("{} deliveries, {repeats} of them sent again, {} leads", posted.len(), self.crm.store().created()));
        assert!(posted.len() as u64 > least, "that was no load: {} deliveries", posted.len());

        every_delivery_is_there_once(hub, posted).await;
        every_lead_is_in_the_crm_once(hub, &self.crm).await;
        let sums = hub.api().sums(&self.sink.id).await;
        assert_eq!([&sums["outbox_dead"], &sums["pending"]], [0, 0], "{sums}");
        // Dropping a hub has the doctor prove the sums.
        repeats
    }
}

async fn every_delivery_is_there_once(hub: &Hub, mut posted: HashMap<String, u32>) {
    for interaction in hub.api().all("/interactions").await {
        let text = interaction["event"]["payload"]["text"].as_str().unwrap_or_default().to_owned();
        *posted.get_mut(&text).unwrap_or_else(|| panic!("nobody posted `{text}`")) += 1;
    }
    let wrong: Vec<_> = posted.iter().filter(|(_, times)| **times != 1).take(10).collect();
    assert!(wrong.is_empty(), "not there exactly once: {wrong:?}");
}

async fn every_lead_is_in_the_crm_once(hub: &Hub, crm: &FakeOdoo) {
    let (leads, mut history) = (hub.api().all("/leads").await, HashMap::<String, usize>::new());
    for interaction in hub.api().all("/interactions").await {
        *history.entry(interaction["lead"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let store = crm.store();
    assert_eq!(store.created(), leads.len() as u64, "records made");
    assert_eq!(store.all("crm.lead").count(), leads.len(), "records there");
    for lead in &leads {
        let id = lead["id"].as_str().unwrap();
        let record = store.external(&format!("patchbay.{id}")).unwrap_or_else(|| panic!("{id} never reached the CRM"));
        let notes = store.notes(record["id"].as_i64().unwrap());
        let mut bodies: Vec<&Value> = notes.iter().map(|it| &it["body"]).collect();
        bodies.sort_by_key(ToString::to_string);
        bodies.dedup();
        assert_eq!((bodies.len(), notes.len()), (history[id], history[id]), "notes of {id}");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|it| it.parse().unwrap_or_else(|_| panic!("{variable} is no number: {it}")))
}

/// Writes to stderr past the test runner, which shows only what failed.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
