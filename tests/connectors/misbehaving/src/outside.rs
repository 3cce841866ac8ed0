//! What a connector tries to reach outside of itself. Everything comes back as JSON, refusals too.

use patchbay_sdk::bindings::imports::patchbay::connector::types::{Failure, Header, Retry};
use patchbay_sdk::bindings::imports::patchbay::connector::{host, http, secrets, state};
use serde_json::{Value, json};

/// An HTTP call as the body describes it: `{"endpoint", "method", "path", "headers": [[name, value]], "body", "timeout_ms", "times"}`.
pub fn call(document: &Value) -> Value {
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let header = |it: &Value| Some(Header { name: it[0].as_str()?.to_owned(), value: it[1].as_str()?.to_owned() });
    let request = http::Request {
        endpoint: text("endpoint"),
        method: document["method"].as_str().unwrap_or("GET").to_owned(),
        path_and_query: text("path"),
        headers: document["headers"].as_array().into_iter().flatten().filter_map(header).collect(),
        body: text("body").into_bytes(),
        timeout_ms: document["timeout_ms"].as_u64().and_then(|it| u32::try_from(it).ok()),
    };
    match http::send(&request) {
        Ok(response) => json!({
            "status": response.status,
            "headers": response.headers.iter().map(|it| [&it.name, &it.value]).collect::<Vec<_>>(),
            "bytes": response.body.len(),
            "body": String::from_utf8_lossy(&response.body[..response.body.len().min(1024)]),
        }),
        Err(failure) => refused(&failure),
    }
}

/// `{"key"}`
pub fn state_get(document: &Value) -> Result<Value, Failure> {
    let value = state::get(document["key"].as_str().unwrap_or_default())?;
    Ok(json!({ "value": value.map(|it| String::from_utf8_lossy(&it).into_owned()) }))
}

/// `{"key", "value"}` or `{"key", "bytes"}` for as many of them.
pub fn state_set(document: &Value) -> Value {
    let bytes = document["bytes"].as_u64().and_then(|it| usize::try_from(it).ok());
    let value = bytes.map_or_else(|| document["value"].as_str().unwrap_or_default().as_bytes().to_vec(), |it| vec![b'x'; it]);
    match state::set(document["key"].as_str().unwrap_or_default(), &value, document["ttl_ms"].as_u64()) {
        Ok(()) => json!({ "set": true }),
        Err(failure) => refused(&failure),
    }
}

/// Logs the body, once as the message and once as a field.
pub fn log(text: &str) -> Value {
    host::log("error", text, &json!({ "text": text }).to_string());
    json!({ "logged": true })
}

/// `{"name", "presented"}`: what may be known of a secret.
pub fn secrets(document: &Value) -> Value {
    let name = document["name"].as_str().unwrap_or_default();
    let digest = secrets::digest("sha256", &[secrets::Part::Secret(name.to_owned())]);
    json!({
        "config": host::config(),
        "equals": secrets::equals(name, document["presented"].as_str().unwrap_or_default().as_bytes()),
        "digest": digest.as_ref().ok(),
        "refused": digest.as_ref().err(),
    })
}

fn refused(failure: &Failure) -> Value {
    let retry = match failure.retry {
        Retry::Never => "never".to_owned(),
        Retry::Later => "later".to_owned(),
        Retry::AfterMs(ms) => ms.to_string(),
        Retry::Reauthorise => "reauthorise".to_owned(),
    };
    json!({ "failure": { "code": failure.code, "message": failure.message, "retry": retry } })
}
