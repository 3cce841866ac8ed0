//! What a vendor answered once, played back: the network of `connector test`.
//!
//! A cassette names requests as a connector makes them, by endpoint and path: host, credential and secrets are not in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dial::DialError;
use super::dialogue::{Dialogue, Faults};
use super::outbound::{OutboundError, OutboundRequest, OutboundResponse};

/// What stands in the place of a body that is no text.
const BASE64: &str = "$base64";
/// The method under which a cassette has a connection to a socket.
pub const CONNECT: &str = "CONNECT";

/// One request and what came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What the connector asked.
    pub request: Asked,
    /// What the vendor answered.
    pub response: Answer,
}

/// A request as a connector makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Name in the manifest.
    pub endpoint: String,
    /// In capitals.
    pub method: String,
    /// Path and query after the endpoint's own.
    #[serde(default)]
    pub path: String,
    /// Headers that must be there; others may be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body: a document where it is JSON, else a text; null where there is none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
}

/// What came back: a response, or a failure of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// HTTP status; none: there was no response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body, as in a request.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// To `CONNECT`: what was said over the socket, see `plugin/dialogue.rs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dialogue: Vec<String>,
    /// Why there was no response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Break>,
}

/// How a network fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Break {
    /// No answer in time.
    Timeout,
    /// Nobody listens there, or the connection broke.
    Refused,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status: Some(status), headers: BTreeMap::new(), body: Value::Null, dialogue: Vec::new(), failure: None }
    }

    /// A connection to a socket, over which nothing was said yet.
    #[must_use]
    pub fn dialogue() -> Self {
        Self { status: None, headers: BTreeMap::new(), body: Value::Null, dialogue: Vec::new(), failure: None }
    }

    /// A failure of the network.
    #[must_use]
    pub fn failed(failure: Break) -> Self {
        Self { failure: Some(failure), ..Self::dialogue() }
    }

    /// What a vendor answered.
    #[must_use]
    pub fn of(response: &OutboundResponse) -> Self {
        let headers = response.headers.iter().cloned().collect();
        Self { status: Some(response.status), headers, body: document(&response.body), dialogue: Vec::new(), failure: None }
    }

    fn response(&self) -> Result<OutboundResponse, OutboundError> {
        match (self.status, self.failure) {
            (_, Some(Break::Timeout)) => Err(OutboundError::Timeout(Duration::from_secs(10))),
            (_, Some(Break::Refused)) | (None, None) => Err(OutboundError::Transport("connection refused".to_owned())),
            (Some(status), None) => {
                let headers = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
                Ok(OutboundResponse { status, headers, body: bytes(&self.body) })
            }
        }
    }
}

impl Asked {
    /// A request of a connector.
    #[must_use]
    pub fn of(request: &OutboundRequest) -> Self {
        Self {
            endpoint: request.endpoint.clone(),
            method: request.method.to_uppercase(),
            path: request.path_and_query.clone(),
            headers: request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
            body: document(&request.body),
        }
    }

    /// An attempt to connect to a socket.
    #[must_use]
    pub fn connect(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), method: CONNECT.to_owned(), path: String::new(), headers: BTreeMap::new(), body: Value::Null }
    }

    /// Why this request is not the recorded one; none: it is.
    fn differs_from(&self, recorded: &Self) -> Option<String> {
        let parts = [
            ("endpoint", json!(self.endpoint), json!(recorded.endpoint)),
            ("method", json!(self.method), json!(recorded.method)),
            ("path", json!(self.path), json!(recorded.path)),
            ("body", self.body.clone(), recorded.body.clone()),
        ];
        let part = parts.into_iter().find(|(_, asked, recorded)| asked != recorded);
        let header = || {
            let missing = recorded.headers.iter().find(|(name, value)| self.headers.get(&name.to_ascii_lowercase()) != Some(value));
            missing.map(|(name, value)| format!("the cassette has the header `{name}: {value}`"))
        };
        part.map(|(name, asked, recorded)| format!("its {name} is {asked}, and the cassette has {recorded}")).or_else(header)
    }
}

/// What a played request is answered with once the cassette is at its end.
#[derive(Debug, Clone, Default)]
pub enum Then {
    /// The connector asked more than it should: the case fails.
    #[default]
    Nothing,
    /// Every further request gets this.
    Always(Answer),
}

/// A network that answers from a cassette.
#[derive(Default)]
pub struct Player(Mutex<Tape>);

#[derive(Default)]
struct Tape {
    exchanges: VecDeque<Exchange>,
    then: Then,
    asked: Vec<Asked>,
    fault: Option<String>,
    /// What did not go by a dialogue.
    dialogues: Faults,
}

impl Player {
    /// Puts a cassette in, from its beginning. What was asked before is forgotten.
    pub fn load(&self, exchanges: &[Exchange], then: Then) {
        *self.tape() = Tape { exchanges: exchanges.to_vec().into(), then, ..Tape::default() };
    }

