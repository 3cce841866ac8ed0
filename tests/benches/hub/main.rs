//! What the hub can do on this machine, as ratios within one run.
//!
//! `cargo bench -p patchbay-tests` measures on SQLite, and on PostgreSQL too where `PATCHBAY_POSTGRES_URL` is set. Words after `--`
//! choose parts: `plugin languages store batches path pace growth outbox start many`; `soak` takes an hour and
//! runs only where it is named. The load generator runs on the same cores as the hub.

mod growth;
mod languages;
mod load;
mod many;
mod outbox;
mod path;
mod plugin;
mod process;
mod sink;
mod start;
mod store;
mod world;

use std::time::Duration;

/// How long each part is measured.
pub const SPAN: Duration = Duration::from_secs(6);

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    if chosen.first().is_some_and(|it| it == process::ROLE) {
        process::serve(&chosen[1..]);
        return;
    }
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|it| it == part);
    world::clear();
    let databases = world::databases();
    if wanted("plugin") {
        plugin::measure();
    }
    if wanted("languages") {
        languages::measure();
    }
    for database in &databases {
        let ceiling = if wanted("store") || wanted("path") { Some(store::ceiling(database)) } else { None };
        if wanted("path") {
            path::measure(database, ceiling);
        }
        if wanted("batches") {
            store::batches(database);
        }
        if wanted("pace") {
            path::pace(database);
        }
        if wanted("growth") {
            growth::measure(database);
        }
        if wanted("outbox") {
            outbox::measure(database);
        }
    }
    if chosen.iter().any(|it| it == "soak") {
        path::soak(&databases);
    }
    if wanted("start") {
        start::measure();
    }
    if wanted("many") {
        many::measure();
    }
}

/// Prints one figure: what it is, its value, and how it stands to its limit.
pub fn figure(what: &str, value: impl std::fmt::Display, beside: impl std::fmt::Display) {
    println!("{what:<58} {value:>14}   {beside}");
}
