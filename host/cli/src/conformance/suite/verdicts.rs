//! What a connector makes of a vendor in trouble.

use std::collections::BTreeMap;
use std::sync::Arc;

use patchbay_schemas::manifest::FILE;

use super::super::case::{Call, Case};
use super::super::expectation::of_retry;
use super::super::rig::{Outcome, Place, RigError};
use super::{Seen, Verdict};
use patchbay_host::plugin::cassette::{Answer, Break, CONNECT, Then};
use patchbay_host::plugin::{Connector, Failure, Retry};

/// Most requests of a case that are answered with trouble, one after the other.
const STEPS: usize = 6;

/// A trouble: what it is called, how a vendor says it, and the verdicts that are right.
struct Trouble {
    name: &'static str,
    answer: Answer,
    is_right: fn(Retry) -> bool,
    due: &'static str,
}

fn troubles(case: &Case) -> [Trouble; 4] {
    let said = |status: u16| case.settings.answers.get(&status.to_string()).cloned().unwrap_or_else(|| Answer::status(status));
    let passes: fn(Retry) -> bool = |it| matches!(it, Retry::Later | Retry::AfterMs(_));
    let mut too_many = said(429);
    if !case.settings.answers.contains_key("429") {
        too_many.headers = BTreeMap::from([("retry-after".to_owned(), "7".to_owned())]);
    }
    [
        Trouble { name: "a time-out", answer: Answer::failed(Break::Timeout), is_right: passes, due: "later" },
        Trouble { name: "429", answer: too_many, is_right: passes, due: "later, or after the time that the vendor names" },
        Trouble { name: "500", answer: said(500), is_right: passes, due: "later" },
        Trouble { name: "401", answer: said(401), is_right: |it| matches!(it, Retry::Reauthorise), due: "reauthorise" },
    ]
}

/// A time-out, 429, 500 and 401 get the right verdict, at whichever request of a case they come. At a later one the connector may do
/// without the answer; at the first of a command, poll or check there is nothing that it could go on with.
pub async fn check(connector: &Arc<Connector>, cases: &[Case]) -> Result<Verdict, RigError> {
    let mut seen = Seen::default();
    for case in cases.iter().filter(|it| !it.cassette.is_empty()) {
        let played = Place::of(connector, case, cases).await?.play_case(case).await;
        if failures(&played.outcome).next().is_some() || played.fault.is_some() {
            continue;
        }
        for step in 0..case.cassette.len().min(STEPS) {
            let asked = &case.cassette[step].request;
            for trouble in troubles(case) {
                // A socket knows no status: how its server refuses a credential stands in `[answers.401]`.
                if asked.method == CONNECT && trouble.name == "401" && !case.settings.answers.contains_key("401") {
                    continue;
                }
                // Where a file lies is no matter of the connection's: whoever refuses it there says nothing of its credential.
                if asked.endpoint == FILE && trouble.name == "401" {
                    continue;
                }
                seen.look();
                let place = Place::of(connector, case, cases).await?;
                let then = Then::Always(trouble.answer.clone());
                let outcome = place.play(&case.call, &case.cassette[..step], then).await.outcome;
                let at = format!("{}: {} at {} {}", case.name, trouble.name, asked.method, asked.path);
                match (&outcome, failures(&outcome).next()) {
                    (Outcome::Broken(reason), _) => seen.fault(format!("{at}: {reason}")),
                    (_, Some(failure)) if !(trouble.is_right)(failure.retry) => {
                        let verdict = of_retry(failure.retry);
                        let verdict = verdict.as_str().map_or_else(|| verdict.to_string(), str::to_owned);
                        seen.fault(format!("{at} got the verdict `{verdict}` ({}), and {} is right", failure.code, trouble.due));
                    }
                    // A delivery says something by itself: what it asked besides may wait for the next poll.
                    (_, None) if step == 0 && !matches!(case.call, Call::Webhook(_)) => seen.fault(format!("{at} was taken for success")),
                    _ => {}
                }
            }
        }
    }
    Ok(seen.verdict("no case asks anything of the vendor"))
}

fn failures(outcome: &Outcome) -> impl Iterator<Item = &Failure> {
    let (whole, each) = match outcome {
        Outcome::Failed(failure) => (Some(failure), &[][..]),
        Outcome::Receipts(receipts) => (None, receipts.as_slice()),
        _ => (None, &[][..]),
    };
    whole.into_iter().chain(each.iter().filter_map(|it| it.as_ref().err()))
}
