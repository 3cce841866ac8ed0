//! Forms of any web site or form builder.
//!
//! Path of a body: [`decode`] makes a document of it, [`map`] takes submissions out of the document, [`sheet`] lays one out flat,
//! [`guess`] says what its fields mean by the words of [`words`]. The folder's README tells what is recognised and each builder's quirks.

pub mod by_id;
pub mod config;
pub mod decode;
pub mod field;
pub mod guess;
pub mod label;
pub mod map;
pub mod reply;
pub mod sheet;
pub mod signature;
pub mod source;
pub mod time;
pub mod value;
pub mod words;

use patchbay_sdk::host::{self, Level, secrets, state};
use patchbay_sdk::schemas::Event;
use patchbay_sdk::serde_json::{Value, json};
use patchbay_sdk::{Connector, Failure, Reply, Request};

use config::Config;
use decode::urlencoded;
use map::{Around, Draft};

/// The connector.
pub struct Webform;

impl Connector for Webform {
    fn webhook(request: Request) -> Result<Reply, Failure> {
        let config = host::settings(|it| Ok(Config::of(it)))?;
        if matches!(request.method.as_str(), "GET" | "HEAD") {
            return greet(&request);
        }
        check_signature(&request, &config)?;
        let body = decode::decode(request.header("content-type").unwrap_or_default(), &request.body)?;
        let classic = body.classic;
        let around = Around { query: &request.query, page: page(&request) };
        let events = map::map(body, around, &config).into_iter().map(settle).collect();
        Ok(reply::reply(&request, classic, &config, events))
    }

    fn check() -> Result<Value, Failure> {
        let config = host::settings(|it| Ok(Config::of(it)))?;
        Ok(json!({
            "post_to": "the connection's own address, as JSON, application/x-www-form-urlencoded or multipart/form-data",
            "signature": if config.require_signature { "required" } else { "checked when signing_secret is set" },
            "mapped": config.mapping.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(),
        }))
    }
}

/// Facebook asks once whether the address is ours; people and monitors just look.
fn greet(request: &Request) -> Result<Reply, Failure> {
    let parameter = |wanted: &str| urlencoded::pairs(request.query.as_bytes()).find(|it| it.0 == wanted).map(|it| it.1);
    match (parameter("hub.challenge"), parameter("hub.verify_token")) {
        (Some(challenge), Some(token)) if secrets::equals("verify_token", token.as_bytes()) => Ok(Reply::text(challenge, Vec::new())),
        (Some(_), _) => Err(Failure::never("handshake.token", "hub.verify_token is not the connection's verify_token")),
        (None, _) => Ok(Reply::json(&json!({ "ok": true, "hint": "send forms with POST" }), Vec::new())),
    }
}

/// With a `signing_secret` every delivery must carry a signature of it.
fn check_signature(request: &Request, config: &Config) -> Result<(), Failure> {
    match secrets::mac("sha256", "signing_secret", &request.body) {
        Ok(mac) if signature::is_signed(|it| request.header(it), &mac) => Ok(()),
        Ok(_) => Err(Failure::never("signature.refused", "the delivery is not signed with the connection's signing_secret")),
        Err(_) if config.require_signature => {
            Err(Failure::never("signature.secret", "require_signature is on, but signing_secret is not set"))
        }
        Err(_) => Ok(()),
    }
}

/// A browser names the page that it posts from; a server's `Referer` is its own address and says nothing.
fn page(request: &Request) -> Option<&str> {
    let browser = request.header("origin").is_some() || request.header("sec-fetch-mode").is_some();
    request.header("referer").filter(|it| browser && it.starts_with("http"))
}

/// Vendors repeat within minutes, people who mean it do not: the same words within this time are the same submission.
const REPEAT_MS: u64 = 10 * 60 * 1000;

/// Gives a submission without an id one that a repeat gets too.
fn settle(draft: Draft) -> Event {
    let mut event = draft.event;
    if !draft.by_content {
        return event;
    }
    let key = format!("sent:{}", event.id);
    match state::get(&key) {
        Ok(Some(known)) => event.id = String::from_utf8_lossy(&known).into_owned(),
        known => {
            // Two at the same moment must not differ, so the id holds the period and not the moment.
            let period = host::now().as_millisecond() / i64::try_from(REPEAT_MS).unwrap_or(i64::MAX);
            event.id = format!("{}:{period}", event.id);
            if let Err(error) = known.map(|_| ()).and_then(|()| state::set(&key, event.id.as_bytes(), Some(REPEAT_MS))) {
                host::log(Level::Warn, "a repeat of this submission may be taken for a new one", &json!({ "error.code": error.code }));
            }
        }
    }
    event
}
