//! `lead.upsert`: find the record, else make it; then bring it up to what the hub knows. See [`find`](crate::find) for how it is found.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::command::LeadUpsert;
use patchbay_sdk::schemas::event::RecordFields;
use patchbay_sdk::schemas::{Extra, Receipt, Timestamp, time};
use patchbay_sdk::{Failure, Retry};
use patchbay_sink::{Wrote, put_before};
use serde_json::Value;

use crate::ask::{command, list, parameters};
use crate::client::{Client, NOT_FOUND};
use crate::config::{Config, Kind};
use crate::create::create;
use crate::find::{Seen, look, method};
use crate::lead::{ORIGINATOR, Wanted, change_reach, change_texts, wanted};
use crate::map::{self, Around};
use crate::next;
use crate::payload::{CONTACT_FIELDS, Record, number, records};
use crate::stage::Goal;
use crate::user;

/// Carries out an upsert.
pub fn upsert(client: Client<'_>, config: &Config, upsert: &LeadUpsert) -> Result<Receipt, Failure> {
    let wanted = wanted(&upsert.lead, config);
    let seen = look(client, config, upsert, &wanted)?;
    if let Some((record, how)) = &seen.record {
        return update(client, config, upsert, &wanted, &seen, record, how).map_err(vanished);
    }
    let made = create(client, config, upsert, &wanted, &seen)?;
    let mut receipt = receipt(config, upsert, &wanted, made.id, made.todo, "created");
    if !made.left_out.is_empty() {
        receipt.details.insert("left_out".to_owned(), Value::from(made.left_out));
    }
    Ok(receipt)
}

/// Somebody deleted the record while it was written: the next try looks for it anew.
fn vanished(failure: Failure) -> Failure {
    if failure.code == NOT_FOUND { Failure { retry: Retry::Later, ..failure } } else { failure }
}

fn update(
    client: Client<'_>,
    config: &Config,
    upsert: &LeadUpsert,
    wanted: &Wanted,
    seen: &Seen,
    record: &Record,
    how: &'static str,
) -> Result<Receipt, Failure> {
    let (kind, id) = (config.kind, record.id());
    // What was known of another record says nothing of this one.
    let nothing = Extra::new();
    let wrote = Wrote::of(if how == "updated" { &upsert.known } else { &nothing }).against(&upsert.settled, "TITLE");
    let mut fields = Object::default();
    change_texts(&mut fields, &wanted.texts, record, wrote);
    let source = wanted.sources.first().map_or("", |it| it);
    if let Some(code) = wanted.source(&seen.sources)
        && code != record.text("SOURCE_ID")
        && wrote.may_write("SOURCE_ID", source, record.text("SOURCE_ID").is_empty())
    {
        fields.put("SOURCE_ID", code.to_owned());
    }
    if record.text("ORIGIN_ID").is_empty() && record.text("ORIGINATOR_ID").is_empty() {
        fields.put("ORIGINATOR_ID", ORIGINATOR);
        fields.put("ORIGIN_ID", upsert.lead.id.clone());
    }
    // Every record has somebody who answers for it: one that the hub never wrote keeps whom it has.
    if wrote.may_write("user", user::responsible(&upsert.lead), false) && seen.user != 0 && seen.user != record.number("ASSIGNED_BY_ID") {
        fields.put("ASSIGNED_BY_ID", seen.user);
    }
    if !wanted.goal.is_reached(record, config, &seen.stages) && may_move(wanted, record, wrote, kind) {
        fields.put(kind.stage_field(), seen.stages.target(&wanted.goal)?.code.clone());
    }
    let written = [("responsible", "ASSIGNED_BY_ID"), ("stage", kind.stage_field()), ("title", "TITLE")];
    let mut written: Vec<&str> = written.into_iter().filter(|(_, it)| fields.peek(it).is_some()).map(|(name, _)| name).collect();
    let mut commands = Vec::new();
    match kind {
        Kind::Lead => {
            change_texts(&mut fields, &wanted.person, record, wrote);
            change_reach(&mut fields, wanted, record, wrote);
        }
        Kind::Deal => {
            let (contact, person) = change_contact(client, wanted, seen, record, wrote)?;
            if !person.is_empty() {
                commands.push(command("contact", "crm.contact.update", changed(contact, person)));
            }
        }
    }
    if !fields.is_empty() {
        commands.insert(0, command("record", method(kind, "update"), changed(id, fields)));
    }
    let mut todo = if how == "updated" { upsert.known.get(next::NAME).map_or(0, number) } else { 0 };
    if let Some(at) = planned(upsert, config).filter(|it| wrote.may_write("next", &it.to_string(), true)) {
        written.push("next_contact_at");
        match next::find(client, kind, id)? {
            Some(ours) if next::due(&ours) == Some(at) => todo = ours.id(),
            Some(ours) => {
                todo = ours.id();
                commands.push(next::shift(kind, id, todo, at));
            }
            None => commands.push(next::add(kind, id.into(), at, seen.user)),
        }
    }
    if !commands.is_empty() {
        let answers = client.batch(false, &commands)?;
        for it in &commands {
            let answer = answers.get(it.name)?;
            if it.name == next::NAME && answer["id"] != Value::Null {
                todo = number(&answer["id"]);
            }
        }
    }
    let mut receipt = receipt(config, upsert, wanted, id, todo, how);
    receipt.details.insert("changed".to_owned(), Value::from(!commands.is_empty()));
    put_before(&mut receipt.details, time::parse(&record.text("DATE_MODIFY")), &before(record, seen, config), &written);
    Ok(receipt)
}

