//! The Rust type behind each schema, and what it means that both say the same.

use std::collections::BTreeMap;
use std::fmt::Debug;

use patchbay_schemas::{Command, Contact, Conversation, Event, Identity, Interaction, Lead, Manifest, Receipt, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::validators::schemas;

/// The kinds of event that are ours.
pub const EVENTS: [&str; 10] = ["message", "call", "form", "mail", "comment", "rating", "status", "record", "person", "other"];

/// Reads a document into the type behind a schema and writes it back.
pub fn reread(schema: &str, document: &Value) -> Result<Value, String> {
    match schema {
        "event.json" => through::<Event>(document),
        "interaction.json" => through::<Interaction>(document),
        "identity.json" => through::<Identity>(document),
        "contact.json" => through::<Contact>(document),
        "lead.json" => through::<Lead>(document),
        "conversation.json" => through::<Conversation>(document),
        "command.json" => through::<Command>(document),
        "receipt.json" => through::<Receipt>(document),
        "manifest.json" => through::<Manifest>(document),
        other => Err(format!("{other} has no Rust type")),
    }
}

/// By way of text, as events travel. What is written must read as the same value again.
fn through<T: Serialize + DeserializeOwned + PartialEq + Debug>(document: &Value) -> Result<Value, String> {
    let value: T = serde_json::from_str(&document.to_string()).map_err(|error| error.to_string())?;
    let text = serde_json::to_string(&value).map_err(|error| error.to_string())?;
    let again: T = serde_json::from_str(&text).map_err(|error| format!("written but not read: {error}"))?;
    if again != value {
        return Err(format!("read {value:?}, wrote it and read {again:?}"));
    }
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Members that may stand on one side alone, with their values: the `default`s of the schemas.
pub struct Defaults(BTreeMap<String, Value>);

impl Defaults {
    pub fn of_v1() -> Self {
        let mut found = BTreeMap::new();
        for (_, schema) in schemas() {
            collect(&schema, &mut found);
        }
        Self(found)
    }

    /// Where two documents differ, as a JSON pointer; `None`: they say the same. Moments are compared as moments (the hub writes
    /// UTC), numbers as numbers, and what is left out stands for its default.
    pub fn difference(&self, left: &Value, right: &Value) -> Option<String> {
        match (left, right) {
            (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).find_map(|key| {
                let default = self.0.get(key);
                match (a.get(key).or(default), b.get(key).or(default)) {
                    (Some(a), Some(b)) => self.difference(a, b).map(|rest| format!("/{key}{rest}")),
                    _ => Some(format!("/{key}")),
                }
            }),
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                a.iter().zip(b).enumerate().find_map(|(at, (a, b))| self.difference(a, b).map(|rest| format!("/{at}{rest}")))
            }
            (Value::String(a), Value::String(b)) if a != b => {
                let moment = |text: &str| text.parse::<Timestamp>().ok();
                (moment(a).is_none() || moment(a) != moment(b)).then(String::new)
            }
            (Value::Number(a), Value::Number(b)) if a != b => (a.as_f64() != b.as_f64()).then(String::new),
            _ => (left != right).then(String::new),
        }
    }
}

fn collect(schema: &Value, found: &mut BTreeMap<String, Value>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let Some(default) = property.get("default") else { continue };
            let earlier = found.insert(name.clone(), default.clone());
            assert!(earlier.is_none_or(|earlier| earlier == *default), "two defaults for {name}");
        }
    }
    match schema {
        Value::Object(members) => members.values().for_each(|it| collect(it, found)),
        Value::Array(items) => items.iter().for_each(|it| collect(it, found)),
        _ => {}
    }
}
