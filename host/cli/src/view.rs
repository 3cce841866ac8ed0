//! Leads, people and what was said, as people read them.

use std::fmt::Write as _;

use patchbay_schemas::{Assurance, Contact, IdentityKind, Lead, Stage};
use serde_json::{Value, json};

use super::output::{Table, clean, short, time};
use patchbay_host::replay::{Difference, Tally};
use patchbay_host::store::leads::InteractionView;

/// Longest text of an interaction in a timeline, characters.
const LONGEST_TEXT: usize = 160;

/// What is read differently, a row for each.
pub fn differences(all: &[Difference]) -> Table {
    let mut table = Table::new(["DELIVERY", "READ BY", "NOW", "EVENT", "KIND", "WHERE"]);
    for it in all {
        let place = it.problem.clone().unwrap_or_else(|| it.places.join(", "));
        let (key, kind) = (it.key.clone().unwrap_or_default(), it.kind.clone().unwrap_or_default());
        table.row([it.delivery.clone(), it.before.clone(), it.what.as_str().to_owned(), key, kind, place]);
    }
    table
}

/// How much is read differently, in one line.
pub fn tally(it: &Tally) -> String {
    format!(
        "{} deliveries: {} events as they were, {} new, {} changed, {} gone, {} deliveries unreadable",
        it.deliveries, it.same, it.new, it.changed, it.gone, it.unreadable
    )
}

/// What a lead lacks.
pub fn faults(lead: &Lead) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if lead.responsible.is_none() {
        faults.push("no responsible person");
    }
    if lead.stage.is_open() && lead.next_contact_at.is_none() {
        faults.push("no next contact date");
    }
    if matches!(&lead.stage, Stage::Refused { reason: None, .. }) {
        faults.push("no reason for the refusal");
    }
    faults
}

/// The lead as the API shows it, with what it lacks.
pub fn lead_json(lead: &Lead) -> Value {
    let mut value = serde_json::to_value(lead).unwrap_or_default();
    value["faults"] = json!(faults(lead));
    value
}

/// A contact's name, or the best that is known.
pub fn name(contact: &Contact) -> String {
    let label = contact.identities.iter().find_map(|it| it.label.clone());
    contact.name.clone().or(label).unwrap_or_else(|| "(no name)".to_owned())
}

/// The phone, else the e-mail, else the account.
pub fn reach(contact: &Contact) -> String {
    let first = [IdentityKind::Phone, IdentityKind::Email, IdentityKind::Handle].into_iter().find_map(|it| contact.first(it));
    first.unwrap_or_default().to_owned()
}

/// A lead with its person and timeline.
pub fn lead(lead: &Lead, connection: &str, timeline: &[InteractionView]) -> String {
    let mut table = Table::plain();
    let stage = match &lead.stage {
        Stage::Refused { reason, return_at } => {
            let reason = reason.as_deref().map(|it| format!(": {it}")).unwrap_or_default();
            let back = return_at.map(|it| format!(", come back {}", time(it))).unwrap_or_default();
            format!("refused{reason}{back}")
        }
        stage => stage.name().to_owned(),
    };
    let word = |it: Value| it.as_str().unwrap_or_default().replace('_', "-");
    table.wide_row(["title".to_owned(), lead.title.clone()]);
    table.wide_row(["stage".to_owned(), stage]);
    table.wide_row(["qualification".to_owned(), word(json!(lead.qualification)) + ", " + &word(json!(lead.temperature))]);
    table.wide_row(["responsible".to_owned(), lead.responsible.as_ref().map_or_else(|| "nobody yet".to_owned(), |it| it.name.clone())]);
    table.wide_row(["next contact".to_owned(), lead.next_contact_at.map_or_else(|| "not planned".to_owned(), time)]);
    table.wide_row(["source".to_owned(), source(lead, connection)]);
    if !lead.tags.is_empty() {
        table.wide_row(["tags".to_owned(), lead.tags.join(", ")]);
    }
    table.wide_row(["opened".to_owned(), time(lead.created_at)]);
    table.wide_row(["changed".to_owned(), time(lead.updated_at)]);
    let mut text = format!("Lead {}\n{}", lead.id, table.text());
    for fault in faults(lead) {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "  ! {fault}");
    }
    text + "\n" + &contact(&lead.contact) + "\n" + &self::timeline(timeline)
}

fn source(lead: &Lead, connection: &str) -> String {
    let origin = &lead.source.origin;
    let mut parts = vec![format!("{} ({connection})", lead.source.channel)];
    parts.extend(origin.utm.iter().map(|(key, value)| format!("utm_{key}={value}")));
    parts.extend(origin.clicks.iter().map(|(key, value)| format!("{key}={value}")));
    parts.extend(origin.page.iter().map(|it| format!("page {it}")));
    parts.extend(origin.line.iter().map(|it| format!("called {it}")));
    parts.extend(origin.start.iter().map(|it| format!("start {it}")));
    parts.join(", ")
}

