//! `lead.upsert`: find the record, else make it; then bring it up to what the hub knows. See [`find`](crate::find) for how it is found.
//!
//! What the connection's mapping says of a field is written instead of what stands in [`crate::lead`] for it, by the same rules.

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
use crate::fields::{self, CONTACT, PIPELINE};
use crate::find::{Seen, look, method, reading, stages_of};
use crate::lead::{ORIGINATOR, Wanted, change_reach, change_texts, wanted};
use crate::map::{self, Around};
use crate::mapped;
use crate::next;
use crate::payload::{CONTACT_FIELDS, Record, number, records};
use crate::stage::Goal;
use crate::{stored, user};

/// Carries out an upsert.
pub fn upsert(client: Client<'_>, config: &Config, upsert: &LeadUpsert) -> Result<Receipt, Failure> {
    carry_out(client, config, upsert).map(|(receipt, _)| receipt)
}

/// The same, with what was found before anything was written.
pub fn carry_out(client: Client<'_>, config: &Config, upsert: &LeadUpsert) -> Result<(Receipt, Seen), Failure> {
    let (config, no_pipeline) = mapped::pipeline(client, config, upsert)?;
    let wanted = wanted(&upsert.lead, &config).without(&upsert.fields, config.kind);
    let mut seen = look(client, &config, upsert, &wanted)?;
    let (mut receipt, left_out) = if let Some((record, how)) = seen.record.clone() {
        update(client, &config, upsert, &wanted, &mut seen, &record, how).map_err(vanished)?
    } else {
        let made = create(client, &config, upsert, &wanted, &mut seen)?;
        let left_out = made.left_out.into_iter().chain(no_pipeline).collect();
        (receipt(&config, upsert, &wanted, made.id, made.todo, "created"), left_out)
    };
    if !left_out.is_empty() {
        receipt.details.insert("left_out".to_owned(), Value::from(left_out));
    }
    Ok((receipt, seen))
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
    seen: &mut Seen,
    record: &Record,
    how: &'static str,
) -> Result<(Receipt, Vec<String>), Failure> {
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
    let is_ours = !upsert.fields.contains_key("ASSIGNED_BY_ID");
    if is_ours
        && wrote.may_write("user", user::responsible(upsert), false)
        && seen.user != 0
        && seen.user != record.number("ASSIGNED_BY_ID")
    {
        fields.put("ASSIGNED_BY_ID", seen.user);
    }
    let moves = |seen: &Seen| !wanted.goal.is_reached(record, config, &seen.stages) && may_move(wanted, record, wrote, kind);
    let is_elsewhere = kind == Kind::Deal && config.stages_of(&record.text(PIPELINE)) != config.stages();
    if is_elsewhere && (moves(seen) || wanted.goal == Goal::Mapped) {
        seen.stages = stages_of(client, config, record)?;
    }
    if moves(seen) {
        fields.put(kind.stage_field(), seen.stages.target(&wanted.goal)?.code.clone());
    }
    if kind == Kind::Deal {
        seen.contact = contact(client, wanted, upsert, seen, record, wrote)?;
    }
    let contact = seen.contact.clone();
    let mapped = mapped::due(client, config, upsert, seen, (Some(record), contact.as_ref()), wrote)?;
    fields.put_all(mapped.record);
    let written = [("responsible", "ASSIGNED_BY_ID"), ("stage", kind.stage_field()), ("title", "TITLE")];
    let mut written: Vec<&str> = written.into_iter().filter(|(_, it)| fields.peek(it).is_some()).map(|(name, _)| name).collect();
    let mut commands = Vec::new();
    match kind {
        Kind::Lead => {
            change_texts(&mut fields, &wanted.person, record, wrote);
            change_reach(&mut fields, wanted, record, wrote);
            let person =
                [("name", "NAME"), ("company", "COMPANY_TITLE"), ("city", "ADDRESS_CITY"), ("phones", "PHONE"), ("emails", "EMAIL")];
            written.extend(person.into_iter().filter(|(_, it)| fields.peek(it).is_some()).map(|(name, _)| name));
        }
        Kind::Deal => {
            if let Some(contact) = &contact {
                let mut person = Object::default();
                change_texts(&mut person, &wanted.person, contact, wrote);
                change_reach(&mut person, wanted, contact, wrote);
                person.put_all(mapped.contact);
                let said = [("name", "NAME"), ("city", "ADDRESS_CITY"), ("phones", "PHONE"), ("emails", "EMAIL")];
                written.extend(said.into_iter().filter(|(_, it)| person.peek(it).is_some()).map(|(name, _)| name));
                if !person.is_empty() {
                    commands.push(command("contact", "crm.contact.update", changed(contact.id(), person)));
                }
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
    let at = time::parse(&record.text("DATE_MODIFY")).max(contact.as_ref().and_then(|it| time::parse(&it.text("DATE_MODIFY"))));
    put_before(&mut receipt.details, at, &before(record, contact.as_ref(), seen, config), &written);
    Ok((receipt, mapped.left_out))
}

/// What stood in the record. Who answers for it only where that was asked for, because the hub may name somebody else or knows nobody.
/// The person of a deal only where the contact was read, since the hub had something to add.
fn before(record: &Record, contact: Option<&Record>, seen: &Seen, config: &Config) -> RecordFields {
    let (stages, users) = (seen.stages.clone(), seen.assigned.clone());
    let around = Around { stages, users, contacts: contact.cloned().into_iter().collect(), ..Around::default() };
    let fields = map::fields(record, &around, config);
    // What is not there of a deal's company was not looked for.
    let person_whole = config.kind == Kind::Lead;
    RecordFields { responsible: fields.responsible.filter(|_| !seen.assigned.is_empty()), person_whole, ..fields }
}

fn changed(id: i64, fields: Object<'static>) -> Object<'static> {
    parameters([("id", id.into()), ("fields", fields.into())])
}

/// The deal's contact. It is read only when there is something that it may have to learn.
fn contact(
    client: Client<'_>,
    wanted: &Wanted,
    upsert: &LeadUpsert,
    seen: &Seen,
    deal: &Record,
    wrote: Wrote<'_>,
) -> Result<Option<Record>, Failure> {
    let id = deal.number("CONTACT_ID");
    let may_learn = |(name, value): (&String, &Value)| {
        name.starts_with(CONTACT) && !value.is_null() && wrote.may_write_print(name, &stored::print(value), true)
    };
    if id == 0 || !(wanted.tells_of_the_person(wrote) || upsert.fields.iter().any(may_learn)) {
        return Ok(None);
    }
    if let Some(contact) = seen.contact.clone().filter(|it| it.id() == id) {
        return Ok(Some(contact));
    }
    let reads = reading(CONTACT_FIELDS, fields::read_with(true, &upsert.fields));
    let filter = parameters([("ID", Node::from(id))]);
    Ok(records(&client.call("crm.contact.list", &list(filter, ("ID", "DESC"), &reads))?).into_iter().next())
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
    let mut wrote = wanted.prints(user::responsible(upsert), &next);
    for (field, value) in upsert.fields.iter().filter(|(_, value)| !value.is_null()) {
        wrote.insert(field.clone(), stored::print(value).into());
    }
    put("wrote", Value::Object(wrote));
    if todo != 0 {
        put(next::NAME, todo.into());
    }
    Receipt { remote_id: Some(id.to_string()), details }
}
