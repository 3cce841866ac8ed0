//! What a schema accepts, the Rust type reads: shown by every small change of every accepted example.

use patchbay_schemas::payload_ref;
use serde_json::{Value, json};

use crate::documents::accepted;
use crate::kinds::reread;
use crate::validators::{documents, strict};

#[test]
fn what_a_schema_accepts_its_type_reads() {
    let values = values();
    let (mut tried, mut accepted_still) = (0, 0);
    for schema in documents() {
        let hub = strict(schema);
        for example in accepted(schema) {
            for place in places(&example.document) {
                for edited in edits(&example.document, &place, &values) {
                    tried += 1;
                    if !hub.is_valid(&edited) || beyond(schema, &edited) {
                        continue;
                    }
                    accepted_still += 1;
                    if let Err(error) = reread(schema, &edited) {
                        panic!("{} with a change at {place:?} is accepted, but not read: {error}\n{edited}", example.path.display());
                    }
                }
            }
        }
    }
    assert!(tried > 20_000 && accepted_still > 2_000, "{accepted_still} of {tried} changes were accepted");
}

/// Values at the edge of what some place takes, and far beyond.
fn values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(12.0),
        json!(u16::MAX),
        json!(u32::from(u16::MAX) + 1),
        json!(u32::MAX),
        json!(u64::from(u32::MAX) + 1),
        json!(9_007_199_254_740_991_u64),
        json!(9_007_199_254_740_992_u64),
        json!(u64::MAX),
        json!([]),
        json!([{}]),
        json!({}),
        json!({ "id": "7" }),
        json!({ "kind": "phone", "value": "112" }),
    ];
    values.extend(
        [
            "",
            "x",
            "call",
            "client",
            "basic",
            "2026-02-30T00:00:00Z",
            "2026-03-14T12:26:53+03:00",
            "2026-03-14t12:26:53z",
            "2016-12-31T23:59:60Z",
            "0000-01-01T00:00:00+23:59",
            "8999-12-31T23:59:59.999999999-23:59",
            "9999-12-31T23:59:59Z",
        ]
        .map(Value::from),
    );
    values
}

/// The document with its place replaced by each value, with a member added there, and without the place.
fn edits(document: &Value, place: &str, values: &[Value]) -> Vec<Value> {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut edited = document.clone();
        change(edited.pointer_mut(place).expect("the place was found there"));
        edited
    };
    let mut edited: Vec<Value> = values.iter().map(|value| with(&|it| *it = value.clone())).collect();
    for name in ["text", "message", "call", "kind", "id", "reason", "person", "extra", "name"] {
        for value in [json!("x"), json!({}), json!({ "id": "7" })] {
            if document.pointer(place).is_some_and(Value::is_object) {
                edited.push(with(&|it| it[name] = value.clone()));
            }
        }
    }
    edited.extend(without(document, place));
    edited
}

fn without(document: &Value, place: &str) -> Option<Value> {
    let (parent, name) = place.rsplit_once('/')?;
    let mut edited = document.clone();
    match edited.pointer_mut(parent)? {
        Value::Object(members) => drop(members.remove(&name.replace("~1", "/").replace("~0", "~"))?),
        Value::Array(items) => drop(items.remove(name.parse().ok()?)),
        _ => return None,
    }
    Some(edited)
}

/// JSON pointers to everything in a document, itself included.
fn places(document: &Value) -> Vec<String> {
    fn collect(value: &Value, at: &str, places: &mut Vec<String>) {
        places.push(at.to_owned());
        match value {
            Value::Object(members) => {
                for (name, it) in members {
                    collect(it, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
                }
            }
            Value::Array(items) => items.iter().enumerate().for_each(|(n, it)| collect(it, &format!("{at}/{n}"), places)),
            _ => {}
        }
    }
    let mut places = Vec::new();
    collect(document, "", &mut places);
    places
}

/// An event of an unknown kind is beyond the Rust types: the hub looks at the kind first. In a manifest, where numbers come from
/// TOML, a whole number is never written with a fraction.
fn beyond(schema: &str, document: &Value) -> bool {
    let unknown = |event: &Value| event["kind"].as_str().is_some_and(|kind| payload_ref(kind).is_none());
    match schema {
        "event.json" => unknown(document),
        "command.json" => document["payload"].get("event").is_some_and(unknown),
        "manifest.json" => document.to_string().contains("12.0"),
        _ => false,
    }
}
