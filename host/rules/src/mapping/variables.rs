//! What an expression sees: the canonical lead with its person, its source, what was said last, and what vendors said besides.

use std::collections::HashMap;

use patchbay_schemas::{IdentityKind, Lead, Timestamp};
use serde_json::{Map, Value, json};

use Shape::{Flat, List, Object, Open};

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A text, a number, true or false; null where it is not known.
    Flat,
    /// A list.
    List,
    /// An object whose keys the hub does not know.
    Open,
    /// An object with these members, each of which is there, if only as null.
    Object(&'static [(&'static str, Shape)]),
    /// Anything.
    Any,
}

const CONTACT: Shape = Object(&[
    ("id", Flat),
    ("name", Flat),
    ("company", Flat),
    ("city", Flat),
    ("language", Flat),
    ("phone", Flat),
    ("email", Flat),
    ("phones", List),
    ("emails", List),
    ("identities", List),
    ("created_at", Flat),
]);
const SOURCE: Shape = Object(&[
    ("channel", Flat),
    ("connection", Flat),
    ("utm", Open),
    ("clicks", Open),
    ("page", Flat),
    ("referrer", Flat),
    ("line", Flat),
    ("start", Flat),
]);

/// The names that an expression begins with, and what stands under them. Paths are those of schemas/v1; `contact.phone` and `contact.email`
/// are the first ones, `phones` and `emails` all of them.
pub const ROOTS: &[(&str, Shape)] = &[
    (
        "lead",
        Object(&[
            ("id", Flat),
            ("title", Flat),
            ("stage", Object(&[("name", Flat), ("reason", Flat), ("return_at", Flat)])),
            ("contact", CONTACT),
            ("source", SOURCE),
            ("responsible", Object(&[("id", Flat), ("name", Flat)])),
            ("next_contact_at", Flat),
            ("qualification", Flat),
            ("temperature", Flat),
            ("tags", List),
            ("created_at", Flat),
            ("updated_at", Flat),
        ]),
    ),
    ("contact", CONTACT),
    ("source", SOURCE),
    (
        "last",
        Object(&[
            ("kind", Flat),
            ("at", Flat),
            ("direction", Flat),
            ("text", Flat),
            ("person", Open),
            ("conversation", Open),
            ("author", Open),
            ("attachments", List),
            ("source", Open),
            ("message", Open),
            ("call", Open),
            ("form", Open),
            ("mail", Open),
            ("comment", Open),
            ("rating", Open),
            ("extra", Open),
        ]),
    ),
    ("form", Open),
    ("extra", Open),
];

/// Most identities of a person that an expression sees.
const MOST_IDENTITIES: usize = 100;

/// One interaction of the lead.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// When it happened.
    pub at: Timestamp,
    /// `message`, `call`, `form` …
    pub kind: &'a str,
    /// The payload, as schemas/v1/event.json has it.
    pub payload: &'a Value,
}

/// The variables of one lead.
#[derive(Debug, Clone)]
pub struct Variables {
    values: Vec<(&'static str, cel::Value)>,
}

impl Variables {
    /// The variables of a lead, with its interactions, newest first.
    #[must_use]
    pub fn of(lead: &Lead, said: &[Said]) -> Self {
        let mut whole = serde_json::to_value(lead).unwrap_or_default();
        let all = |kind: IdentityKind| -> Vec<&str> {
            lead.contact.identities.iter().filter(|it| it.kind == kind).take(MOST_IDENTITIES).map(|it| it.value.as_str()).collect()
        };
        let (phones, emails) = (all(IdentityKind::Phone), all(IdentityKind::Email));
        let contact = &mut whole["contact"];
        if let Some(identities) = contact["identities"].as_array_mut() {
            identities.truncate(MOST_IDENTITIES);
        }
        contact["phone"] = json!(phones.first());
        contact["email"] = json!(emails.first());
        contact["phones"] = json!(phones);
        contact["emails"] = json!(emails);
        let last = said.first().map_or(Value::Null, |it| {
            let mut last = it.payload.clone();
            last["kind"] = it.kind.into();
            last["at"] = it.at.to_string().into();
            last
        });
        let form = said.iter().find_map(|it| it.payload.pointer("/form/fields")).cloned().unwrap_or(json!({}));
        let mut extra = Map::new();
        for it in said.iter().rev() {
            for place in ["/person/extra", "/extra"] {
                extra.extend(it.payload.pointer(place).and_then(Value::as_object).cloned().unwrap_or_default());
            }
        }
        let (contact, source) = (whole["contact"].clone(), whole["source"].clone());
        Self::from_json([whole, contact, source, last, form, Value::Object(extra)])
    }

