//! Bitrix24's REST API: one method, or up to 50 in a `batch`, and what its errors mean.

use std::cell::RefCell;

use patchbay_sdk::http::Answer;
use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::Extra;
use patchbay_sdk::{Failure, Retry};
use serde_json::Value;

use crate::ask::{Command, parameters, written};

/// One POST of JSON to the endpoint `api`.
#[derive(Debug, Clone)]
pub struct Ask {
    /// `/crm.lead.list`
    pub path: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// How a request travels: through the hub in a connector, through a socket in a test.
pub type Transport<'a> = &'a dyn Fn(Ask) -> Result<Answer, Failure>;

/// The failure code of a record that is no longer there. The hub's next upsert of the lead finds or makes another.
pub const RECORD_MISSING: &str = "sink.record_missing";

/// The failure code of something that Bitrix24 does not find.
pub const NOT_FOUND: &str = "bitrix24.not_found";

/// Milliseconds to wait when the bucket of requests is full: it runs out by two a second.
const BUCKET_MS: u64 = 2_000;
/// Milliseconds to wait when a method used up its time: the first of ten buckets of a minute is emptied then.
const OPERATING_MS: u64 = 60_000;
/// Milliseconds to wait when Bitrix24's own people blocked the API.
const BLOCKED_MS: u64 = 600_000;

/// Speaks with one Bitrix24.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    transport: Transport<'a>,
    notes: Option<&'a RefCell<Vec<Command<'static>>>>,
}

/// What became of the commands of a batch.
#[derive(Debug, Clone)]
pub struct Answers {
    results: Value,
    errors: Value,
}

impl<'a> Client<'a> {
    /// A client over a transport.
    #[must_use]
    pub fn new(transport: Transport<'a>) -> Self {
        Self { transport, notes: None }
    }

    /// The same client, which asks, and only notes what would be written.
    #[must_use]
    pub fn noting(self, notes: &'a RefCell<Vec<Command<'static>>>) -> Self {
        Self { notes: Some(notes), ..self }
    }

    /// Calls a method with named parameters.
    pub fn call(self, method: &str, parameters: &Object<'_>) -> Result<Value, Failure> {
        let answer = (self.transport)(Ask { path: ["/", method].concat(), body: text(parameters).into_bytes() })?;
        if answer.status != 200 {
            return Err(fault(&answer));
        }
        let mut body = patchbay_sdk::json::parse(&answer.body).map_err(|_| strange("JSON"))?;
        if body["error"].is_string() {
            return Err(refused(200, &body));
        }
        match body.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(strange("a result")),
        }
    }

    /// Calls up to 50 methods in one request, one after the other; with `halt` the first error is the end.
    pub fn batch(self, halt: bool, commands: &[Command<'_>]) -> Result<Answers, Failure> {
        if let Some(notes) = self.notes.filter(|_| commands.iter().any(Command::writes)) {
            return Ok(noted(&mut notes.borrow_mut(), commands));
        }
        let cmd: Object = commands.iter().map(|it| (it.name, written(it).into())).collect();
        let Value::Object(mut result) = self.call("batch", &parameters([("halt", i64::from(halt).into()), ("cmd", cmd.into())]))? else {
            return Err(strange("the results of a batch"));
        };
        let mut part = |name| result.get_mut(name).map(Value::take).unwrap_or_default();
        let answers = Answers { results: part("result"), errors: part("result_error") };
        // What stops all commands stops the batch: the hub must hear of it, whichever command it met.
        for it in commands {
            if let Some(failure) = answers.failure(it.name).filter(|it| matches!(it.retry, Retry::AfterMs(_))) {
                return Err(failure);
            }
        }
        Ok(answers)
    }
}

/// Answers to writes as Bitrix24 would give them; what would be made has the number -1.
fn noted(notes: &mut Vec<Command<'static>>, commands: &[Command<'_>]) -> Answers {
    let mut results = Extra::new();
    for it in commands {
        let made = if it.makes() { Value::from(-1) } else { Value::Bool(true) };
        results.insert(it.name.to_owned(), made);
        notes.push(Command { name: it.name, method: it.method.clone(), parameters: it.parameters.clone().into_owned() });
    }
    Answers { results: results.into(), errors: Value::Null }
}

impl Answers {
    /// What a command gave.
    pub fn get(&self, name: &str) -> Result<&Value, Failure> {
        if let Some(failure) = self.failure(name) {
            return Err(failure);
        }
        self.results.get(name).ok_or_else(|| strange("a result for each command"))
    }

