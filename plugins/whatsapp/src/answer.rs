//! What Meta's answers mean: <https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes>.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::{Failure, Retry};

use crate::hub::Answered;

/// The document in an answer, or what its absence asks for.
pub fn document(answer: &Answered) -> Result<Object<'_>, Failure> {
    let document = Node::parse(&answer.body).ok().and_then(Node::object);
    match document.as_ref().and_then(|it| it.get("error")) {
        None if (200..300).contains(&answer.status) && document.is_some() => Ok(document.unwrap_or_default()),
        None => Err(Failure::later(
            "whatsapp.unavailable",
            ["Meta answered ", &answer.status.to_string(), " without the JSON that it documents"].concat(),
        )),
        Some(error) => Err(failure(answer, error)),
    }
}

/// Code of the connector and verdict for a code of Meta's.
fn meaning(code: i64) -> (&'static str, Retry) {
    match code {
        0 | 190 => ("whatsapp.token", Retry::Reauthorise),
        3 | 10 | 200..=299 | 131_005 => ("whatsapp.permission", Retry::Reauthorise),
        4 | 80_007 => ("whatsapp.rate_limited", Retry::AfterMs(60_000)),
        130_429 => ("whatsapp.rate_limited", Retry::AfterMs(2_000)),
        // One message in six seconds to one person.
        131_056 => ("whatsapp.pair_rate_limited", Retry::AfterMs(6_000)),
        131_048 | 131_064 => ("whatsapp.spam_limited", Retry::Later),
        368 | 131_031 => ("whatsapp.account_blocked", Retry::Later),
        131_042 | 131_044 => ("whatsapp.payment", Retry::Later),
        131_037 | 131_045 | 133_010 => ("whatsapp.not_registered", Retry::Later),
        1 | 2 | 131_000 | 131_016 | 131_057 | 133_004 | 135_000 => ("whatsapp.unavailable", Retry::Later),
        131_047 => ("whatsapp.window_closed", Retry::Never),
        131_026 => ("whatsapp.undeliverable", Retry::Never),
        131_021 => ("whatsapp.to_ourselves", Retry::Never),
        131_030 => ("whatsapp.not_a_test_recipient", Retry::Never),
        131_049 | 131_050 | 130_472 => ("whatsapp.marketing_refused", Retry::Never),
        130_497 => ("whatsapp.country", Retry::Never),
        131_062 => ("whatsapp.needs_a_phone", Retry::Never),
        131_052 | 131_053 => ("whatsapp.file", Retry::Never),
        132_069 => ("whatsapp.flow_limited", Retry::Later),
        131_063 | 132_000..=132_099 => ("whatsapp.template", Retry::Never),
        // Meta asked the callback address, and did not hear its challenge.
        2_200 => ("whatsapp.callback", Retry::Later),
        33 | 100 | 131_008 | 131_009 | 131_051 => ("whatsapp.refused", Retry::Never),
        _ => ("whatsapp.error", Retry::Never),
    }
}

fn failure(answer: &Answered, error: &Node) -> Failure {
    let text = |name: &str| error.get(name).and_then(Node::as_str).unwrap_or_default();
    let number = error.get("code").and_then(Node::as_i64).unwrap_or(-1);
    let details = error.get("error_data").and_then(|it| it.get("details")).and_then(Node::as_str).unwrap_or_default();
    let (code, retry) = meaning(number);
    let is_transient = matches!(error.get("is_transient"), Some(Node::Bool(true)));
    let retry = match retry {
        Retry::Never if code == "whatsapp.error" && (is_transient || answer.status >= 500 || answer.status == 429) => Retry::Later,
        Retry::Never if code == "whatsapp.error" && answer.status == 401 => Retry::Reauthorise,
        Retry::AfterMs(ms) => Retry::AfterMs(wait(answer.usage.as_deref()).unwrap_or(ms)),
        retry => retry,
    };
    let cure = match code {
        "whatsapp.token" => "; give the connection a new token of a system user",
        "whatsapp.permission" => {
            "; the token lacks whatsapp_business_messaging for this number, or whatsapp_business_management for its account"
        }
        _ => "",
    };
    let message =
        ["Meta answered ", &number.to_string(), ": ", text("message"), if details.is_empty() { "" } else { " — " }, details, cure];
    Failure { code: code.to_owned(), message: message.concat(), retry }
}

/// How long Meta says that the account must wait: `{"<account>": [{"estimated_time_to_regain_access": <minutes>}]}`.
fn wait(usage: Option<&str>) -> Option<u64> {
    let usage = Node::parse(usage?.as_bytes()).ok()?.object()?;
    let accounts = usage.names().filter_map(|it| usage.get(it)).flat_map(Node::items);
    let minutes = accounts.filter_map(|it| it.get("estimated_time_to_regain_access").and_then(Node::as_i64)).max()?;
    u64::try_from(minutes).ok().filter(|it| *it > 0).map(|it| it.saturating_mul(60_000))
}
