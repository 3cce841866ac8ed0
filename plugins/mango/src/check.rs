//! Does this connection work?

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use serde_json::Value;

use crate::answer;
use crate::hub::Hub;

const TIMEOUT_MS: u32 = 10_000;

/// Whether Mango takes our signature, and what is left on the account.
pub fn check(hub: &mut impl Hub) -> Result<Value, Failure> {
    let (status, body) = hub.post("/vpbx/account/balance", &Object::default(), TIMEOUT_MS)?;
    let mut account = answer::document(status, &body)?;
    let mut report = Object::default();
    let mut warnings = Vec::new();
    if account.peek("balance").and_then(Node::as_f64).is_some_and(|it| it <= 0.0) {
        warnings.push(Node::from("there is nothing left on the account: Mango may refuse calls and SMS"));
    }
    for name in ["balance", "currency", "response_at"] {
        report.put(name, account.take(name).unwrap_or_default());
    }
    report.put("warnings", warnings);
    Ok(report.value())
}
