//! Carries a command out once, although it may come again.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Receipt;

use crate::answer;
use crate::hub::Hub;
use crate::send::Ask;

/// How long a command is remembered: longer than it waits between our answer and the hub's commit.
const REMEMBERED_MS: u64 = 2 * 24 * 60 * 60 * 1000;
const TIMEOUT_MS: u32 = 20_000;

/// Does what is not done yet.
///
/// Mango carries a command out as often as it comes, but repeats its id in what follows from it. So it is noted right after Mango took
/// it, and where its answer was lost, as soon as a notification names it ([`is_done`]).
pub fn deliver<'a>(hub: &mut impl Hub, idempotency_key: &'a str, mut ask: Ask<'a>) -> Result<Receipt, Failure> {
    let note = note(idempotency_key);
    let receipt = Receipt { remote_id: Some(idempotency_key.to_owned()), ..Receipt::default() };
    if hub.recall(&note)?.is_some() {
        return Ok(receipt);
    }
    ask.document.put("command_id", idempotency_key);
    let (status, body) = hub.post(ask.path, &ask.document, TIMEOUT_MS)?;
    answer::document(status, &body)?;
    // Mango took it: a note that cannot be kept is no reason to say otherwise.
    let _ = hub.note(&note, "1", REMEMBERED_MS);
    Ok(receipt)
}

/// A notification names this command: it was carried out, whether or not its answer came.
pub fn is_done(hub: &mut impl Hub, command_id: &str) -> Result<(), Failure> {
    let note = note(command_id);
    if hub.recall(&note)?.is_none() {
        hub.note(&note, "1", REMEMBERED_MS)?;
    }
    Ok(())
}

fn note(command_id: &str) -> String {
    ["sent:", command_id].concat()
}