    /// What was asked since the cassette was put in.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.tape().asked.clone()
    }

    /// What did not go by the cassette: a request that it does not have, or one of it that was never made.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let tape = self.tape();
        let unplayed = || {
            let next = tape.exchanges.front().filter(|_| matches!(tape.then, Then::Nothing))?;
            Some(format!("{} {} was not asked, and the cassette has it", next.request.method, next.request.path))
        };
        let said = || tape.dialogues.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tape.fault.clone().or_else(said).or_else(unplayed)
    }

    /// Answers a request.
    pub fn answer(&self, request: &OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let asked = Asked::of(request);
        let mut tape = self.tape();
        tape.asked.push(asked.clone());
        let Some(next) = tape.exchanges.pop_front() else {
            return match &tape.then {
                Then::Always(answer) => answer.response(),
                Then::Nothing => Err(tape.refuse(format!("{} {} was asked, and the cassette is at its end", asked.method, asked.path))),
            };
        };
        match asked.differs_from(&next.request) {
            None => next.response.response(),
            Some(why) => {
                let number = tape.asked.len();
                Err(tape.refuse(format!("request {number} ({} {}): {why}", asked.method, asked.path)))
            }
        }
    }

    /// Answers an attempt to connect to a socket, which a cassette has as the method `CONNECT`.
    pub fn connect(&self, endpoint: &str, may_begin_tls: bool) -> Result<Dialogue, DialError> {
        let asked = Asked::connect(endpoint);
        let mut tape = self.tape();
        tape.asked.push(asked.clone());
        let refused = |why: String| DialError::Transport(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, why));
        let answer = match (tape.exchanges.pop_front(), &tape.then) {
            (Some(next), _) => match asked.differs_from(&next.request) {
                None => next.response,
                Some(why) => {
                    let number = tape.asked.len();
                    return Err(refused(tape.refuse(format!("request {number} ({CONNECT} to `{endpoint}`): {why}")).to_string()));
                }
            },
            (None, Then::Always(answer)) => answer.clone(),
            (None, Then::Nothing) => {
                let why = format!("a connection to `{endpoint}` was opened, and the cassette is at its end");
                return Err(refused(tape.refuse(why).to_string()));
            }
        };
        match answer.failure {
            Some(Break::Timeout) => Err(DialError::Timeout(Duration::from_secs(10))),
            None if !answer.dialogue.is_empty() => Dialogue::new(&answer.dialogue, may_begin_tls, Arc::clone(&tape.dialogues))
                .map_err(|why| refused(tape.refuse(why).to_string())),
            Some(Break::Refused) | None => Err(refused("connection refused".to_owned())),
        }
    }

    fn tape(&self) -> std::sync::MutexGuard<'_, Tape> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tape {
    fn refuse(&mut self, why: String) -> OutboundError {
        // The first one: what follows comes of it.
        self.fault.get_or_insert_with(|| why.clone());
        OutboundError::Cassette(why)
    }
}

/// A body as it stands in a cassette.
fn document(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    match (serde_json::from_slice::<Value>(body), std::str::from_utf8(body)) {
        (Ok(value @ (Value::Object(_) | Value::Array(_))), _) => value,
        (_, Ok(text)) => text.into(),
        (_, Err(_)) => json!({ BASE64: STANDARD.encode(body) }),
    }
}

fn bytes(document: &Value) -> Vec<u8> {
    match document {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        Value::Object(fields) if fields.len() == 1 && fields.contains_key(BASE64) => {
            STANDARD.decode(fields[BASE64].as_str().unwrap_or_default()).unwrap_or_default()
        }
        other => other.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, body: &str) -> OutboundRequest {
        OutboundRequest {
            endpoint: "api".to_owned(),
            method: "POST".to_owned(),
            path_and_query: path.to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.as_bytes().to_vec(),
            timeout: None,
        }
    }

    fn recorded() -> Vec<Exchange> {
        let text = r#"[{ "request": { "endpoint": "api", "method": "POST", "path": "/a", "body": { "x": 1, "y": 2 } },
                         "response": { "status": 200, "headers": { "Retry-After": "3" }, "body": { "id": "7" } } },
                       { "request": { "endpoint": "api", "method": "POST", "path": "/b" }, "response": { "failure": "timeout" } }]"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_cassette_is_played_in_order_whatever_the_order_of_fields() {
        let player = Player::default();
        player.load(&recorded(), Then::Nothing);
        let answer = player.answer(&request("/a", r#"{"y":2,"x":1}"#)).unwrap();
        assert_eq!((answer.status, answer.headers[0].0.as_str(), answer.body.as_slice()), (200, "retry-after", &br#"{"id":"7"}"#[..]));
        assert!(player.fault().unwrap().contains("/b was not asked"));
        assert!(matches!(player.answer(&request("/b", "")), Err(OutboundError::Timeout(_))));
        assert_eq!(player.fault(), None);
        assert_eq!(player.asked().len(), 2);
        assert!(player.answer(&request("/c", "")).is_err());
        assert!(player.fault().unwrap().contains("at its end"));
    }

    #[test]
    fn another_request_than_the_recorded_one_is_named_with_both() {
        for (path, body, words) in [("/b", r#"{"x":1,"y":2}"#, "its path is \"/b\""), ("/a", r#"{"x":1}"#, "its body is {\"x\":1}")] {
            let player = Player::default();
            player.load(&recorded(), Then::Nothing);
            let error = player.answer(&request(path, body)).err().map(|it| it.to_string()).unwrap_or_default();
            assert!(error.contains(words), "{error}");
            assert!(player.fault().unwrap().contains(words));
        }
    }

    #[test]
    fn bodies_come_back_as_they_were() {
        for body in [&b""[..], b"a=1&b=2", br#"{"a":[1]}"#, b"\xff\x00\x01"] {
            assert_eq!(bytes(&document(body)), body);
        }
    }
}
