//! The machine's clock is put back and forward by days under load, also while the hub is dead: whatever got a 2xx is there once, the CRM has every
//! lead and every note once, and nothing waits for the clock to come round again.

use patchbay_tests::clock::Clock;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Settings;

use crate::chance::Chance;
use crate::{World, number, say};

/// Times that the clock is moved, unless `PATCHBAY_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 6;
/// How far from the machine's own at most, seconds: three days.
const FURTHEST: u64 = 3 * 86_400;

#[tokio::test]
async fn nothing_is_lost_doubled_or_stuck_when_the_clock_is_put_back_and_forward_on_sqlite() {
    run(Engine::Sqlite).await;
}

#[tokio::test]
async fn nothing_is_lost_doubled_or_stuck_when_the_clock_is_put_back_and_forward_on_postgresql() {
    run(Engine::Postgres).await;
}

async fn run(engine: Engine) {
    let seed = number("PATCHBAY_KILL_SEED").unwrap_or_else(Chance::anything);
    let rounds = number("PATCHBAY_KILL_ROUNDS").unwrap_or(ROUNDS);
    say(&format!("{engine:?}: the clock is moved {rounds} times with PATCHBAY_KILL_SEED={seed}"));
    let mut chance = Chance::new(seed);
    let clock = Clock::new();
    let mut world = World::open(engine, &Settings { clock: Some(clock.clone()), ..Settings::default() }).await;
    let load = world.load(&mut chance);
    for _ in 0..rounds {
        world.go_on(&mut chance, 300, 1_500).await;
        let dies = chance.below(3) == 0;
        if dies {
            world.hubs[0].kill();
        }
        clock.put_ahead(chance.below(2 * FURTHEST).cast_signed() - FURTHEST.cast_signed());
        if dies {
            world.hubs[0].serve().await;
        }
    }
    world.end(load, rounds).await;
    drop(world);
    clock.remove();
}