    /// What a command gave, where it gave anything.
    #[must_use]
    pub fn found(&self, name: &str) -> Option<&Value> {
        self.results.get(name)
    }

    /// Why a command was refused; None: it was not, or it was not carried out.
    #[must_use]
    pub fn failure(&self, name: &str) -> Option<Failure> {
        // Without errors this is an empty list instead of an object.
        self.errors.get(name).map(|it| refused(200, it))
    }
}

/// A value as JSON text.
#[must_use]
pub fn text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // Only a map whose keys are no texts cannot be written, and there is none here.
    patchbay_sdk::json::write(value).unwrap_or_default()
}

/// Bitrix24 answered 200 with something that the method never gives.
#[must_use]
pub fn strange(wanted: &str) -> Failure {
    Failure::later("bitrix24.answer", format!("Bitrix24 answered something else than {wanted}"))
}

/// What an answer other than 200 means.
#[must_use]
pub fn fault(answer: &Answer) -> Failure {
    let body = answer.value();
    if body["error"].is_string() || body["error_description"].is_string() {
        let failure = refused(answer.status, &body);
        return match (failure.retry, answer.failure("").retry) {
            (Retry::Later, wait @ Retry::AfterMs(_)) => Failure { retry: wait, ..failure },
            _ => failure,
        };
    }
    let says = |what: &str| format!("{what} (HTTP {})", answer.status);
    match answer.status {
        401 | 403 => Failure::reauthorise("bitrix24.credential", says("Bitrix24 refused the webhook or token")),
        404 => Failure::reauthorise("bitrix24.address", says("there is no Bitrix24 at this address")),
        300..=399 => Failure::reauthorise("bitrix24.address", says("the address redirects: use the one that the browser ends up at")),
        408 | 425 | 429 | 500..=599 => {
            Failure { code: "bitrix24.unavailable".to_owned(), message: says("Bitrix24 is not available"), retry: answer.failure("").retry }
        }
        _ => Failure::never("bitrix24.refused", says("Bitrix24 refused it")),
    }
}

/// What an error means, by its code: <https://apidocs.bitrix24.ru/error-codes.html>, <https://apidocs.bitrix24.ru/limits.html>.
/// The older methods of the CRM have no code, or a text in its place.
#[must_use]
pub fn refused(status: u16, error: &Value) -> Failure {
    // The code is a text, of the older methods sometimes a number.
    let code = error["error"].as_str().unwrap_or("");
    let line = first_line(error["error_description"].as_str().filter(|it| !it.trim().is_empty()).unwrap_or(code));
    let says = |what: &str| if line.is_empty() { what.to_owned() } else { format!("{what}: {line}") };
    let means = |words: &[&str]| words.iter().any(|it| code.eq_ignore_ascii_case(it));
    if means(&["QUERY_LIMIT_EXCEEDED"]) {
        return Failure::after_ms("bitrix24.limit", says("Bitrix24 was asked too often"), BUCKET_MS);
    }
    if means(&["OPERATION_TIME_LIMIT"]) {
        return Failure::after_ms("bitrix24.operating", says("a method used up its time of ten minutes"), OPERATING_MS);
    }
    if means(&["OVERLOAD_LIMIT"]) {
        return Failure::after_ms("bitrix24.overload", says("Bitrix24 blocked its API: ask its support"), BLOCKED_MS);
    }
    if means(&[
        "NO_AUTH_FOUND",
        "INVALID_CREDENTIALS",
        "expired_token",
        "invalid_token",
        "invalid_grant",
        "authorization_error",
        "invalid_client",
    ]) {
        return Failure::reauthorise("bitrix24.credential", says("Bitrix24 refused the webhook or token, or its owner may not do this"));
    }
    if means(&["insufficient_scope"]) {
        return Failure::reauthorise("bitrix24.scope", says("the webhook or application needs the rights crm and user_brief"));
    }
    // Of one command it says that its record is out of reach, of the whole API that it is closed.
    if means(&["user_access_error", "PAYMENT_REQUIRED", "PORTAL_DELETED"]) || (status == 403 && means(&["ACCESS_DENIED"])) {
        return Failure::reauthorise("bitrix24.access", says("Bitrix24 is closed to this webhook or application"));
    }
    if means(&["NOT_FOUND", "OWNER_NOT_FOUND", "ERROR_NOT_FOUND"]) || is_not_found(&line) {
        return Failure::never(NOT_FOUND, says("Bitrix24 does not have it"));
    }
    if means(&["ERROR_METHOD_NOT_FOUND"]) {
        return Failure::never("bitrix24.method", says("this Bitrix24 is too old, or lacks a module"));
    }
    if means(&["INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"]) || status >= 500 || matches!(status, 408 | 425 | 429) {
        return Failure::later("bitrix24.error", says("Bitrix24 failed"));
    }
    match status {
        401 => Failure::reauthorise("bitrix24.credential", says("Bitrix24 refused the webhook or token")),
        403 => Failure::reauthorise("bitrix24.access", says("Bitrix24 is closed to this webhook or application")),
        _ => Failure::never("bitrix24.refused", says("Bitrix24 refused it")),
    }
}

