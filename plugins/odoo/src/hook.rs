//! What an automation rule posts (`Send Webhook Notification`): a hint that a record changed, with the fields that were chosen.

use patchbay_sdk::schemas::event::RecordFields;
use patchbay_sdk::schemas::{Event, EventBody, Extra, RecordAction, RecordChange};
use patchbay_sdk::{Failure, Request};
use patchbay_sink::same;
use serde_json::Value;

use crate::client::text;
use crate::payload::Record;
use crate::{map, time};

/// Names of people and records are in the fields of their own, links are bare ids: only what needs no question becomes a field.
const MAPPED: [&str; 6] = ["name", "contact_name", "phone", "email_from", "partner_name", "city"];

/// The event of a delivery. Other models than `crm.lead` are of no interest.
///
/// One change is posted up to fifteen times: all have one id, of the record, the time of the change and what is said.
pub fn events(request: &Request) -> Result<Vec<Event>, Failure> {
    let hook: Value = request.value()?;
    let id = hook["_id"].as_i64().or_else(|| hook["id"].as_i64());
    let (Some(id), Some(model)) = (id, hook["_model"].as_str().map(str::to_owned)) else {
        return Err(Failure::never("odoo.hook", "an automation rule of Odoo sends _id and _model"));
    };
    if model != "crm.lead" {
        return Ok(Vec::new());
    }
    let deleted = request.path.trim_end_matches('/').ends_with("/deleted");
    let record = Record(hook);
    let fields = RecordFields { title: record.present("name"), person: map::person(&record), ..RecordFields::default() };
    let mut extra = Extra::new();
    let mut said = Extra::new();
    for (key, value) in record.0.as_object().into_iter().flatten() {
        if !key.starts_with('_') && !value.is_null() && *value != false && !MAPPED.contains(&key.as_str()) {
            extra.insert(key.clone(), value.clone());
        }
        // The rule's name (`_action`) holds a number that differs from rule to rule: two rules about one change say the same.
        if key != "_action" && key != "_name" {
            said.insert(key.clone(), value.clone());
        }
    }
    let written = record.text("write_date").trim();
    let occurred_at = time::parse(written);
    // What is no time, or something longer, does not belong into an id.
    let written = if occurred_at.is_some() { written } else { "" };
    let action = if deleted { RecordAction::Deleted } else { RecordAction::Changed };
    let word = if deleted { "deleted" } else { "hook" };
    Ok(vec![Event {
        id: format!("{word}:crm.lead:{id}:{written}:{}", same::print(&text(&said))),
        occurred_at,
        body: EventBody::Record(RecordChange {
            entity: model,
            action,
            external_id: id.to_string(),
            lead: None,
            person_ref: None,
            fields,
            extra,
        }),
    }])
}
