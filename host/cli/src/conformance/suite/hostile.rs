//! Bodies that no vendor sends: the connector must read or refuse them, and break nothing.

use std::sync::Arc;

use super::super::case::Case;
use super::super::expectation::broken_schemas;
use super::super::rig::{Outcome, Place, RigError};
use super::mutate::{Dice, Hostile, known, mangled};
use super::{Seen, Verdict, delivered};
use patchbay_host::plugin::cassette::Then;
use patchbay_host::plugin::{Connector, Retry};

/// Bodies that are made of the cases' own.
const MANGLED: usize = 400;
/// The longest body of those that are shown.
const SHOWN: usize = 200;

/// What hostile bodies brought to light.
pub struct Found {
    /// Whatever broke the instance.
    pub broken: Verdict,
    /// Whatever does not fit the schemas, of the cases themselves too.
    pub unfit: Verdict,
}

/// Plays every case, then hostile bodies in the place of theirs.
pub async fn check(connector: &Arc<Connector>, cases: &[Case], seed: u64) -> Result<Found, RigError> {
    let (mut broken, mut unfit) = (Seen::default(), Seen::default());
    for case in cases {
        unfit.look();
        let played = Place::of(connector, case, cases).await?.play_case(case).await;
        for it in broken_schemas(&played.outcome) {
            unfit.fault(format!("{}: {it}", case.name));
        }
    }
    let webhook = connector.manifest.webhook.as_ref().map(|it| it.max_body_bytes);
    let most = webhook.or(connector.manifest.stream.as_ref().map(|it| it.max_frame_bytes)).unwrap_or(0) as usize;
    let deliveries: Vec<&Case> = cases.iter().filter(|it| !it.call.units().is_empty()).collect();
    let mut dice = Dice::new(seed);
    let mangled_of_each = MANGLED.div_ceil(deliveries.len().max(1));
    for (number, case) in deliveries.iter().enumerate() {
        let units = case.call.units();
        let place = Place::of(connector, case, cases).await?;
        // Of a stream, one frame among sound ones.
        let mut bodies: Vec<(usize, Hostile)> = (0..mangled_of_each)
            .map(|_| {
                let at = dice.below(units.len());
                (at, mangled(units[at], &mut dice, most))
            })
            .collect();
        if number == 0 {
            bodies.extend(known(most).into_iter().map(|it| (0, it)));
        }
        for (at, Hostile { how, body }) in bodies {
            broken.look();
            unfit.look();
            place.forget();
            let call = case.call.with_unit(at, body.clone());
            let outcome = place.play(&call, &case.cassette, Then::Nothing).await.outcome;
            if let Outcome::Broken(reason) = &outcome {
                broken.fault(format!("{}, {how}: {reason}{}", case.name, shown(&body)));
            }
            for it in broken_schemas(&outcome) {
                unfit.fault(format!("{}, {how}: {it}", case.name));
            }
        }
    }
    Ok(Found { broken: broken.verdict("it takes no deliveries"), unfit: unfit.verdict("there are no cases") })
}

/// A JSON body that breaks off is refused for good: taken for sound, it would lose what was in the rest; asked for once more, it would
/// come for ever.
pub async fn truncated(connector: &Arc<Connector>, cases: &[Case]) -> Result<Verdict, RigError> {
    let mut seen = Seen::default();
    for (case, _) in delivered(connector, cases).await? {
        let units = case.call.units();
        let Some((at, text)) = units.iter().enumerate().next_back().map(|(at, it)| (at, it.trim_ascii_end())) else { continue };
        if !text.starts_with(b"{") && !text.starts_with(b"[") {
            continue;
        }
        for length in [text.len() / 2, text.len() - 1] {
            seen.look();
            let call = case.call.with_unit(at, text[..length].to_vec());
            let place = Place::of(connector, case, cases).await?;
            let ended = match place.play(&call, &case.cassette, Then::Nothing).await.outcome {
                Outcome::Failed(failure) if matches!(failure.retry, Retry::Never) => continue,
                Outcome::Failed(failure) => format!("is asked for once more ({})", failure.code),
                Outcome::Broken(reason) => reason,
                _ => "is taken for sound".to_owned(),
            };
            seen.fault(format!("{}: its first {length} bytes alone: {ended}", case.name));
        }
    }
    Ok(seen.verdict("no delivery is JSON"))
}

fn shown(body: &[u8]) -> String {
    if body.len() > SHOWN { format!(" (a body of {} bytes)", body.len()) } else { format!(" (the body: {})", body.escape_ascii()) }
}
