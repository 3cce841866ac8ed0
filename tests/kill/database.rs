//! The database goes away under load, in the middle of a statement, a commit, an answer: whatever got a 2xx is there once, and the CRM has every
//! lead and every note once. The hub is never started anew.
//!
//! ```text
//! vendors' clients ─► hub ─► proxy (cut at a byte, stopped for a while, sessions ended by the server) ─► PostgreSQL
//! ```
//! The proxy's own stop stands for a server that was stopped and started: what the hub sees of it is the same.

use std::time::Duration;

use patchbay_tests::database::{Engine, server_address};
use patchbay_tests::hub::Settings;
use patchbay_tests::proxy::Proxy;
use patchbay_tests::wait::until;

use crate::chance::Chance;
use crate::{World, number, say};

/// Times that the database goes away, unless `PATCHBAY_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 10;

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_postgresql_goes_away_under_load() {
    let seed = number("PATCHBAY_KILL_SEED").unwrap_or_else(Chance::anything);
    let rounds = number("PATCHBAY_KILL_ROUNDS").unwrap_or(ROUNDS);
    say(&format!("PostgreSQL goes away {rounds} times with PATCHBAY_KILL_SEED={seed}"));
    let mut chance = Chance::new(seed);
    let proxy = Proxy::to(&server_address());
    let settings = Settings { database_port: Some(proxy.port()), ..Settings::default() };
    let world = World::open(Engine::Postgres, &settings).await;
    let load = world.load(&mut chance);
    for _ in 0..rounds {
        world.go_on(&mut chance, 100, 800).await;
        match chance.below(4) {
            0 => {
                proxy.stop();
                tokio::time::sleep(Duration::from_millis(chance.below(3_000))).await;
                proxy.go_on();
            }
            1 => world.hubs[0].end_sessions().await,
            _ => {
                let before = proxy.cuts();
                proxy.cut_after(u32::try_from(chance.below(60_000)).expect("it is below"));
                until("enough was said", async || (proxy.cuts() > before).then_some(())).await;
            }
        }
        until("the hub is ready again", async || world.hubs[0].is_ready().await.then_some(())).await;
    }
    world.end(load, rounds).await;
}
