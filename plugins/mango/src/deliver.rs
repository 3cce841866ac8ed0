//! Carries a command out once, although it may come again.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::MessageSend;

use crate::answer;
use crate::config::Config;
use crate::hub::Hub;
use crate::send;

/// How long a command is remembered: longer than it waits between our answer and the hub's commit.
const REMEMBERED_MS: u64 = 2 * 24 * 60 * 60 * 1000;
const TIMEOUT_MS: u32 = 20_000;

/// Does what is not done yet.
///
/// Mango repeats the command's id in what follows from it, but carries a command out as often as it comes. So it is noted right after
/// Mango took it; only a crash between the two does it twice.
pub fn deliver(hub: &mut impl Hub, config: &Config, idempotency_key: &str, message: &MessageSend) -> Result<Receipt, Failure> {
    let mut call = send::call(config, message)?;
    let note = ["sent:", idempotency_key].concat();
    let receipt = Receipt { remote_id: Some(idempotency_key.to_owned()), ..Receipt::default() };
    if hub.recall(&note)?.is_some() {
        return Ok(receipt);
    }
    call.document.put("command_id", idempotency_key);
    let (status, body) = hub.post(call.path, &call.document, TIMEOUT_MS)?;
    answer::document(status, &body)?;
    // Mango took it: a note that cannot be kept is no reason to say otherwise.
    let _ = hub.note(&note, "1", REMEMBERED_MS);
    Ok(receipt)
}
