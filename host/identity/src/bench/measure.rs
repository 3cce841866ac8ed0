//! One pass over a labelled file, record by record as live traffic comes, and how right it was.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::labelled::{LabelledError, Row};
use crate::record::RecordId;
use crate::resolve::{Engine, Settings};

/// Pairwise figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pairs {
    /// Pairs that were put together.
    pub found: u64,
    /// Those of them that are right.
    pub right: u64,
    /// right ÷ found.
    pub precision: f64,
    /// right ÷ true pairs.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Records read.
    pub records: usize,
    /// People found by automatic merges.
    pub clusters: usize,
    /// People in truth.
    pub true_clusters: usize,
    /// Pairs of records of one person.
    pub true_pairs: u64,
    /// Automatic merges alone.
    pub automatic: Pairs,
    /// Automatic merges and all questions, answered rightly.
    pub with_answers: Pairs,
    /// Questions.
    pub asked: usize,
    /// Questions for each pair of records that was put together without one.
    pub asked_share: f64,
    /// Of the questions, how many were about one person.
    pub asked_same: usize,
    /// Records a second, one after the other on one core, taking statistics included.
    pub records_per_second: f64,
    /// Median time of a record in microseconds.
    pub p50_us: f64,
    /// Time in microseconds that 99 of 100 records stay below.
    pub p99_us: f64,
    /// Seconds that all records took when they were resolved anew at once.
    pub bulk_seconds: f64,
    /// Most memory that the process held, in bytes; absent where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// Resolves row after row and compares the people found with the labels. `peak` tells the process's greatest memory. Row `n` is resolved under
/// [`record_id`]`(n)`; nothing of a row is kept but what the engine keeps.
pub fn run(
    rows: impl Iterator<Item = Result<Row, LabelledError>>,
    settings: &Settings,
    peak: impl Fn() -> Option<u64>,
) -> Result<(Report, Engine), LabelledError> {
    let mut engine = Engine::new(settings);
    let mut times: Vec<u32> = Vec::new();
    let mut truth: Vec<u32> = Vec::new();
    let mut took = Duration::ZERO;
    for row in rows {
        let row = row?;
        let began = Instant::now();
        engine.add(record_id(truth.len()), &row.record);
        let one = began.elapsed();
        if engine.is_due() {
            engine.settle();
        }
        took += began.elapsed();
        times.push(u32::try_from(one.as_nanos()).unwrap_or(u32::MAX));
        truth.push(row.person);
    }
    let settled = Instant::now();
    engine.settle();
    let bulk = settled.elapsed();
    took += bulk;
    let peak_memory_bytes = peak();

    let mut found: Vec<usize> = (0..truth.len()).collect();
    for (id, person) in engine.people() {
        found[place(id)] = place(person);
    }
    let true_pairs = pairs(truth.iter());
    let automatic = score(&found, &truth, true_pairs);
    let clusters = found.iter().enumerate().filter(|(at, it)| at == *it).count();

    let questions = engine.questions();
    let mut answered = found;
    let mut asked_same = 0;
    for question in &questions {
        let (one, other) = (place(question.one), place(question.other));
        if truth[one] == truth[other] {
            asked_same += 1;
            let (into, from) = (answered[one], answered[other]);
            for it in &mut answered {
                if *it == from {
                    *it = into;
                }
            }
        }
    }
    let with_answers = score(&answered, &truth, true_pairs);
    times.sort_unstable();
    let micros = |part: f64| times.get(index(times.len(), part)).map_or(0.0, |it| f64::from(*it) / 1e3);
    let report = Report {
        records: truth.len(),
        clusters,
        true_clusters: truth.iter().collect::<rustc_hash::FxHashSet<_>>().len(),
        true_pairs,
        automatic,
        with_answers,
        asked: questions.len(),
        asked_share: ratio(questions.len() as u64, automatic.found + questions.len() as u64),
        asked_same,
        records_per_second: float(truth.len() as u64) / took.as_secs_f64(),
        p50_us: micros(0.5),
        p99_us: micros(0.99),
        bulk_seconds: bulk.as_secs_f64(),
        peak_memory_bytes,
    };
    Ok((report, engine))
}

/// The id under which the row at a place is resolved.
#[must_use]
pub fn record_id(at: usize) -> RecordId {
    RecordId(at as u128)
}

fn place(id: RecordId) -> usize {
    usize::try_from(id.0).expect("ids were given by place")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a list")]
fn index(len: usize, part: f64) -> usize {
    ((len as f64 * part) as usize).min(len.saturating_sub(1))
}

#[expect(clippy::cast_precision_loss, reason = "counts in a report")]
fn float(count: u64) -> f64 {
    count as f64
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

fn pairs<T: std::hash::Hash + Eq>(groups: impl Iterator<Item = T>) -> u64 {
    let mut sizes: FxHashMap<T, u64> = FxHashMap::default();
    for it in groups {
        *sizes.entry(it).or_default() += 1;
    }
    sizes.values().map(|it| it * (it - 1) / 2).sum()
}

fn score(found: &[usize], truth: &[u32], true_pairs: u64) -> Pairs {
    let together = pairs(found.iter());
    let right = pairs(found.iter().zip(truth));
    // Nothing put together is nothing put together wrongly.
    let precision = if together == 0 { 1.0 } else { ratio(right, together) };
    let recall = if true_pairs == 0 { 1.0 } else { ratio(right, true_pairs) };
    let f1 = if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
    Pairs { found: together, right, precision, recall, f1 }
}
