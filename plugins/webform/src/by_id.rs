//! Deliveries that carry only ids: the answers must be fetched from the vendor. Facebook lead ads and `SurveyMonkey`.

use patchbay_sdk::schemas::interaction::Form;
use patchbay_sdk::schemas::{Detail, Direction, Event, EventBody, Extra, Interaction, Person, Source};
use serde_json::Value;

use crate::{field, time};

/// Reads the delivery; `None`: it is of another kind.
#[must_use]
pub fn read(document: &Extra) -> Option<Vec<Event>> {
    let entries = document.get("entry");
    if document.get("object").and_then(Value::as_str) == Some("page")
        || entries.is_some_and(|it| it.get(0).is_some_and(|it| it.get("changes").is_some()))
    {
        let entries = entries.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let changes = entries.iter().filter_map(|it| it.get("changes").and_then(Value::as_array)).flatten();
        return Some(changes.filter_map(change).collect());
    }
    // The console's test button sends a change without its envelope.
    let lone = document.get("sample").and_then(Value::as_object).unwrap_or(document);
    if lone.get("value").is_some_and(|it| it.get("leadgen_id").is_some()) {
        return Some(change(&Value::Object(lone.clone())).into_iter().collect());
    }
    let notified = document.contains_key("object_type") && document.contains_key("event_datetime") && document.contains_key("resources");
    notified.then(|| survey(document).into_iter().collect())
}

/// A change without a `leadgen_id` cannot be fetched: it is of no use.
fn change(change: &Value) -> Option<Event> {
    let value = change.get("value")?.as_object()?;
    let id = told(value, "leadgen_id")?;
    let at = told(value, "created_time");
    Some(known("facebook", id, told(value, "form_id"), at.as_deref(), value))
}

/// Collectors and deleted responses are of no interest.
fn survey(document: &Extra) -> Option<Event> {
    let what = document.get("event_type").and_then(Value::as_str).unwrap_or_default();
    if !what.starts_with("response_") || what == "response_deleted" {
        return None;
    }
    let id = told(document, "object_id")?;
    let form = document.get("resources").and_then(|it| told(it.as_object()?, "survey_id"));
    Some(known("surveymonkey", id, form, told(document, "event_datetime").as_deref(), document))
}

fn known(vendor: &str, id: String, form: Option<String>, at: Option<&str>, sent: &Extra) -> Event {
    let mut extra = sent.clone();
    extra.insert("vendor".to_owned(), Value::from(vendor));
    extra.insert("needs_fetch".to_owned(), Value::Bool(true));
    let event_id = format!("{vendor}:{id}");
    let form = Form { id: Some(id), name: form, ..Form::default() };
    let interaction = Interaction {
        direction: Direction::In,
        person: Person::default(),
        conversation: None,
        text: None,
        author: None,
        attachments: Vec::new(),
        source: Source::default(),
        detail: Detail::Form(form),
        extra,
    };
    Event { id: event_id, occurred_at: at.and_then(time::parse), body: EventBody::Form(interaction) }
}

fn told(object: &Extra, key: &str) -> Option<String> {
    object.get(key).map(field::text).filter(|it| !it.is_empty())
}
