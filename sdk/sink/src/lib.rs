//! What connectors of CRMs share: an interaction as a note for people, what the hub wrote into a record, values that mean the same.
//!
//! A crate of its own, so that it is built for size: it waits for a CRM, not for itself.

mod memory;
pub mod note;
pub mod same;

use patchbay_schemas::{Extra, IdentityKind, Lead, Receipt, RecordFields, Timestamp, time};
use serde_json::Value;

pub use memory::Wrote;

/// The lead's person's identities of one kind, best first.
#[must_use]
pub fn identities(lead: &Lead, kind: IdentityKind) -> Vec<String> {
    lead.contact.identities.iter().filter(|it| it.kind == kind).map(|it| it.value.clone()).collect()
}

/// Puts what stood in a record before it was written into the receipt's details, with the time of its last change: what people changed there since
/// the record last told is not lost by the write. `written`: fields of the lead that were written over it, by their names in the schema.
pub fn put_before(details: &mut Extra, at: Option<Timestamp>, fields: &RecordFields, written: &[&str]) {
    let said = patchbay_sdk::json::write(fields).ok().and_then(|it| patchbay_sdk::json::parse(it.as_bytes()).ok());
    if let (Some(at), Some(fields)) = (at, said) {
        let mut before = Extra::new();
        before.insert("at".to_owned(), Value::from(time::written(at)));
        before.insert("fields".to_owned(), fields);
        before.insert("written".to_owned(), written.iter().copied().map(Value::from).collect());
        details.insert("before".to_owned(), Value::Object(before));
    }
}

/// The receipt of a record, with how it came to be there: `created`, `found`.
#[must_use]
pub fn receipt(id: i64, how: &str) -> Receipt {
    let mut details = Extra::new();
    details.insert("result".to_owned(), Value::from(how));
    Receipt { remote_id: Some(id.to_string()), details }
}
