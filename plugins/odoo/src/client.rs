//! Odoo's external JSON-2 API: `POST /json/2/<model>/<method>`, and what its errors mean.

use patchbay_sdk::http::Answer;
use patchbay_sdk::json::Object;
use patchbay_sdk::{Failure, Retry};
use serde_json::Value;

use crate::ask::{self, Search, arguments, texts};
use crate::payload::Record;

/// One HTTP request to the endpoint `api`.
#[derive(Debug, Clone)]
pub struct Ask {
    /// In capitals.
    pub method: &'static str,
    /// From the root of the server.
    pub path: String,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// How a request travels: through the hub in a connector, through a socket in a test.
pub type Transport<'a> = &'a dyn Fn(Ask) -> Result<Answer, Failure>;

/// The failure code of a record that is no longer there. The hub's next upsert of the lead finds or makes another.
pub const RECORD_MISSING: &str = "sink.record_missing";

/// Speaks with one Odoo.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    transport: Transport<'a>,
}

impl<'a> Client<'a> {
    /// A client over a transport.
    #[must_use]
    pub fn new(transport: Transport<'a>) -> Self {
        Self { transport }
    }

    /// Calls a method of a model with named arguments. `ids` and `context` are arguments like any other.
    pub fn call(self, model: &str, method: &str, mut arguments: Object<'_>) -> Result<Value, Failure> {
        // Some messages have to be told apart by their text, which Odoo would translate for the key's user.
        let mut context = arguments.object("context").unwrap_or_default();
        context.put("lang", "en_US");
        arguments.put("context", context);
        self.ask(Ask { method: "POST", path: format!("/json/2/{model}/{method}"), body: text(&arguments).into_bytes() })
    }

    /// `search_read`: the records of a domain.
    pub fn search(self, model: &str, search: Search<'_>) -> Result<Vec<Record>, Failure> {
        self.call(model, "search_read", search.0).and_then(records)
    }

    /// `read`: the records that are still there, of those asked for.
    pub fn read(self, model: &str, ids: &[i64], fields: &[&str]) -> Result<Vec<Record>, Failure> {
        self.call(model, "read", arguments([("ids", ask::ids(ids)), ("fields", texts(fields))])).and_then(records)
    }

    /// A GET that needs no rights.
    pub fn get(self, path: &str) -> Result<Value, Failure> {
        self.ask(Ask { method: "GET", path: path.to_owned(), body: Vec::new() })
    }

    /// An answer as it came, whatever its status.
    pub fn raw(self, ask: Ask) -> Result<Answer, Failure> {
        (self.transport)(ask)
    }

    fn ask(self, ask: Ask) -> Result<Value, Failure> {
        let answer = (self.transport)(ask)?;
        if answer.status != 200 {
            return Err(fault(&answer));
        }
        patchbay_sdk::json::parse(&answer.body).map_err(|_| strange("JSON"))
    }
}

/// A value as JSON text.
#[must_use]
pub fn text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // Only a map whose keys are no texts cannot be written, and there is none here.
    patchbay_sdk::json::write(value).unwrap_or_default()
}

fn records(value: Value) -> Result<Vec<Record>, Failure> {
    let Value::Array(list) = value else { return Err(strange("a list of records")) };
    Ok(list.into_iter().map(Record).collect())
}

/// Odoo answered 200 with something that the method never gives.
#[must_use]
pub fn strange(wanted: &str) -> Failure {
    Failure::later("odoo.answer", format!("Odoo answered something else than {wanted}"))
}