/// A person with everything that points at them.
pub fn contact(contact: &Contact) -> String {
    let mut table = Table::plain();
    table.wide_row(["name".to_owned(), name(contact)]);
    for (label, value) in [("company", &contact.company), ("city", &contact.city), ("language", &contact.language)] {
        if let Some(value) = value {
            table.wide_row([label.to_owned(), value.clone()]);
        }
    }
    for identity in &contact.identities {
        let label = identity.label.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
        let vouched = if identity.assurance == Assurance::Vendor { "" } else { " (as stated)" };
        let kind = if identity.kind == IdentityKind::Handle { "account" } else { identity.kind.as_str() };
        table.wide_row([kind.to_owned(), format!("{}{label}{vouched}", identity.value)]);
    }
    format!("Contact {}\n{}", contact.id, table.text())
}

/// Interactions, oldest first.
pub fn timeline(newest_first: &[InteractionView]) -> String {
    let mut table = Table::plain();
    let mut sorted: Vec<&InteractionView> = newest_first.iter().rev().collect();
    sorted.sort_by_key(|it| it.at);
    for it in sorted {
        let payload = &it.event["payload"];
        let arrow = if payload["direction"] == "out" { "→ out" } else { "← in" };
        let kind = it.event["kind"].as_str().unwrap_or_default().to_owned();
        table.wide_row([time(it.at), arrow.to_owned(), it.connection.clone(), kind, said(payload)]);
    }
    let mut text = format!("Timeline, {} (UTC)\n{}", count(newest_first.len(), "interaction"), table.text());
    let mut threads: Vec<(String, &str)> =
        newest_first.iter().filter_map(|it| Some((it.conversation?.to_string(), it.connection.as_str()))).collect();
    threads.sort();
    threads.dedup();
    for (id, connection) in threads {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "  answer in {}: patchbay message send {id} --text \"…\"", clean(connection));
    }
    text
}

/// `1 lead`, `2 leads`
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// What an interaction says, on one line.
fn said(payload: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(result) = payload.pointer("/call/result").and_then(Value::as_str) {
        let talk = payload.pointer("/call/talk_s").and_then(Value::as_u64).map(|it| format!(", {it} s")).unwrap_or_default();
        parts.push(format!("[{result}{talk}]"));
    }
    for attachment in payload["attachments"].as_array().into_iter().flatten() {
        let word = |it: &Value| it.as_str().map(str::to_owned);
        let kind = word(&attachment["kind"]).unwrap_or_else(|| "file".to_owned());
        // A shared card has the number beside the name.
        let details = [word(&attachment["name"]), word(&attachment["extra"]["phone_number"])];
        parts.push(format!("[{}]", std::iter::once(kind).chain(details.into_iter().flatten()).collect::<Vec<_>>().join(" ")));
    }
    if let Some(subject) = payload.pointer("/mail/subject").and_then(Value::as_str) {
        parts.push(format!("{subject}:"));
    }
    match payload["text"].as_str() {
        Some(text) => parts.push(text.to_owned()),
        None => parts.extend(form(payload)),
    }
    short(&parts.join(" "), LONGEST_TEXT)
}

fn form(payload: &Value) -> Option<String> {
    let fields = payload.pointer("/form/fields")?.as_object()?;
    let word = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    Some(fields.iter().map(|(key, value)| format!("{key}={}", word(value))).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead_of(value: &Value) -> Lead {
        let mut whole = json!({
            "id": "lead_1", "title": "t", "stage": { "name": "lead" }, "source": { "channel": "form", "connection": "cxn_1" },
            "contact": { "id": "con_1", "identities": [], "created_at": "2026-01-01T00:00:00Z" },
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"
        });
        whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_lead_without_responsible_and_date_has_two_faults() {
        assert_eq!(faults(&lead_of(&json!({}))), ["no responsible person", "no next contact date"]);
        let sound = json!({ "responsible": { "name": "Ольга" }, "next_contact_at": "2026-01-02T00:00:00Z" });
        assert!(faults(&lead_of(&sound)).is_empty());
        let client = json!({ "responsible": { "name": "Ольга" }, "stage": { "name": "client" } });
        assert!(faults(&lead_of(&client)).is_empty());
    }

    #[test]
    fn an_interaction_is_told_in_one_line() {
        assert_eq!(said(&json!({ "text": "Добрый\nдень", "attachments": [{ "kind": "photo" }] })), "[photo] Добрый день");
        assert_eq!(said(&json!({ "call": { "result": "answered", "talk_s": 5 } })), "[answered, 5 s]");
        let card = json!({ "attachments": [{ "kind": "contact", "name": "Анна", "extra": { "phone_number": "79120000000" } }] });
        assert_eq!(said(&card), "[contact Анна 79120000000]");
        assert_eq!(said(&json!({ "form": { "fields": { "a": "1", "b": 2 } } })), "a=1 b=2");
    }
}
