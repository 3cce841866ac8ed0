//! A CRM: leads go there and are never doubled; what changes there comes back.

use patchbay_sdk::http::{self, Answer, Call};
use patchbay_sdk::schemas::command::{CommandBody, InteractionAdd, LeadUpsert};
use patchbay_sdk::schemas::{
    Command, Event, EventBody, IdentityKind, Receipt, RecordAction, RecordChange, RecordFields,
    Responsible, Stage, Timestamp,
};
use patchbay_sdk::serde_json::{Value, json};
use patchbay_sdk::{CommandKind, Connector, Failure, Page};

struct Crm;

impl Connector for Crm {
    const COMMANDS: &'static [CommandKind] =
        &[CommandKind::LeadUpsert, CommandKind::InteractionAdd];

    /// The hub asks for something to be written. The same command may come again, after a crash for example.
    fn execute(command: Command) -> Result<Receipt, Failure> {
        match command.body {
            CommandBody::LeadUpsert(it) => upsert(&it),
            CommandBody::InteractionAdd(it) => note(&it),
            other => Err(Failure::never(
                "crm.command",
                format!("`{}` is not for a CRM", other.kind()),
            )),
        }
    }

    /// What changed since `cursor`, the time of the newest change that is known.
    fn poll(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        let since = cursor.as_deref().unwrap_or("1970-01-01T00:00:00Z");
        let answer = ask(http::get(
            "api",
            format!("/leads?changed_since={since}&limit={limit}"),
        ))?;
        let Value::Array(leads) = answer else {
            return Err(Failure::later(
                "crm.answer",
                "the CRM did not answer with a list",
            ));
        };
        let more = leads.len() >= limit as usize;
        let events: Vec<Event> = leads.iter().filter_map(change).collect();
        let newest = events.iter().filter_map(|it| it.occurred_at).max();
        Ok(Page {
            events,
            next_cursor: newest.map(|it| it.to_string()).or(cursor),
            more,
        })
    }

    /// Does this connection work?
    fn check() -> Result<Value, Failure> {
        Ok(json!({ "account": ask(http::get("api", "/me"))?["name"] }))
    }
}

patchbay_sdk::register!(Crm: polling, commands, check);

/// Writes a lead. One that the CRM may have already is looked for first, by our own reference: a crash between its answer and the
/// hub's commit must not make a second one.
fn upsert(command: &LeadUpsert) -> Result<Receipt, Failure> {
    let lead = &command.lead;
    let known = match &command.remote_id {
        Some(id) => Some(id.clone()),
        None => found(&format!("/leads?reference={}", lead.id))?,
    };
    let fields = json!({
        "reference": lead.id,
        "title": lead.title,
        "stage": lead.stage.name(),
        "name": lead.contact.name,
        "phone": lead.contact.first(IdentityKind::Phone),
        "email": lead.contact.first(IdentityKind::Email),
        "responsible": lead.responsible.as_ref().map(|it| &it.name),
    });
    let remote_id = match known {
        Some(id) => {
            ask(Call::new("PATCH", "api", format!("/leads/{id}")).json(&fields)?)?;
            Some(id)
        }
        None => text(&ask(http::post("api", "/leads").json(&fields)?)?, "id"),
    };
    Ok(Receipt {
        remote_id,
        ..Receipt::default()
    })
}

/// Adds what was said to the lead's history, once.
fn note(command: &InteractionAdd) -> Result<Receipt, Failure> {
    let notes = format!("/leads/{}/notes", command.lead_remote_id);
    if let Some(id) = found(&format!("{notes}?reference={}", command.interaction_id))? {
        return Ok(Receipt {
            remote_id: Some(id),
            ..Receipt::default()
        });
    }
    let said = command
        .event
        .body
        .interaction()
        .and_then(|it| it.text.as_deref());
    let note = json!({
        "reference": command.interaction_id,
        "channel": command.channel,
        "kind": command.event.body.kind(),
        "text": said,
    });
    let made = ask(http::post("api", notes).json(&note)?)?;
    Ok(Receipt {
        remote_id: text(&made, "id"),
        ..Receipt::default()
    })
}

/// The id of the first record that this question finds.
fn found(question: &str) -> Result<Option<String>, Failure> {
    Ok(ask(http::get("api", question))?
        .get(0)
        .and_then(|it| text(it, "id")))
}

/// A lead that changed there.
fn change(lead: &Value) -> Option<Event> {
    let external_id = text(lead, "id")?;
    let occurred_at: Timestamp = lead["updated_at"].as_str()?.parse().ok()?;
    let stage = match lead["stage"].as_str() {
        Some("interest") => Some(Stage::Interest),
        Some("lead") => Some(Stage::Lead),
        Some("client") => Some(Stage::Client),
        Some("refused") => Some(Stage::Refused {
            reason: None,
            return_at: None,
        }),
        _ => None,
    };
    let responsible = text(lead, "responsible").map(|name| Responsible { id: None, name });
    let record = RecordChange {
        entity: "lead".to_owned(),
        action: RecordAction::Updated,
        external_id: external_id.clone(),
        lead: None,
        person_ref: None,
        fields: RecordFields {
            stage,
            responsible,
            ..RecordFields::default()
        },
        extra: Default::default(),
    };
    // The same change, read twice, is one event.
    let id = format!("lead:{external_id}:{occurred_at}");
    Some(Event {
        id,
        occurred_at: Some(occurred_at),
        body: EventBody::Record(record),
    })
}

/// Sends a request and reads the answer. 401: the credential is refused; 429 and 5xx: later; anything else: never.
fn ask(call: Call) -> Result<Value, Failure> {
    let answer: Answer = call.timeout_ms(20_000).send()?;
    if !answer.is_success() {
        return Err(answer.failure("the CRM did not do it"));
    }
    answer.json()
}

/// A text of a record that fits where the schemas want one.
fn text(record: &Value, key: &str) -> Option<String> {
    let text = record.get(key)?.as_str()?;
    (!text.is_empty() && text.chars().count() <= 400).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_change_has_the_same_id_and_the_next_one_another() {
        let at = |time: &str| {
            change(&json!({ "id": "5", "updated_at": time }))
                .unwrap()
                .id
        };
        assert_eq!(at("2026-03-14T09:26:53Z"), at("2026-03-14T12:26:53+03:00"));
        assert_ne!(at("2026-03-14T09:26:53Z"), at("2026-03-14T09:26:54Z"));
    }

    #[test]
    fn a_stage_that_is_unknown_here_says_nothing() {
        let changed =
            json!({ "id": "5", "updated_at": "2026-03-14T09:26:53Z", "stage": "archived" });
        let EventBody::Record(record) = change(&changed).unwrap().body else {
            panic!("a record")
        };
        assert_eq!(record.fields.stage, None);
    }
}
