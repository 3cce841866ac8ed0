//! Days of deliveries in milliseconds: the hub's own outbox, rules and database under a clock that jumps. Whatever happens follows from a seed
//! alone.
//!
//! ```text
//! agenda (time → what happens) ─► clock ─► hubs look for lanes ─► a lane runs until it asks the vendor ─► its fate goes into the agenda
//! ```
//! A lane is driven alone until it asks the vendor or ends, so the order of all writes is the same in every run.
//!
//! | Played | Not played here |
//! |---|---|
//! | a vendor that is slow, busy (429, with and without a time), down (500, before or after it took effect), strict (refuses) | its rate limits (`pace`), commands that go together (`carry`) |
//! | an answer that is lost, or cut off in the middle; a connector that traps or forgets its result | what connectors do themselves (their own tests) |
//! | a credential that the vendor refuses, until somebody renews it | OAuth 2 (`store/tests/secrets`, `tests/hub/authorising`) |
//! | two hubs, killed and started again at any moment, also between taking a lane and serving it | the process itself (`tests/kill`) |
//! | clocks put back and forward by up to a day and a half | two machines whose clocks differ |
//! | webhooks that come twice, late and in another order; people who turn out to be one | what the CRM's own people change |
//! | operators who pause, resume, redrive and delete records | a database that fails (`tests/kill/database`, `disk`); PostgreSQL (`store/tests`) |
//!
//! In the end each lead has one record that shows it as it is, each message one note, in order; the sums add up, and at no time anything waits
//! longer than the rules say.
//!
//! `PATCHBAY_SEEDS=5000 cargo test -p patchbay-host --lib simulation` plays so many; `PATCHBAY_SEED=17` plays that one and tells its story.

pub(crate) mod dice;
mod faults;
mod run;
mod vendor;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self::run::Simulation;
use self::world::Template;

/// Seeds that every run of the tests plays.
const SEEDS: u64 = 40;
/// Later ones that found something once: a note of a merge whose answer was lost, while the other person's record was deleted.
const TAUGHT: [u64; 2] = [159, 195];

pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|it| it.parse().unwrap_or_else(|_| panic!("{name}={it} is no number")))
}

/// Plays a seed to its end; the story of what happened, and what was wrong at the end.
fn play(template: &Template, seed: u64) -> (Vec<String>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut simulation = Simulation::begin(template, seed).await;
        simulation.play().await;
        let faults = simulation.faults().await;
        (simulation.story, faults)
    })
}

/// Plays seeds on all processors, and says how to play one again that goes wrong; how much happened in all.
fn play_all(template: &Template, seeds: &[u64]) -> usize {
    let (next, happenings) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let play_some = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (story, faults) = play(template, *seed);
            happenings.fetch_add(story.len(), Ordering::Relaxed);
            if seeds.len() == 1 {
                println!("{}", story.join("\n"));
            }
            let again = format!("PATCHBAY_SEED={seed} cargo test -p patchbay-host --lib whatever_the_vendor_does -- --nocapture");
            assert!(faults.is_empty(), "seed {seed}:\n{}\nThe whole story:\n  {again}", faults.join("\n"));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(play_some)).collect();
        for player in players {
            player.join().unwrap_or_else(|wrong| std::panic::resume_unwind(wrong));
        }
    });
    happenings.into_inner()
}

#[test]
fn whatever_the_vendor_does_nothing_is_lost_and_nothing_doubled() {
    let template = Template::make("seeds");
    let seeds: Vec<u64> = match (setting("PATCHBAY_SEED"), setting("PATCHBAY_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(many)) => (1..=many).collect(),
        (None, None) => (1..=SEEDS).chain(TAUGHT).collect(),
    };
    let begun = Instant::now();
    let happenings = play_all(&template, &seeds);
    println!("{} seeds, {happenings} happenings, {:.1?}", seeds.len(), begun.elapsed());
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    let template = Template::make("story");
    let (first, _) = play(&template, 7);
    let (second, _) = play(&template, 7);
    assert_eq!(first, second);
    assert_ne!(first, play(&template, 8).0);
}

/// What is wrong is noticed: a vendor that doubles a record and one that loses a note do not pass.
#[test]
fn a_doubled_record_and_a_lost_note_are_noticed() {
    let template = Template::make("noticed");
    for (bug, word) in [(vendor::Bug::NeverLooks, "records"), (vendor::Bug::DropsNotes, "notes")] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = (1..=20).any(|seed| {
            runtime.block_on(async {
                let mut simulation = Simulation::begin(&template, seed).await;
                simulation.vendor.bug = Some(bug);
                simulation.play().await;
                simulation.faults().await.iter().any(|it| it.contains(word))
            })
        });
        assert!(found, "{bug:?} went unnoticed for twenty seeds");
    }
}

#[test]
fn a_hub_that_does_not_notice_a_clock_that_was_put_back_is_noticed() {
    let template = Template::make("clock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = (1..=40).any(|seed| {
        runtime.block_on(async {
            let mut simulation = Simulation::begin(&template, seed).await;
            simulation.follows_clock = false;
            simulation.play().await;
            simulation.faults().await.iter().any(|it| it.contains("waits longer"))
        })
    });
    assert!(found, "nothing waited too long for forty seeds");
}
