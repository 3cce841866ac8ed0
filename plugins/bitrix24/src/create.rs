//! A new record, with its person and its to-do: one request.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Extra;
use patchbay_sdk::schemas::command::LeadUpsert;
use patchbay_sink::Wrote;

use crate::ask::{Command, command, parameters, result_of};
use crate::client::{Client, strange};
use crate::config::{Config, Kind};
use crate::find::{Seen, method};
use crate::lead::{ORIGINATOR, Wanted, put_reach};
use crate::mapped;
use crate::next;
use crate::payload::number;
use crate::stage::Goal;
use crate::upsert::planned;

/// What was made.
pub struct Made {
    /// The record.
    pub id: i64,
    /// Our to-do; 0: none.
    pub todo: i64,
    /// What Bitrix24 did not take.
    pub left_out: Vec<String>,
}

/// Makes it. The first command that fails is the end: what was made before it is found by its reference the next time.
pub fn create(client: Client<'_>, config: &Config, upsert: &LeadUpsert, wanted: &Wanted, seen: &mut Seen) -> Result<Made, Failure> {
    let mut commands: Vec<Command<'static>> = Vec::new();
    let known = seen.contact.clone();
    let mapped = mapped::due(client, config, upsert, seen, (None, known.as_ref()), Wrote::of(&Extra::new()))?;
    let mut fields = fields(config, upsert, wanted, seen)?;
    match config.kind {
        Kind::Lead => {
            put_texts(&mut fields, &wanted.person);
            put_reach(&mut fields, wanted);
            if let Some(contact) = &seen.contact {
                fields.put("CONTACT_ID", contact.id());
            }
        }
        Kind::Deal => {
            let company = company(&mut commands, wanted, seen);
            let contact = if let Some(contact) = &seen.contact {
                if !mapped.contact.is_empty() {
                    let learnt = parameters([("id", contact.id().into()), ("fields", mapped.contact.into())]);
                    commands.push(command("contact", "crm.contact.update", learnt));
                }
                contact.id().into()
            } else {
                let mut person = ours(&upsert.lead.contact.id, seen.user);
                put_texts(&mut person, &wanted.person);
                put_reach(&mut person, wanted);
                person.put_all(mapped.contact);
                if let Some(company) = &company {
                    person.put("COMPANY_ID", company.clone());
                }
                commands.push(add("contact", "crm.contact.add", person));
                result_of("contact")
            };
            fields.put("CONTACT_ID", contact);
            if let Some(company) = company {
                fields.put("COMPANY_ID", company);
            }
            fields.put("CATEGORY_ID", config.pipeline.clone());
        }
    }
    fields.put_all(mapped.record);
    commands.push(add("record", method(config.kind, "add"), fields));
    if let Some(at) = planned(upsert, config) {
        commands.push(next::add(config.kind, result_of("record"), at, seen.user));
    }
    let answers = client.batch(true, &commands)?;
    for it in &commands {
        if it.name == next::NAME {
            continue;
        }
        answers.get(it.name)?;
    }
    let id = number(answers.get("record")?);
    if id == 0 {
        return Err(strange("the id of the new record"));
    }
    let left_out = match answers.failure(next::NAME) {
        None => mapped.left_out,
        // The record is there; a Bitrix24 that has no to-dos must not stop it.
        Some(failure) if failure.retry == patchbay_sdk::Retry::Never => {
            mapped.left_out.into_iter().chain(["next_contact_at".to_owned()]).collect()
        }
        Some(failure) => return Err(failure),
    };
    Ok(Made { id, todo: answers.found(next::NAME).map_or(0, |it| number(&it["id"])), left_out })
}

fn company(commands: &mut Vec<Command<'static>>, wanted: &Wanted, seen: &Seen) -> Option<Node<'static>> {
    if seen.company != 0 || wanted.company.is_empty() {
        return (seen.company != 0).then(|| seen.company.into());
    }
    let mut fields = parameters([("TITLE", wanted.company.clone().into()), ("ORIGINATOR_ID", ORIGINATOR.into())]);
    if seen.user != 0 {
        fields.put("ASSIGNED_BY_ID", seen.user);
    }
    commands.push(add("company", "crm.company.add", fields));
    Some(result_of("company"))
}

fn fields(config: &Config, upsert: &LeadUpsert, wanted: &Wanted, seen: &Seen) -> Result<Object<'static>, Failure> {
    let mut fields = ours(&upsert.lead.id, seen.user);
    put_texts(&mut fields, &wanted.texts);
    if !wanted.comments.is_empty() {
        fields.put("COMMENTS", wanted.comments.replace('\n', "<br>"));
    }
    // Everybody sees it who may see what is open to everybody.
    fields.put("OPENED", "Y");
    if let Some(source) = wanted.source(&seen.sources) {
        fields.put("SOURCE_ID", source.to_owned());
    }
    if !matches!(wanted.goal, Goal::Open | Goal::Mapped) {
        fields.put(config.kind.stage_field(), seen.stages.target(&wanted.goal)?.code.clone());
    }
    Ok(fields)
}

fn ours(id: &str, user: i64) -> Object<'static> {
    let mut fields = parameters([("ORIGINATOR_ID", ORIGINATOR.into()), ("ORIGIN_ID", id.to_owned().into())]);
    if user != 0 {
        fields.put("ASSIGNED_BY_ID", user);
    }
    fields
}

fn put_texts(fields: &mut Object<'static>, texts: &[(&'static str, String)]) {
    for (field, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
        fields.put(*field, text.clone());
    }
}

fn add(name: &'static str, method: impl Into<String>, fields: Object<'static>) -> Command<'static> {
    command(name, method, parameters([("fields", fields.into())]))
}