/// What stood in the record. Who answers for it only where that was asked for, because the hub may name somebody else or knows nobody.
fn before(record: &Record, seen: &Seen, config: &Config) -> RecordFields {
    let around = Around { stages: seen.stages.clone(), users: seen.assigned.clone(), activities: Vec::new() };
    let fields = map::fields(record, &around, config);
    RecordFields { responsible: fields.responsible.filter(|_| !seen.assigned.is_empty()), ..fields }
}

fn changed(id: i64, fields: Object<'static>) -> Object<'static> {
    parameters([("id", id.into()), ("fields", fields.into())])
}

/// What the deal's contact has to learn. It is read only when there is something.
fn change_contact(
    client: Client<'_>,
    wanted: &Wanted,
    seen: &Seen,
    deal: &Record,
    wrote: Wrote<'_>,
) -> Result<(i64, Object<'static>), Failure> {
    let mut fields = Object::default();
    let id = deal.number("CONTACT_ID");
    if id == 0 || !wanted.tells_of_the_person(wrote) {
        return Ok((id, fields));
    }
    let read = || -> Result<Option<Record>, Failure> {
        let filter = parameters([("ID", Node::from(id))]);
        Ok(records(&client.call("crm.contact.list", &list(filter, ("ID", "DESC"), CONTACT_FIELDS))?).into_iter().next())
    };
    let contact = match seen.contact.clone().filter(|it| it.id() == id) {
        Some(contact) => Some(contact),
        None => read()?,
    };
    if let Some(contact) = contact {
        change_texts(&mut fields, &wanted.person, &contact, wrote);
        change_reach(&mut fields, wanted, &contact, wrote);
    }
    Ok((id, fields))
}

/// The hub moves a record when its own stage changed since it last wrote. A record that it never wrote it only closes.
fn may_move(wanted: &Wanted, record: &Record, wrote: Wrote<'_>, kind: Kind) -> bool {
    let closes = matches!(wanted.goal, Goal::Won | Goal::Lost(_)) && record.is_open(kind);
    wrote.may_write("stage", wanted.stage, closes)
}

/// When somebody will next speak with the person, where that is to be a to-do.
#[must_use]
pub fn planned(upsert: &LeadUpsert, config: &Config) -> Option<Timestamp> {
    upsert.lead.next_contact_at.filter(|_| config.plans)
}

fn receipt(config: &Config, upsert: &LeadUpsert, wanted: &Wanted, id: i64, todo: i64, how: &str) -> Receipt {
    let next = planned(upsert, config).map(|it| it.to_string()).unwrap_or_default();
    let mut details = Extra::new();
    let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
    put("result", how.into());
    put("record", config.kind.name().into());
    put("url", config.link(id).into());
    put("wrote", Value::Object(wanted.prints(user::responsible(&upsert.lead), &next)));
    if todo != 0 {
        put(next::NAME, todo.into());
    }
    Receipt { remote_id: Some(id.to_string()), details }
}
