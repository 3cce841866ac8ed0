//! One field among many: objects that are a label and a value, and the shapes that a value comes in.

use patchbay_sdk::json;
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Extra};
use serde_json::Value;

use crate::label::{member, plain};
use crate::words::{LABELS, TYPES, VALUES};

/// What a builder says of the kind of a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    #[default]
    None,
    /// An e-mail address.
    Email,
    /// A phone.
    Phone,
    /// A name.
    Name,
    /// A box for several lines.
    Textarea,
    /// A file.
    File,
    /// A box to tick in agreement.
    Consent,
}

impl Hint {
    fn of(kind: &str) -> Self {
        let kind = plain(kind);
        if kind.contains("email") {
            Self::Email
        } else if kind.contains("phone") || kind == "tel" {
            Self::Phone
        } else if kind.contains("textarea") {
            Self::Textarea
        } else if kind.contains("file") || kind.contains("upload") {
            Self::File
        } else if kind.contains("consent") || kind.contains("gdpr") || kind.contains("accept") {
            Self::Consent
        } else if matches!(kind.as_str(), "name" | "fullname" | "controlfullname" | "shortname" | "contactname") {
            Self::Name
        } else {
            Self::None
        }
    }
}

/// An object that is one field.
pub struct Pair<'a> {
    /// Its names, best first.
    pub labels: Vec<&'a str>,
    /// Ids by which a definition elsewhere may tell its title.
    pub ids: Vec<String>,
    /// What the builder says of its kind.
    pub hint: Hint,
    /// What was typed.
    pub value: &'a Value,
    /// The choices that the value may point at.
    options: Option<&'a Value>,
}

/// Reads an object as one field: `{label, value}` in any builder's words, or Typeform's `{type, field, <type>}`.
/// `key` is its key where it stands in an object of fields.
#[must_use]
pub fn pair<'a>(object: &'a Extra, key: Option<&'a str>) -> Option<Pair<'a>> {
    if let Some(answer) = typed_answer(object) {
        return Some(answer);
    }
    let at = |wanted: &str| member(object, &[wanted]);
    if member(object, &["email", "phone", "mail", "tel", "message"]).is_some_and(Value::is_string) {
        return None;
    }
    let (name, value) = VALUES.iter().find_map(|it| at(it).map(|value| (*it, value)))?;
    if holds_pairs(value) {
        return None;
    }
    let mut labels: Vec<&str> = LABELS
        .iter()
        .filter(|it| **it != "id")
        .filter_map(|it| at(it).and_then(Value::as_str))
        .filter(|it| !it.trim().is_empty())
        .collect();
    let title = member(object, &LABELS[..7]).is_some_and(Value::is_string);
    let ids: Vec<String> =
        ["id", "ref", "questionid", "fieldid", "key", "fieldref", "name"].iter().filter_map(|it| at(it)).map(text).collect();
    labels.extend(key.filter(|it| !it.bytes().all(|it| it.is_ascii_digit())));
    let kind = TYPES.iter().find_map(|it| at(it).and_then(Value::as_str)).unwrap_or_default();
    let named = !labels.is_empty() || !ids.is_empty();
    let fits = match name {
        "value" | "values" | "fieldvalue" | "stringvalue" | "rawvalue" => named,
        "answer" | "answers" | "textanswers" => named && !value.is_object() || name == "textanswers",
        _ => title && !value.is_object(),
    };
    let options = member(object, &["options", "choices"]);
    fits.then(|| Pair { labels, ids, hint: Hint::of(kind), value, options })
}

/// Typeform's answer: the value stands under the key that `type` names, the title in the form's definition.
fn typed_answer(object: &Extra) -> Option<Pair<'_>> {
    let field = object.get("field")?.as_object()?;
    let kind = object.get("type")?.as_str()?;
    let value = object
        .get(kind)
        .or_else(|| object.iter().find(|(key, _)| !matches!(key.as_str(), "field" | "type" | "answer_url")).map(|it| it.1))?;
    let named = |key: &str| field.get(key).and_then(Value::as_str).filter(|it| !it.is_empty());
    let labels = [named("title"), named("ref")].into_iter().flatten().collect();
    let ids = ["id", "ref"].iter().filter_map(|it| field.get(*it)).map(text).collect();
    let hint = match Hint::of(kind) {
        Hint::None => Hint::of(named("type").unwrap_or_default()),
        hint => hint,
    };
    Some(Pair { labels, ids, hint, value, options: None })
}

