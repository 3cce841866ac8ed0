//! Reads the hub's commands.
//!
//! By hand: what `derive` makes of these types was 190 kB of a CRM's connector, and 18 kB of a messenger's, which needs but one of
//! them. The struct literals keep the readers complete, and tests hold them against `derive`.

mod call;
mod interaction;
mod lead;
mod message;
mod reader;
mod status;
mod webhook;

pub use call::call_start;
pub use interaction::interaction_add;
pub use lead::lead_upsert;
pub use message::message_send;
pub use reader::{Reader, read};
pub use status::message_status;
pub use webhook::{webhook_remove, webhook_set};

#[cfg(test)]
mod agreement {
    //! The readers against `derive`.

    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::{Reader, read};

    /// Both make the same of a document.
    pub fn agrees<T: DeserializeOwned + PartialEq + std::fmt::Debug>(document: &Value, reader: fn(Reader) -> T) {
        let theirs: Option<T> = serde_json::from_value(document.clone()).ok();
        assert_eq!(read(document.to_string().as_bytes(), reader).ok(), theirs, "{document}");
    }

    /// Both make the same of a document, also when any part of it is damaged. Our readers take null for absent everywhere, `derive`
    /// does not where there is a default.
    pub fn agrees_on_all<T: DeserializeOwned + PartialEq + std::fmt::Debug>(whole: &Value, reader: fn(Reader) -> T) {
        assert!(read(whole.to_string().as_bytes(), reader).is_ok(), "{whole}");
        agrees(whole, reader);
        let mut places = Vec::new();
        collect(whole, "", &mut places);
        for place in places {
            let is_object = whole.pointer(&place).is_some_and(Value::is_object);
            for odd in [json!(1), json!(-1.5), json!("photo"), json!([]), json!({}), json!(true)] {
                // `derive` reads a list as the fields in order.
                if is_object && odd == json!([]) {
                    continue;
                }
                let mut damaged = whole.clone();
                *damaged.pointer_mut(&place).expect("a place") = odd;
                agrees(&damaged, reader);
            }
            let (parent, name) = place.rsplit_once('/').expect("a pointer");
            let mut damaged = whole.clone();
            if let Some(fields) = damaged.pointer_mut(parent).and_then(Value::as_object_mut) {
                fields.remove(name);
                agrees(&damaged, reader);
                let without = read(damaged.to_string().as_bytes(), reader).ok();
                damaged.pointer_mut(parent).expect("a place")[name] = Value::Null;
                let expected = serde_json::from_value(damaged.clone()).ok().or(without);
                assert_eq!(read(damaged.to_string().as_bytes(), reader).ok(), expected, "null at {place}");
            }
        }
    }

    fn collect(value: &Value, place: &str, places: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, it) in fields {
                    places.push(format!("{place}/{name}"));
                    collect(it, &format!("{place}/{name}"), places);
                }
            }
            Value::Array(items) => {
                for (at, it) in items.iter().enumerate() {
                    places.push(format!("{place}/{at}"));
                    collect(it, &format!("{place}/{at}"), places);
                }
            }
            _ => {}
        }
    }
}
