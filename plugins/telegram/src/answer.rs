//! What Telegram's answers mean: <https://core.telegram.org/bots/api#making-requests>.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Node;

/// An answer that is not a result.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    /// The group became a supergroup and has this id now.
    Moved(i64),
    /// Anything else.
    Failed(Failure),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Moved(chat) => Self::later("telegram.moved", format!("the group became the supergroup {chat}")),
            Refusal::Failed(failure) => failure,
        }
    }
}

/// The result in an answer, or what its absence asks for.
pub fn result(status: u16, body: &[u8]) -> Result<Node<'_>, Refusal> {
    let mut answer = Node::parse(body).ok().and_then(Node::object).unwrap_or_default();
    if (200..300).contains(&status) && answer.flag("ok") {
        return Ok(answer.take("result").unwrap_or(Node::Null));
    }
    let parameter = |name: &str| answer.get("parameters").and_then(|it| it.get(name)).and_then(Node::as_i64);
    if let Some(chat) = parameter("migrate_to_chat_id") {
        return Err(Refusal::Moved(chat));
    }
    let text = answer.peek_text("description").unwrap_or("the answer is not the JSON that Telegram documents");
    let wait = parameter("retry_after").and_then(|it| u64::try_from(it).ok());
    Err(Refusal::Failed(failure(status, text, wait)))
}

fn failure(status: u16, text: &str, wait: Option<u64>) -> Failure {
    let message = format!("Telegram answered {status}: {text}");
    match status {
        404 if holds(text, "method not found") => Failure::never("telegram.method", message),
        // A path that is no bot's is answered with 404.
        401 | 404 => Failure::reauthorise(
            "telegram.token",
            format!("Telegram answered {status}: the bot token is wrong or was revoked; take the current one from BotFather"),
        ),
        403 => Failure::never(forbidden(text), message),
        409 if holds(text, "webhook") => Failure::later(
            "telegram.webhook_set",
            "a webhook that this connection did not set stands for this bot, so it cannot be polled: call deleteWebhook, or set `mode` to webhook",
        ),
        409 => Failure::later(
            "telegram.polled_twice",
            "another program polls this bot with the same token: stop it, or give this hub a bot of its own",
        ),
        429 => match wait {
            Some(seconds) => Failure::after_ms("telegram.rate_limited", message, seconds.saturating_mul(1000)),
            None => Failure::later("telegram.rate_limited", message),
        },
        400 => Failure::never(bad_request(text), message),
        _ => Failure::later("telegram.unavailable", message),
    }
}

/// What `str::contains` says, without its 3 kB of search for the general case.
#[inline(never)]
fn holds(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|it| it == part.as_bytes())
}

fn forbidden(text: &str) -> &'static str {
    let has = |part: &str| holds(text, part);
    if has("blocked by the user") {
        "telegram.blocked"
    } else if has("deactivated") {
        "telegram.deactivated"
    } else if has("initiate conversation") {
        "telegram.not_started"
    } else if has("kicked") || has("not a member") {
        "telegram.not_a_member"
    } else {
        "telegram.forbidden"
    }
}

fn bad_request(text: &str) -> &'static str {
    let has = |part: &str| holds(text, part);
    if has("chat not found") {
        "telegram.chat_not_found"
    } else if has("bad webhook") {
        "telegram.bad_webhook"
    } else if has("message thread not found") || has("TOPIC_") {
        "telegram.topic_not_found"
    } else if has("BUSINESS_") || has("business connection") {
        "telegram.business_connection"
    } else {
        "telegram.bad_request"
    }
}
