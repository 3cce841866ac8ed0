//! What one more record costs beside very many.
//!
//! `cargo run --release -p patchbay-identity --example generate -- 10050000 7 | cargo run --release -p patchbay-identity --example scale`
//!
//! The first million is decided and gives the statistics, as a hub's census does; the rest is taken in undecided, and the last 50,000 are resolved
//! one after the other.

use std::collections::VecDeque;
use std::time::Instant;

use patchbay_identity::bench::{record_id, rows};
use patchbay_identity::resolve::{Engine, Settings};

/// Records that are decided and counted.
const DECIDED: usize = 1_000_000;
/// Records that are resolved and timed.
const RESOLVED: usize = 50_000;

/// Memory of this process in bytes, as Linux tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|it| it.starts_with("VmRSS"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|it| it * 1024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut engine = Engine::new(&Settings::shipped("RU"));
    let mut last = VecDeque::with_capacity(RESOLVED + 1);
    let (begun, mut taken) = (Instant::now(), 0);
    for row in rows(std::io::stdin().lock())? {
        last.push_back(row?.record);
        if last.len() <= RESOLVED {
            continue;
        }
        let Some(record) = last.pop_front() else { continue };
        engine.load(record_id(taken), &record);
        taken += 1;
        if taken == DECIDED {
            engine.settle();
            eprintln!("{DECIDED} decided after {:.0?}", begun.elapsed());
        }
    }
    let bytes = memory().unwrap_or_default() / u64::try_from(taken)?.max(1);
    eprintln!("{taken} taken in after {:.0?}, {bytes} bytes each", begun.elapsed());
    let resolving = Instant::now();
    let mut times: Vec<u128> = Vec::with_capacity(RESOLVED);
    for (at, record) in last.iter().enumerate() {
        let one = Instant::now();
        engine.add(record_id(taken + at), record);
        times.push(one.elapsed().as_micros());
    }
    let took = resolving.elapsed();
    times.sort_unstable();
    let part = |hundredths: usize| times.get(times.len() * hundredths / 100).copied().unwrap_or_default();
    let each = took / u32::try_from(times.len().max(1))?;
    println!("{} resolved beside {taken}: median {} us, 99 % below {} us, {each:?} each on average", times.len(), part(50), part(99));
    Ok(())
}
