//! Random values of every type, within the limits of the schemas. The larger strategies are boxed: a test thread has a stack of 2 MiB.

pub mod command;
pub mod event;
pub mod interaction;
pub mod lead;
pub mod manifest;
pub mod person;

use patchbay_schemas::{Extra, Receipt, Timestamp};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value;

/// A vendor's id: anything but nothing.
pub fn id() -> BoxedStrategy<String> {
    prop_oneof!["[0-9]{1,20}", "\\PC{1,16}"].boxed()
}

/// A typed id of the hub: `con_01J…`.
pub fn ours(prefix: &'static str) -> impl Strategy<Value = String> {
    "[0-9A-HJKMNP-TV-Z]{26}".prop_map(move |ulid| format!("{prefix}_{ulid}"))
}

/// A lower-case word: a channel, a kind.
pub fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,8}([._-][a-z0-9]{1,5}){0,2}"
}

/// A short text, also an empty one.
pub fn line() -> BoxedStrategy<String> {
    "\\PC{0,24}".boxed()
}

/// A text with line breaks and control characters.
pub fn text() -> BoxedStrategy<String> {
    "(?s).{0,60}".boxed()
}

/// A moment of the years 1 to 8998.
pub fn moment() -> impl Strategy<Value = Timestamp> {
    let years = -62_135_596_800_i64..221_812_300_000;
    let nanoseconds = prop_oneof![Just(0), Just(589_000_000), 0..1_000_000_000_i32];
    (years, nanoseconds).prop_map(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).expect("within jiff's years"))
}

/// A fraction that text keeps exactly.
pub fn number() -> impl Strategy<Value = f64> {
    any::<i32>().prop_map(|eighths| f64::from(eighths) / 8.0)
}

/// Any JSON.
pub fn json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), members(inner).prop_map(Value::Object)]
    })
    .boxed()
}

/// Any JSON object.
pub fn extra() -> BoxedStrategy<Extra> {
    members(json()).boxed()
}

fn members(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Extra> {
    vec((line(), values), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

/// A receipt.
pub fn receipt() -> impl Strategy<Value = Receipt> {
    (of(id()), extra()).prop_map(|(remote_id, details)| Receipt { remote_id, details })
}
