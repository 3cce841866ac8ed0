//! What every connector must do, whatever its vendor: checks made from its manifest and its own cases.

mod abilities;
mod hostile;
mod mutate;
mod once;
mod repeated;
mod verdicts;

use std::sync::Arc;

use super::case::Case;
use super::rig::{Outcome, Place, RigError};
use patchbay_host::plugin::{Artifact, Connector};

/// Most faults of one check that are told.
const TOLD: usize = 5;

/// One thing that every connector must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Short name.
    pub name: &'static str,
    /// The sentence that must be true.
    pub sentence: &'static str,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; how often it was looked at.
    Passed(usize),
    /// There is nothing to look at, and why.
    NotNeeded(&'static str),
    /// It does not hold, and where.
    Failed(Vec<String>),
}

impl Check {
    /// True unless it failed.
    #[must_use]
    pub fn holds(&self) -> bool {
        !matches!(self.verdict, Verdict::Failed(_))
    }
}

/// What a check has seen so far.
#[derive(Default)]
struct Seen {
    looks: usize,
    faults: Vec<String>,
}

impl Seen {
    fn look(&mut self) {
        self.looks += 1;
    }

    fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    fn verdict(mut self, nothing: &'static str) -> Verdict {
        if self.faults.is_empty() {
            return if self.looks == 0 { Verdict::NotNeeded(nothing) } else { Verdict::Passed(self.looks) };
        }
        let more = self.faults.len().saturating_sub(TOLD);
        self.faults.truncate(TOLD);
        if more > 0 {
            self.faults.push(format!("and {more} more"));
        }
        Verdict::Failed(self.faults)
    }
}

/// Makes all checks. The seed decides which hostile bodies are tried: the same seed, the same bodies.
pub async fn run(artifact: &Artifact, connector: &Arc<Connector>, cases: &[Case], seed: u64) -> Result<Vec<Check>, RigError> {
    let hostile = hostile::check(connector, cases, seed).await?;
    Ok(vec![
        Check {
            name: "abilities",
            sentence: "it exports and imports what its manifest declares, and nothing else",
            verdict: abilities::declared(artifact),
        },
        Check { name: "cases", sentence: "each ability and each kind of command has a case", verdict: abilities::covered(artifact, cases) },
        Check {
            name: "repeated",
            sentence: "the same delivery once more gives no other event ids",
            verdict: repeated::same_ids(connector, cases).await?,
        },
        Check {
            name: "used",
            sentence: "a used instance gives what a fresh one gives",
            verdict: repeated::same_on_used(connector, cases).await?,
        },
        Check {
            name: "truncated",
            sentence: "a JSON body that breaks off is refused for good",
            verdict: hostile::truncated(connector, cases).await?,
        },
        Check { name: "hostile", sentence: "mangled, huge and hostile bodies break nothing", verdict: hostile.broken },
        Check { name: "schemas", sentence: "whatever comes out fits the schemas", verdict: hostile.unfit },
        Check { name: "once", sentence: "a command that comes twice is carried out once", verdict: once::check(connector, cases).await? },
        Check {
            name: "verdicts",
            sentence: "a time-out, 429, 500 and 401 of the vendor get the right verdict",
            verdict: verdicts::check(connector, cases).await?,
        },
    ])
}

/// The deliveries that gave events, each with how it ended on a fresh instance.
async fn delivered<'a>(connector: &Arc<Connector>, cases: &'a [Case]) -> Result<Vec<(&'a Case, Outcome)>, RigError> {
    let mut good = Vec::new();
    for case in cases.iter().filter(|it| it.call.is_delivery()) {
        let played = Place::of(connector, case, cases).await?.play_case(case).await;
        if matches!(&played.outcome, Outcome::Delivered { events, .. } | Outcome::Heard { events, .. } if !events.is_empty()) {
            good.push((case, played.outcome));
        }
    }
    Ok(good)
}