fn holds_pairs(value: &Value) -> bool {
    match value {
        Value::Array(items) => {
            items.iter().filter_map(Value::as_object).any(|it| it.contains_key("field") || has_label(it) && pair(it, None).is_some())
        }
        _ => false,
    }
}

fn has_label(object: &Extra) -> bool {
    object.keys().any(|it| LABELS[..10].contains(&plain(it).as_str()))
}

impl Pair<'_> {
    /// What was typed or chosen, as text.
    #[must_use]
    pub fn text(&self) -> String {
        let chosen = |value: &Value| {
            let options = self.options?.as_array()?;
            let option = options.iter().find(|it| it.get("id").is_some_and(|id| id == value))?;
            ["text", "label", "title", "name"].iter().find_map(|it| option.get(*it)).map(text)
        };
        match self.value {
            Value::Array(items) if self.options.is_some() => joined(items.iter().map(|it| chosen(it).unwrap_or_else(|| text(it)))),
            value => chosen(value).unwrap_or_else(|| text(value)),
        }
    }
}

/// A value as text: scalars as they are, lists joined by commas, objects by what people read in them.
#[must_use]
pub fn text(value: &Value) -> String {
    const READ: [&str; 13] = [
        "label",
        "labels",
        "value",
        "values",
        "text",
        "simple_text",
        "simpleText",
        "answer",
        "answers",
        "formatted",
        "title",
        "name",
        "url",
    ];
    match value {
        Value::Null => String::new(),
        Value::Bool(it) => it.to_string(),
        Value::Number(_) => json::write(value).unwrap_or_default(),
        Value::String(it) => it.trim().to_owned(),
        Value::Array(items) => joined(items.iter().map(text)),
        Value::Object(object) => READ.iter().find_map(|it| object.get(*it)).map(text).unwrap_or_default(),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.filter(|it| !it.is_empty()).collect();
    parts.join(", ")
}

/// The files in a value: addresses, or objects with an address and a name.
pub fn files(value: &Value, hint: Hint, found: &mut Vec<Attachment>) {
    match value {
        Value::Array(items) => items.iter().for_each(|it| files(it, hint, found)),
        Value::Object(object) => {
            let at = |names: &[&str]| names.iter().find_map(|it| object.get(*it));
            let url = at(&["url", "fileUrl", "file_url", "link"]).and_then(Value::as_str).filter(|it| it.starts_with("http"));
            let name = at(&["name", "fileName", "filename", "file_name"]).and_then(Value::as_str);
            let mime = at(&["mimeType", "mime_type", "mime", "contentType"]).and_then(Value::as_str);
            let size = at(&["size", "fileSize", "file_size"]).and_then(Value::as_u64);
            if url.is_some() && (name.is_some() || mime.is_some() || hint == Hint::File) {
                found.push(attachment(name, mime, size, url));
            }
        }
        Value::String(it) if hint == Hint::File => {
            found.extend(it.split([',', '\n', ' ']).filter(|it| it.starts_with("http")).map(|it| attachment(None, None, None, Some(it))));
        }
        _ => {}
    }
}

/// A file by what is known of it.
#[must_use]
pub fn attachment(name: Option<&str>, mime: Option<&str>, size: Option<u64>, url: Option<&str>) -> Attachment {
    let kind = match mime.and_then(|it| it.split('/').next()) {
        Some("image") => AttachmentKind::Photo,
        Some("video") => AttachmentKind::Video,
        Some("audio") => AttachmentKind::Audio,
        _ => AttachmentKind::Document,
    };
    let owned = |it: Option<&str>| it.filter(|it| !it.is_empty()).map(str::to_owned);
    let mime = owned(mime);
    Attachment { kind, reference: None, url: owned(url), name: owned(name), mime, size, extra: Extra::new() }
}
