//! Random values: what the types write, the schemas accept and the types read again.

use std::fmt::Debug;

use patchbay_schemas::payload_ref;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kinds::EVENTS;
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
    let validators = EVENTS.map(|kind| {
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

/// A random value validates and comes back equal.
fn agree<T>(schema: &str, values: impl Strategy<Value = T>)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let (contract, hub) = (validator(schema), strict(schema));
    proptest!(|(value in values)| {
        let text = serde_json::to_string(&value).expect("every value can be written");
        let document: Value = serde_json::from_str(&text).expect("it is JSON text");
        prop_assert_eq!(faults(&contract, &document), [""; 0]);
        prop_assert_eq!(faults(&hub, &document), [""; 0]);
        prop_assert_eq!(serde_json::from_str::<T>(&text).expect("what is written can be read"), value);
    });
}
