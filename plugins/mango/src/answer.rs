//! What Mango's answers mean (API 1.9, "Список кодов результатов").

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::{Failure, Retry};

use crate::party::int;

/// The document in an answer, or what its absence asks for.
pub fn document(status: u16, body: &[u8]) -> Result<Object<'_>, Failure> {
    const DONE: i64 = 1000;
    let mut document = Node::parse(body).ok().and_then(Node::object).unwrap_or_default();
    let result = int(&mut document, "result");
    if (200..300).contains(&status) && result.is_none_or(|it| it == DONE) && !document.names().any(|it| it == "status") {
        return Ok(document);
    }
    let said = document.peek_text("message").unwrap_or_default();
    let code = result.map(|it| it.to_string()).unwrap_or_default();
    let message = ["Mango answered ", &status.to_string(), " ", &code, " ", said].concat();
    let (name, retry) = meaning(status, result.unwrap_or_default());
    Err(Failure { code: name.to_owned(), message: message.trim_end().to_owned(), retry })
}

fn meaning(status: u16, result: i64) -> (&'static str, Retry) {
    match (status, result) {
        (_, 3102 | 3105) => ("mango.key", Retry::Reauthorise),
        (_, 2000..=2999) => ("mango.billing", Retry::Later),
        (_, 3200..=3299) => ("mango.number", Retry::Never),
        (_, 3000..=3999) => ("mango.refused", Retry::Never),
        (_, 4001) => ("mango.unsupported", Retry::Never),
        (_, 4100..=4199) => ("mango.no_such_call", Retry::Never),
        (_, 4200..=4299) => ("mango.unreachable", Retry::Later),
        (_, 4300..=4399) => ("mango.sms", Retry::Never),
        (_, 4000..=4999) => ("mango.impossible", Retry::Never),
        // After a wrong request the whole API is closed for two minutes.
        (401, _) => ("mango.locked_out", Retry::AfterMs(120_000)),
        (429, _) | (_, 5001 | 5008) => ("mango.rate_limited", Retry::AfterMs(1_000)),
        (403, _) => ("mango.key", Retry::Reauthorise),
        (400 | 404 | 405 | 422, _) => ("mango.refused", Retry::Never),
        _ => ("mango.unavailable", Retry::Later),
    }
}
