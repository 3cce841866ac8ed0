//! Bodies: JSON, form-encoded and multipart, whatever the content type claims.

pub mod charset;
pub mod multipart;
pub mod urlencoded;

use patchbay_sdk::schemas::Attachment;
use patchbay_sdk::{Failure, json};
use serde_json::Value;

/// More members than any form has.
pub const MOST_FIELDS: usize = 2000;

/// A body as a document.
#[derive(Debug, Default, PartialEq)]
pub struct Body {
    /// What was sent.
    pub document: Value,
    /// Files that came along; their bytes are not kept.
    pub files: Vec<Attachment>,
    /// True when a plain HTML form can have sent it.
    pub classic: bool,
}

/// Reads a body. The content type is believed only where the body agrees.
pub fn decode(content_type: &str, body: &[u8]) -> Result<Body, Failure> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let kind = content_type.to_ascii_lowercase();
    let trimmed = body.trim_ascii();
    if trimmed.is_empty() {
        return Ok(Body { document: Value::Null, files: Vec::new(), classic: kind.contains("form") });
    }
    if kind.starts_with("multipart/") || (trimmed.starts_with(b"--") && find(trimmed, b"Content-Disposition").is_some()) {
        let (fields, files) = multipart::decode(content_type, body)?;
        return Ok(Body { document: expanded(Value::Object(fields)), files, classic: true });
    }
    let looks_json = matches!(trimmed[0], b'{' | b'[' | b'"');
    let says_form = kind.contains("urlencoded");
    if looks_json || (kind.contains("json") && !looks_urlencoded(trimmed)) {
        match json::parse(trimmed) {
            Ok(document) => return Ok(Body { document: expanded(document), files: Vec::new(), classic: false }),
            Err(error) if !says_form || !looks_urlencoded(trimmed) => {
                return Err(Failure::never("body.json", format!("the body is {error}")));
            }
            Err(_) => {}
        }
    }
    if trimmed[0] == b'<' {
        return Err(Failure::never(
            "body.unreadable",
            "the body is XML or HTML; send JSON, application/x-www-form-urlencoded or multipart/form-data",
        ));
    }
    if !says_form && !looks_urlencoded(trimmed) {
        return Err(Failure::never("body.unreadable", "the body is neither JSON nor the fields of a form"));
    }
    let fields = if kind.starts_with("text/plain") && !trimmed.contains(&b'&') {
        urlencoded::lines(trimmed)
    } else {
        urlencoded::decode_body(trimmed)
    };
    Ok(Body { document: expanded(Value::Object(fields?)), files: Vec::new(), classic: true })
}

/// `name=…` without white space before the first `=`.
fn looks_urlencoded(body: &[u8]) -> bool {
    body.iter()
        .position(|it| *it == b'=')
        .is_some_and(|at| at > 0 && at <= 512 && !body[..at].iter().any(|it| matches!(it, b'{' | b'<' | b'"' | b'\n')))
}

/// Where `needle` begins.
#[must_use]
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = hay.get(from..)?.iter().position(|it| *it == first) {
        if hay[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// JSON in a text (`rawRequest` of Jotform, `FieldStructure` of Wufoo) becomes part of the document.
fn expanded(document: Value) -> Value {
    expand(document, 3)
}

fn expand(value: Value, depth: usize) -> Value {
    match value {
        Value::String(text) => {
            let inner = text.trim();
            let object = inner.starts_with('{') && inner.ends_with('}') && inner.len() > 2;
            let list = inner.starts_with('[') && inner.ends_with(']') && inner.contains('{');
            match depth.checked_sub(1).filter(|_| object || list).and_then(|depth| Some((depth, json::parse(inner.as_bytes()).ok()?))) {
                Some((depth, parsed)) => expand(parsed, depth),
                None => Value::String(text),
            }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|it| expand(it, depth)).collect()),
        Value::Object(mut object) => {
            for it in object.values_mut() {
                *it = expand(it.take(), depth);
            }
            Value::Object(object)
        }
        scalar => scalar,
    }
}