fn is_not_found(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line == "not found" || line == "not found." || line.ends_with("is not found") || line.ends_with("is not found.")
}

/// The first line of a message, not too long.
fn first_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or("").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_error_has_its_verdict() {
        let error = |code: &str, text: &str| json!({ "error": code, "error_description": text });
        let cases = [
            (503, error("QUERY_LIMIT_EXCEEDED", "Too many requests"), "bitrix24.limit", Retry::AfterMs(2_000)),
            (429, error("OPERATION_TIME_LIMIT", "Method is blocked"), "bitrix24.operating", Retry::AfterMs(60_000)),
            (503, error("OVERLOAD_LIMIT", "blocked"), "bitrix24.overload", Retry::AfterMs(600_000)),
            (401, error("expired_token", "The access token provided has expired."), "bitrix24.credential", Retry::Reauthorise),
            (401, error("NO_AUTH_FOUND", "Wrong authorization data"), "bitrix24.credential", Retry::Reauthorise),
            (401, error("INVALID_CREDENTIALS", "Invalid request credentials"), "bitrix24.credential", Retry::Reauthorise),
            (403, error("insufficient_scope", ""), "bitrix24.scope", Retry::Reauthorise),
            (403, error("ACCESS_DENIED", "REST API is available only on commercial plans"), "bitrix24.access", Retry::Reauthorise),
            (400, error("ACCESS_DENIED", "Access denied"), "bitrix24.refused", Retry::Never),
            (400, error("", "Not found"), NOT_FOUND, Retry::Never),
            (400, error("", "Access denied"), "bitrix24.refused", Retry::Never),
            (400, error("ERROR_CORE", "Lead is not found"), NOT_FOUND, Retry::Never),
            (404, error("ERROR_METHOD_NOT_FOUND", "Method not found!"), "bitrix24.method", Retry::Never),
            (500, error("INTERNAL_SERVER_ERROR", "Internal server error"), "bitrix24.error", Retry::Later),
            (404, json!("<html>"), "bitrix24.address", Retry::Reauthorise),
            (502, json!("<html>"), "bitrix24.unavailable", Retry::AfterMs(7_000)),
            (401, Value::Null, "bitrix24.credential", Retry::Reauthorise),
        ];
        for (status, body, code, retry) in cases {
            let headers = vec![("retry-after".to_owned(), "7".to_owned())];
            let wait = if retry == Retry::Later { Vec::new() } else { headers };
            let failure = fault(&Answer { status, headers: wait, body: body.to_string().into_bytes() });
            assert_eq!((failure.code.as_str(), failure.retry), (code, retry), "{status} {body}: {}", failure.message);
        }
    }

    #[test]
    fn a_limit_inside_a_batch_stops_the_batch() {
        let answer = |body: Value| move |_: Ask| Ok(Answer { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() });
        let commands =
            [crate::ask::command("a", "crm.lead.get", Object::default()), crate::ask::command("b", "user.get", Object::default())];
        let limited = answer(json!({ "result": { "result": [], "result_error": { "b": { "error": "OPERATION_TIME_LIMIT" } } } }));
        assert_eq!(Client::new(&limited).batch(false, &commands).expect_err("a limit").retry, Retry::AfterMs(60_000));
        let scope = answer(
            json!({ "result": { "result": { "a": { "ID": "1" } }, "result_error": { "b": { "error": "insufficient_scope", "error_description": "" } } } }),
        );
        let answers = Client::new(&scope).batch(false, &commands).expect("the other command worked");
        assert_eq!(answers.get("a").expect("a record")["ID"], "1");
        assert_eq!(answers.get("b").expect_err("refused").code, "bitrix24.scope");
        assert_eq!(answers.get("c").expect_err("never asked").retry, Retry::Later);
    }
}