/// What an answer other than 200 means. The captures and Odoo's `http.py` (`Json2Dispatcher.handle_error`) are the source:
/// user errors carry a status of their own, everything else is a 500 with the name of the exception.
#[must_use]
pub fn fault(answer: &Answer) -> Failure {
    let body = answer.value();
    let name = body["name"].as_str().unwrap_or("");
    let line = first_line(body["message"].as_str().unwrap_or(""));
    let says = |what: &str| if line.is_empty() { format!("{what} (HTTP {})", answer.status) } else { format!("{what}: {line}") };
    match answer.status {
        401 => Failure::reauthorise("odoo.key", says("Odoo refused the API key")),
        403 => Failure::reauthorise("odoo.access", says("the user of the API key lacks a right")),
        404 if name == "odoo.exceptions.MissingError" && text_names_lead(&body) => {
            Failure::never(RECORD_MISSING, says("the record is gone"))
        }
        404 if name == "odoo.exceptions.MissingError" => {
            Failure::never("odoo.missing", says("something that the record points at is gone"))
        }
        404 if name.is_empty() => Failure::reauthorise("odoo.database", says("there is no such database, or no Odoo, at this address")),
        404 => Failure::reauthorise("odoo.module", says("the CRM app is not installed, or this Odoo is older than 19")),
        409 => Failure::later("odoo.busy", says("somebody else holds the record")),
        422 if is_race(&line) => Failure::later("odoo.race", says("somebody made the same thing at the same moment")),
        500 if name.starts_with("builtins.") => Failure::never("odoo.invalid", says("Odoo cannot read what was sent")),
        500 => Failure::later("odoo.error", says("Odoo failed")),
        408 | 425 | 429 | 502..=599 => {
            let retry = answer.failure("").retry;
            Failure { code: "odoo.unavailable".to_owned(), message: says("Odoo is not available"), retry }
        }
        300..=399 => Failure { code: "odoo.redirect".to_owned(), message: says("the address redirects"), retry: Retry::Reauthorise },
        _ => Failure::never("odoo.refused", says("Odoo refused it")),
    }
}

fn text_names_lead(body: &Value) -> bool {
    body["message"].as_str().is_some_and(|it| it.contains("crm.lead("))
}

/// True when the text tells of two transactions in each other's way: the next try works.
#[must_use]
pub fn is_race(text: &str) -> bool {
    ["already exists", "duplicate key", "serialize access", "deadlock", "concurrent", "database error"].iter().any(|it| text.contains(it))
}

/// The first line of Odoo's message, not too long: what follows is for developers.
#[must_use]
pub fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        Answer { status, headers: vec![("retry-after".to_owned(), "7".to_owned())], body: body.to_string().into_bytes() }
    }

    #[test]
    fn each_odd_answer_has_its_verdict() {
        let error = |name: &str, message: &str| json!({ "name": name, "message": message });
        let cases = [
            (401, error("werkzeug.exceptions.Unauthorized", "Invalid apikey"), "odoo.key", Retry::Reauthorise),
            (403, error("odoo.exceptions.AccessError", "You are not allowed"), "odoo.access", Retry::Reauthorise),
            (
                404,
                error("odoo.exceptions.MissingError", "Record does not exist or has been deleted.\n(Record: crm.lead(9,), User: 2)"),
                RECORD_MISSING,
                Retry::Never,
            ),
            (
                404,
                error("odoo.exceptions.MissingError", "Record does not exist or has been deleted.\n(Record: crm.stage(7,), User: 2)"),
                "odoo.missing",
                Retry::Never,
            ),
            (404, error("werkzeug.exceptions.NotFound", "the model 'crm.lead' does not exist"), "odoo.module", Retry::Reauthorise),
            (404, json!("<!DOCTYPE html>"), "odoo.database", Retry::Reauthorise),
            (409, error("odoo.exceptions.LockError", "locked"), "odoo.busy", Retry::Later),
            (422, error("odoo.exceptions.ValidationError", "Tag name already exists!"), "odoo.race", Retry::Later),
            (422, error("odoo.exceptions.UserError", "no"), "odoo.refused", Retry::Never),
            (500, error("builtins.ValueError", "Invalid field 'nope' in 'crm.lead'"), "odoo.invalid", Retry::Never),
            (500, error("psycopg2.errors.SerializationFailure", "could not serialize access"), "odoo.error", Retry::Later),
            (429, Value::Null, "odoo.unavailable", Retry::AfterMs(7_000)),
            (503, Value::Null, "odoo.unavailable", Retry::AfterMs(7_000)),
        ];
        for (status, body, code, retry) in cases {
            let failure = fault(&answer(status, &body));
            assert_eq!((failure.code.as_str(), failure.retry), (code, retry), "{status} {body}");
        }
    }

    #[test]
    fn a_failure_says_one_short_line() {
        let failure = fault(&answer(500, &json!({ "name": "builtins.KeyError", "message": format!("{}\nTraceback", "x".repeat(999)) })));
        assert!(failure.message.len() < 260 && !failure.message.contains("Traceback"), "{}", failure.message);
    }
}
