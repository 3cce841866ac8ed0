//! Does whatever a connector must not do: the path of the request chooses the misdeed, the body says how much of it.
//!
//! It speaks the contract itself instead of the SDK's trait, since the SDK would not let half of this pass.

mod misdeeds;
mod outside;

use patchbay_sdk::bindings::imports::patchbay::connector::types::{Event, Failure, Retry};
#[cfg(target_arch = "wasm32")]
use patchbay_sdk::bindings::webhook::export_webhook;
use patchbay_sdk::bindings::webhook::exports::patchbay::connector::webhook::{Guest, Reply, Request};
use patchbay_sdk::{Connector, Failure as SdkFailure};
use serde_json::{Value, json};

/// Embeds the manifest and answers the check; the webhook is exported below.
struct Manifest;

impl Connector for Manifest {
    fn check() -> Result<Value, SdkFailure> {
        Ok(json!({ "misbehaves": true }))
    }
}

patchbay_sdk::register!(Manifest: check);

struct Misbehaving;

impl Guest for Misbehaving {
    fn handle(request: Request) -> Result<Reply, Failure> {
        let document: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match request.path.as_str() {
            "/loop" => misdeeds::compute(u64::MAX),
            "/compute" => Ok(said(&json!({ "sum": misdeeds::sum(document["rounds"].as_u64().unwrap_or_default()) }))),
            "/memory" => Ok(said(&json!({ "held": misdeeds::hold(number(&document, "mib") << 20) }))),
            "/deep" => Ok(said(&json!({ "depth": misdeeds::descend(document["depth"].as_u64().unwrap_or(u64::MAX)) }))),
            "/panic" => panic!("as asked"),
            "/host-calls" => Ok(said(&json!({ "calls": misdeeds::host_calls(number(&document, "calls")) }))),
            "/output" => Ok(Reply { body: vec![b'x'; number(&document, "bytes")], ..said(&Value::Null) }),
            "/events" => Ok(reported((0..number(&document, "count")).map(|it| misdeeds::message(&format!("many-{it}"), "one of many")))),
            "/event" => Ok(reported(misdeeds::event(&document))),
            "/reply" => Ok(misdeeds::reply(&document)),
            "/fail" => Err(misdeeds::failure(&document)),
            "/call" => Ok(said(&outside::call(&document))),
            "/line" => Ok(said(&outside::line(&document))),
            "/state/get" => outside::state_get(&document).map(|it| said(&it)),
            "/state/set" => Ok(said(&outside::state_set(&document))),
            "/log" => Ok(said(&outside::log(&String::from_utf8_lossy(&request.body)))),
            "/secrets" => Ok(said(&outside::secrets(&document))),
            "" | "/" => normal(&document),
            other => Err(never("misbehaving.path", &format!("`{other}` is no misdeed that is known here"))),
        }
    }
}

#[cfg(target_arch = "wasm32")]
export_webhook!(Misbehaving with_types_in patchbay_sdk::bindings::webhook);
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    // Natively there is nobody to export to.
    const fn is_guest<G: Guest>() {}
    is_guest::<Misbehaving>();
};

/// What a connector should do: `{"id", "text"}` becomes a message.
fn normal(document: &Value) -> Result<Reply, Failure> {
    match (document["id"].as_str(), document["text"].as_str()) {
        (Some(id), Some(text)) => Ok(reported([misdeeds::message(id, text)])),
        _ => Err(never("body.shape", "`id` and `text` are due")),
    }
}

fn reported(events: impl IntoIterator<Item = Event>) -> Reply {
    Reply { status: 200, headers: Vec::new(), body: b"kept".to_vec(), events: events.into_iter().collect() }
}

fn said(document: &Value) -> Reply {
    Reply { status: 200, headers: Vec::new(), body: document.to_string().into_bytes(), events: Vec::new() }
}

fn number(document: &Value, name: &str) -> usize {
    document[name].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or_default()
}

fn never(code: &str, message: &str) -> Failure {
    Failure { code: code.to_owned(), message: message.to_owned(), retry: Retry::Never }
}
