//! What a connector tries to reach outside of itself. Everything comes back as JSON, refusals too.

use std::sync::{Mutex, PoisonError};

use patchbay_sdk::bindings::imports::patchbay::connector::types::{Failure, Header, Piece, Retry};
use patchbay_sdk::bindings::imports::patchbay::connector::{host, http, secrets, socket, state};
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

/// A connection that an earlier call left behind.
static KEPT: Mutex<Option<socket::Connection>> = Mutex::new(None);

/// A dialogue over a socket as the body describes it: `{"endpoint", "keep", "steps"}`. `keep` opens so many connections and ends none.
pub fn line(document: &Value) -> Value {
    let mut heard = Vec::new();
    let ended = dialogue(document, &mut heard);
    let mut said = json!({ "heard": String::from_utf8_lossy(&heard[..heard.len().min(1024)]), "bytes": heard.len() });
    if let Err(failure) = ended {
        said["failure"] = refused(&failure)["failure"].take();
    }
    said
}

fn dialogue(document: &Value, heard: &mut Vec<u8>) -> Result<(), Failure> {
    let endpoint = document["endpoint"].as_str().unwrap_or_default();
    if let Some(keep) = document["keep"].as_u64() {
        for _ in 0..keep {
            let open = socket::connect(endpoint)?;
            // What stood there is forgotten, never ended.
            std::mem::forget(KEPT.lock().unwrap_or_else(PoisonError::into_inner).replace(open));
        }
        return Ok(());
    }
    let mut open = socket::connect(endpoint)?;
    for step in document["steps"].as_array().into_iter().flatten() {
        let ms = |name: &str| step[name].as_u64().and_then(|it| u32::try_from(it).ok());
        let bytes = |it: &[u8]| Piece::Bytes(it.to_vec());
        if let Some(text) = step["write"].as_str() {
            open.write(&[bytes(text.as_bytes())])?;
        } else if let Some(name) = step["secret"].as_str() {
            open.write(&[Piece::Secret(name.to_owned())])?;
        } else if let Some(max) = ms("read") {
            heard.extend(open.read(max, ms("timeout_ms").unwrap_or(1_000))?);
        } else if let Some(end) = step["until"].as_str() {
            while !heard.ends_with(end.as_bytes()) {
                heard.extend(open.read(4096, 1_000)?);
            }
        } else if let Some(wait) = ms("silence_ms") {
            // A time-out is no end.
            drop(open.read(1, wait));
        } else if let Some(times) = step["read_letters"].as_u64() {
            for _ in 0..times {
                heard.extend(open.read(1, 1_000)?);
            }
        } else if step["drain"] == true {
            loop {
                let more = open.read(1 << 20, 1_000)?;
                if more.is_empty() {
                    break;
                }
                heard.extend(more);
            }
        } else if step["wait_for_ever"] == true {
            loop {
                drop(open.read(1, 3_600_000));
            }
        } else if step["tls"] == true {
            open.start_tls()?;
        } else if step["stale"] == true {
            open = KEPT.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(open);
            open.write(&[bytes(b"is anybody there?")])?;
        }
    }
    Ok(())
}