    /// A lead of which everything is known: what an expression gives for it is of the type that it gives for others.
    #[must_use]
    pub fn sample() -> Self {
        let contact = json!({
            "id": "con_01JPA3Q6X3R8M5N2T7V9W0Y1ZD", "name": "Анна Петрова", "company": "Ромашка", "city": "Тула", "language": "ru",
            "phone": "+79123456789", "email": "anna@example.com", "phones": ["+79123456789"], "emails": ["anna@example.com"],
            "identities": [{ "kind": "phone", "value": "+79123456789" }], "created_at": "2026-03-14T09:26:53Z",
        });
        let source = json!({
            "channel": "form", "connection": "cxn_01JPA3Q6X3R8M5N2T7V9W0Y1ZC",
            "utm": { "source": "yandex", "medium": "cpc", "campaign": "autumn", "content": "banner", "term": "buy" },
            "clicks": { "yclid": "1", "gclid": "1", "fbclid": "1", "ymclid": "1" },
            "page": "https://example.com/prices", "referrer": "https://yandex.ru/", "line": "+74950000000", "start": "site",
        });
        let lead = json!({
            "id": "lead_01JPA3Q6X3R8M5N2T7V9W0Y1ZE", "title": "Анна Петрова",
            "stage": { "name": "lead", "reason": "Дорого", "return_at": "2026-09-01T06:00:00Z" }, "contact": contact, "source": source,
            "responsible": { "id": "17", "name": "Ольга Смирнова" }, "next_contact_at": "2026-03-14T12:00:00Z",
            "qualification": "target", "temperature": "hot", "tags": ["vip"],
            "created_at": "2026-03-14T09:26:53Z", "updated_at": "2026-03-14T09:30:00Z",
        });
        let last = json!({ "kind": "message", "at": "2026-03-14T09:26:53Z", "direction": "in", "text": "Здравствуйте", "attachments": [] });
        Self::from_json([lead, contact, source, last, json!({}), json!({})])
    }

    /// A lead of which nothing is known that need not be.
    #[must_use]
    pub fn bare() -> Self {
        Self::from_json([const { Value::Null }; ROOTS.len()])
    }

    /// Name and value of each.
    pub(super) fn values(&self) -> &[(&'static str, cel::Value)] {
        &self.values
    }

    fn from_json(values: [Value; ROOTS.len()]) -> Self {
        let filled = ROOTS.iter().zip(values).map(|((name, shape), mut value)| {
            fill(&mut value, shape);
            (*name, native(&value))
        });
        Self { values: filled.collect() }
    }
}

/// Puts null where a member is not there, so that asking for it is no fault.
fn fill(value: &mut Value, shape: &Shape) {
    match shape {
        Object(members) => {
            if !value.is_object() {
                *value = json!({});
            }
            for (name, shape) in *members {
                fill(&mut value[*name], shape);
            }
        }
        Open if !value.is_object() => *value = json!({}),
        List if !value.is_array() => *value = json!([]),
        _ => {}
    }
}

/// JSON in CEL's types. Whole numbers are `int`, whichever their sign: sums of `int` and `uint` do not exist.
fn native(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => number.as_i64().map_or_else(|| cel::Value::Float(number.as_f64().unwrap_or(0.0)), cel::Value::Int),
        Value::String(text) => cel::Value::String(text.clone().into()),
        Value::Array(items) => cel::Value::List(items.iter().map(native).collect::<Vec<_>>().into()),
        Value::Object(members) => {
            let members: HashMap<String, cel::Value> = members.iter().map(|(name, it)| (name.clone(), native(it))).collect();
            cel::Value::Map(members.into())
        }
    }
}
