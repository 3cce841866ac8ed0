//! The disk is full: nobody hears a 2xx for what is not kept, the hub says that it is not ready, and goes on by itself when there is room. What the
//! CRM was asked for meanwhile is there once.
//!
//! Once it is a disk that is full, for the database as for the log; where the machine lets nobody mount one, only the other way is left: the
//! hub's files cannot grow any more (`RLIMIT_FSIZE`, set from outside), and a write fails with another number.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::files;
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::wait::until;
use serde_json::Value;

use crate::{World, every_lead_is_in_the_crm_once, say};

/// Times that the disk is full.
const ROUNDS: u32 = 3;
/// The disk, bytes: connectors, log and what is posted find their place on it while it is not filled.
const DISK: u64 = 96 << 20;
/// What there is still room for when it begins, bytes.
const ROOM: u64 = 512 << 10;
/// What a delivery adds, bytes.
const LENGTH: usize = 60_000;
/// Deliveries after which a disk with so little room must be full.
const MANY: u32 = 400;
/// Deliveries that must be turned away each time.
const TURNED_AWAY: usize = 3;

#[tokio::test]
async fn a_full_disk_turns_deliveries_away_and_the_hub_goes_on_when_there_is_room() {
    if !files::has_disks() {
        return say("skipped: no disk can be mounted here");
    }
    let settings = Settings { disk: Some(DISK), ..Settings::default() };
    run(&settings, |hub| hub.folder().fill(ROOM), |hub| hub.folder().empty()).await;
}

#[tokio::test]
async fn files_that_cannot_grow_turn_deliveries_away_and_the_hub_goes_on_when_they_can() {
    run(&Settings::default(), |hub| hub.limit_files(Some(hub.folder().largest_file() + ROOM)), |hub| hub.limit_files(None)).await;
}

async fn run(settings: &Settings, fill: fn(&Hub), empty: fn(&Hub)) {
    let world = World::open(Engine::Sqlite, settings).await;
    let hub = &world.hubs[0];
    let mut posted = 0;
    for round in 1..=ROUNDS {
        fill(hub);
        let mut turned_away = Vec::new();
        // A page may still find its place where a delivery does not.
        while turned_away.len() < TURNED_AWAY
            || says(hub).await != "the database takes no writes: what comes in is turned away until it does"
        {
            assert!(posted < MANY * round, "the disk is never full, or the hub never says so: {} turned away", turned_away.len());
            posted += 1;
            if !post(&world.form, posted).await {
                turned_away.push(posted);
            }
        }
        empty(hub);
        // As vendors do.
        for number in turned_away {
            until("there is room again", async || post(&world.form, number).await.then_some(())).await;
        }
        until("the hub is ready again", async || hub.is_ready().await.then_some(())).await;
    }
    hub.api().until_delivered().await;
    let mut kept: Vec<u32> = hub.api().all("/interactions").await.iter().map(number_of).collect();
    kept.sort_unstable();
    assert_eq!(kept, (1..=posted).collect::<Vec<_>>(), "each is there once");
    every_lead_is_in_the_crm_once(hub, &world.crm).await;
    // Dropping the hub has the doctor prove the sums.
}

/// Posts a large form; whether it was taken. Turned away is with a 5xx, never otherwise.
async fn post(form: &Connection, number: u32) -> bool {
    let text = format!("{number} {}", "x".repeat(LENGTH));
    let answer = form.post(&bodies::form(&format!("f-{number}"), &format!("+7912{number:07}"), &text)).await;
    assert!(answer.is_success() || (500..600).contains(&answer.status), "{}: {}", answer.status, answer.text);
    answer.is_success()
}

fn number_of(interaction: &Value) -> u32 {
    let text = interaction["event"]["payload"]["text"].as_str().expect("it has a text");
    text.split(' ').next().and_then(|it| it.parse().ok()).expect("it begins with its number")
}

/// Why the hub is not ready; empty: it is.
async fn says(hub: &Hub) -> String {
    let answer = hub.api().outside("/readyz").await.expect("the hub answers").json();
    answer["reason"].as_str().unwrap_or_default().to_owned()
}
