//! Random values: what the types write, the schemas accept; what the schemas accept, the types read.

use std::fmt::Debug;

use patchbay_schemas::payload_ref;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::kinds::reread;
use crate::strategies::command::command;
use crate::strategies::event::event;
use crate::strategies::interaction::interaction;
use crate::strategies::lead::lead;
use crate::strategies::manifest::manifest;
use crate::strategies::person::{contact, conversation, identity};
use crate::strategies::receipt;
use crate::validators::{BASE, faults, strict, validator};

#[test]
fn events() {
    agree("event.json", event());
}

#[test]
fn interactions() {
    agree("interaction.json", interaction());
}

#[test]
fn identities() {
    agree("identity.json", identity());
}

#[test]
fn contacts() {
    agree("contact.json", contact());
}

#[test]
fn leads() {
    agree("lead.json", lead());
}

#[test]
fn conversations() {
    agree("conversation.json", conversation());
}

#[test]
fn commands() {
    agree("command.json", command());
}

#[test]
fn receipts() {
    agree("receipt.json", receipt());
}

#[test]
fn manifests() {
    agree("manifest.json", manifest());
}

#[test]
fn payloads_alone() {
    let kinds = ["message", "call", "form", "mail", "comment", "rating", "status", "record", "person", "other"];
    let validators = kinds.map(|kind| {
        let place = payload_ref(kind).and_then(|it| it.strip_prefix(BASE)).expect(kind);
        (kind, validator(place))
    });
    proptest!(|(event in event())| {
        let payload: Value = serde_json::from_str(&event.body.payload().expect("a payload is JSON")).expect("it is JSON text");
        for (kind, validator) in &validators {
            let found = faults(validator, &payload);
            if *kind == event.body.kind() {
                prop_assert_eq!(found, [""; 0]);
            } else if event.body.interaction().is_some() {
                prop_assert!(!found.is_empty(), "{} passes for {}", event.body.kind(), kind);
            }
        }
    });
}

/// A random value validates and comes back equal; the same document with one random fault is refused, or still understood.
fn agree<T>(schema: &str, values: impl Strategy<Value = T>)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let (contract, hub) = (validator(schema), strict(schema));
    proptest!(|(value in values, at in any::<Index>(), edit in edit())| {
        let text = serde_json::to_string(&value).expect("every value can be written");
        let mut document: Value = serde_json::from_str(&text).expect("it is JSON text");
        prop_assert_eq!(faults(&contract, &document), [""; 0]);
        prop_assert_eq!(faults(&hub, &document), [""; 0]);
        prop_assert_eq!(&serde_json::from_str::<T>(&text).expect("what is written can be read"), &value);

        edit.apply(&mut document, &at);
        if hub.is_valid(&document) && !of_unknown_kind(&document) {
            let read = reread(schema, &document);
            prop_assert!(read.is_ok(), "accepted, but not read: {}\n{}", read.unwrap_err(), document);
        }
    });
}

/// Such an event, or one inside of a command, is beyond the Rust types.
fn of_unknown_kind(document: &Value) -> bool {
    let unknown = |event: &Value| event["kind"].as_str().is_some_and(|kind| payload_ref(kind).is_none());
    match document.get("idempotency_key") {
        Some(_) => document["payload"].get("event").is_some_and(unknown),
        None => document.get("payload").is_some() && unknown(document),
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Replace(Value),
    Remove,
    Add(&'static str, Value),
}

fn edit() -> impl Strategy<Value = Edit> {
    let names = select(vec!["text", "message", "call", "kind", "id", "reason", "person", "extra", "size", "wait_s", "occurred_at", "x"]);
    prop_oneof![junk().prop_map(Edit::Replace), Just(Edit::Remove), (names, junk()).prop_map(|(name, value)| Edit::Add(name, value))]
}

fn junk() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(65_536),
        json!(4_294_967_296_u64),
        json!(9_007_199_254_740_992_u64),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("call"),
        json!("client"),
        json!("2026-02-30T00:00:00Z"),
        json!("2026-03-14T12:26:53+03:00"),
        json!("2016-12-31T23:59:60Z"),
        json!("9999-12-31T23:59:59Z"),
        json!([]),
        json!([{}]),
        json!({}),
        json!({ "id": "7" }),
        json!({ "kind": "phone", "value": "112" }),
    ])
}

impl Edit {
    fn apply(&self, document: &mut Value, at: &Index) {
        let mut places = Vec::new();
        collect(document, String::new(), &mut places);
        let place = at.get(&places).clone();
        let Some(target) = document.pointer_mut(&place) else { return };
        match self {
            Self::Replace(value) => *target = value.clone(),
            Self::Add(name, value) => {
                if let Some(members) = target.as_object_mut() {
                    members.insert((*name).to_owned(), value.clone());
                }
            }
            Self::Remove => {
                let Some((parent, name)) = place.rsplit_once('/') else { return };
                match document.pointer_mut(parent) {
                    Some(Value::Object(members)) => drop(members.remove(&name.replace("~1", "/").replace("~0", "~"))),
                    Some(Value::Array(items)) => drop(items.remove(name.parse().expect("an index"))),
                    _ => {}
                }
            }
        }
    }
}

fn collect(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, it) in members {
                collect(it, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, it)| collect(it, format!("{at}/{n}"), places)),
        _ => {}
    }
    places.push(at);
}
