//! A command that comes twice.

use std::sync::Arc;

use super::super::case::{Call, Case};
use super::super::rig::{Outcome, Place, RigError};
use super::{Seen, Verdict};
use patchbay_host::plugin::Connector;
use patchbay_host::plugin::cassette::Then;

/// A command that comes twice is carried out once. The second time nothing is asked of the vendor, or just what the cassette for it has;
/// and the receipt names the same record.
pub async fn check(connector: &Arc<Connector>, cases: &[Case]) -> Result<Verdict, RigError> {
    let mut seen = Seen::default();
    for case in cases {
        let Call::Execute(batch) = &case.call else { continue };
        let place = Place::of(connector, case, cases).await?;
        let Outcome::Receipts(first) = place.play_case(case).await.outcome else { continue };
        let first: Vec<Option<String>> = first.into_iter().flatten().map(|it| it.remote_id).collect();
        if first.len() < batch.len() {
            // It fails as it should: there is nothing to do twice.
            continue;
        }
        seen.look();
        place.renew();
        let second = place.play(&case.call.retried(), case.again.as_deref().unwrap_or_default(), Then::Nothing).await;
        if case.again.is_none() && !second.asked.is_empty() {
            let asked: Vec<String> = second.asked.iter().map(|it| format!("{} {}", it.method, it.path)).collect();
            seen.fault(format!(
                "{}: when the command came once more, it asked {} (where it must look first, {}.again.cassette.json says what the vendor answers)",
                case.name,
                asked.join(", "),
                case.name
            ));
            continue;
        }
        if let Some(fault) = second.fault {
            seen.fault(format!("{}: when the command came once more: {fault}", case.name));
            continue;
        }
        let ids: Vec<Option<String>> = match second.outcome {
            Outcome::Receipts(receipts) => receipts.into_iter().flatten().map(|it| it.remote_id).collect(),
            _ => Vec::new(),
        };
        if ids != first {
            seen.fault(format!("{}: when the command came once more, its receipt named {ids:?} and not {first:?}", case.name));
        }
    }
    Ok(seen.verdict("no command is carried out"))
}
