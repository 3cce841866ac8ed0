//! The same once more: on the same connection, and on an instance that served others before.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::case::Case;
use super::super::expectation;
use super::super::rig::{Outcome, Place, RigError};
use super::{Seen, Verdict, delivered};
use patchbay_host::plugin::Connector;
use patchbay_host::plugin::cassette::Then;

/// How long a vendor waits before it sends a delivery once more, milliseconds.
const LATER_MS: i64 = 60_000;
/// Most deliveries that an instance serves before the one that is looked at.
const BEFORE: usize = 8;

/// The same delivery once more gives no other event ids: the hub tells doubles by them.
pub async fn same_ids(connector: &Arc<Connector>, cases: &[Case]) -> Result<Verdict, RigError> {
    let mut seen = Seen::default();
    for (case, _) in delivered(connector, cases).await? {
        seen.look();
        let place = Place::of(connector, case, cases).await?;
        let first = ids(&place.play_case(case).await.outcome);
        place.pass(LATER_MS);
        // As after a start of the hub: the state is there, the instance is new.
        place.renew();
        let second = ids(&place.play_case(case).await.outcome);
        if let Some(other) = second.difference(&first).next() {
            seen.fault(format!(
                "{}: once more it is the event `{}`, and it was {}",
                case.name,
                short(other),
                first.iter().map(|it| format!("`{}`", short(it))).collect::<Vec<_>>().join(", ")
            ));
        }
    }
    Ok(seen.verdict("no delivery gives an event"))
}

/// A used instance gives what a fresh one gives: what must outlive a call is kept in `state`, which the hub knows of.
pub async fn same_on_used(connector: &Arc<Connector>, cases: &[Case]) -> Result<Verdict, RigError> {
    let mut seen = Seen::default();
    let deliveries: Vec<&Case> = cases.iter().filter(|it| it.call.is_delivery()).collect();
    for (at, case) in cases.iter().enumerate() {
        let fresh = Place::of(connector, case, cases).await?.play_case(case).await.outcome;
        if matches!(fresh, Outcome::Broken(_) | Outcome::Unsigned(_)) {
            continue;
        }
        seen.look();
        let place = Place::new(connector, &case.settings)?;
        // Others, from here on around.
        let around = deliveries.iter().cycle().skip(at).take(deliveries.len()).filter(|it| it.name != case.name);
        for other in around.take(BEFORE) {
            place.play(&other.call, &other.cassette, Then::Nothing).await;
        }
        place.play(&case.call, &case.cassette, Then::Nothing).await;
        place.forget();
        place.come_before(case, cases).await?;
        let used = place.play_case(case).await.outcome;
        let (fresh, used) = (expectation::document(&fresh, None), expectation::document(&used, None));
        let difference = expectation::difference(Some(&fresh), &used);
        if !difference.is_empty() {
            seen.fault(format!("{}: after others the same instance gives something else:\n{difference}", case.name));
        }
    }
    Ok(seen.verdict("there are no cases"))
}

fn ids(outcome: &Outcome) -> BTreeSet<String> {
    match outcome {
        Outcome::Delivered { events, .. } | Outcome::Heard { events, .. } => events.iter().map(|it| it.key.clone()).collect(),
        _ => BTreeSet::new(),
    }
}

fn short(id: &str) -> String {
    id.chars().take(80).collect()
}
