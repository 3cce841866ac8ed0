//! What Bitrix24 has already of a lead: its record, its person, and the lists that the record is written with.
//!
//! 1. The record that the hub knows, while it is there.
//! 2. The one that carries our reference (`ORIGINATOR_ID`, `ORIGIN_ID`): made by a try whose answer was lost.
//! 3. One of the person, by phone or e-mail (`crm.duplicate.findbycomm`): as `new_record` of the command wants it.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::command::{LeadUpsert, NewRecord};
use patchbay_sink::{Wrote, same};
use serde_json::Value;

use crate::ask::{Command, command, ids, list, parameters, result_of};
use crate::client::{Answers, Client, RECORD_MISSING};
use crate::config::{Config, Deleted, Kind};
use crate::fields::{self, PIPELINE, Types};
use crate::lead::{ORIGINATOR, Wanted};
use crate::mapped::{self, Lists};
use crate::payload::{CONTACT_FIELDS, Record, number, records, unique};
use crate::stage::Entries;
use crate::user;

/// The most phones or addresses that Bitrix24 looks for at once.
const MOST_VALUES: usize = 20;

/// What was found.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The lead's record, and how it was found.
    pub record: Option<(Record, &'static str)>,
    /// The person's contact.
    pub contact: Option<Record>,
    /// The person's company; 0: none.
    pub company: i64,
    /// The stages that records have.
    pub stages: Entries,
    /// The sources that records have.
    pub sources: Entries,
    /// Who answers for the lead; 0: nobody whom Bitrix24 knows.
    pub user: i64,
    /// Who answers for the known record now, where the hub may name somebody else or knows nobody.
    pub assigned: Vec<Record>,
    /// Who was found by name or e-mail.
    pub people: Vec<Record>,
    /// The fields that a mapping fills.
    pub types: Types,
    /// What names in mapped values stand for.
    pub lists: Lists,
    /// Seconds that Bitrix24's clock is east of Greenwich, where the mapping has a moment.
    pub offset_s: i64,
}

/// Looks for all of it: one request where the record is known or new, two where the person is.
pub fn look(client: Client<'_>, config: &Config, upsert: &LeadUpsert, wanted: &Wanted) -> Result<Seen, Failure> {
    let kind = config.kind;
    // A connection that wrote leads before and writes deals now looks anew.
    let is_ours = upsert.known.get("record").and_then(Value::as_str).is_none_or(|it| it == kind.name());
    let known = upsert.remote_id.as_deref().filter(|_| is_ours).and_then(|it| it.parse::<i64>().ok());
    let reads = reading(kind.fields(), fields::read_with(false, &upsert.fields));
    let mut commands = vec![
        command("stages", "crm.status.list", entries(&config.stages())),
        command("sources", "crm.status.list", entries("SOURCE")),
        command("ours", method(kind, "list"), of_ours(&upsert.lead.id, &reads)),
    ];
    fields::ask(&mut commands, kind, &upsert.fields);
    if mapped::has_moment(upsert) {
        commands.push(command("clock", "server.time", Object::default()));
    }
    if let Some(id) = known {
        commands.push(command("known", method(kind, "list"), list(parameters([("ID", id.into())]), ("ID", "DESC"), &reads)));
    } else {
        people(&mut commands, config, upsert, wanted);
    }
    let wrote = Wrote::of(&upsert.known).against(&upsert.settled, "TITLE");
    if known.is_none() || wrote.may_write("user", user::responsible(upsert), true) {
        user::ask(&mut commands, upsert, config);
        if known.is_some() {
            let filter = parameters([("ID", result_of("known][0][ASSIGNED_BY_ID"))]);
            commands.push(command("assigned", "user.get", parameters([("FILTER", filter.into())])));
        }
    }
    let mut answers = client.batch(false, &commands)?;
    let first = |answers: &Answers, name| answers.found(name).map(records).unwrap_or_default().into_iter().next();
    let mut seen = Seen {
        record: None,
        contact: None,
        company: 0,
        stages: Entries::read(Some(answers.get("stages")?)),
        sources: Entries::read(answers.found("sources")),
        user: user::found(&answers, upsert, config),
        assigned: Vec::new(),
        people: ["user", "stand_in"].into_iter().filter_map(|it| answers.found(it)).flat_map(records).collect(),
        types: Types::read(&answers, &upsert.fields)?,
        lists: Lists::default(),
        offset_s: answers.found("clock").and_then(Value::as_str).map_or(0, mapped::offset_s),
    };
    answers.get("ours")?;
    let ours = first(&answers, "ours");
    if known.is_some() {
        answers.get("known")?;
        if let Some(record) = first(&answers, "known") {
            let assigned = answers.found("assigned").map(records).unwrap_or_default();
            seen.assigned = assigned.into_iter().filter(|it| it.id() == record.number("ASSIGNED_BY_ID")).collect();
            seen.record = Some((record, "updated"));
            return Ok(seen);
        }
    }
    if let Some(record) = ours {
        seen.record = Some((record, "found"));
        return Ok(seen);
    }
    if known.is_some() && upsert.find_only {
        return Err(Failure::never(RECORD_MISSING, "somebody deleted the record in Bitrix24"));
    }
    if known.is_some() {
        let mut commands = Vec::new();
        people(&mut commands, config, upsert, wanted);
        if !commands.is_empty() {
            answers = client.batch(false, &commands)?;
        }
    }
    for name in ["phone", "email"] {
        if let Some(failure) = answers.failure(name) {
            return Err(failure);
        }
    }
    seen.company = first(&answers, "company").map_or(0, |it| it.id());
    seen.contact = first(&answers, "contact");
    candidates(client, config, upsert, &answers, &mut seen)?;
    if seen.record.is_none() && known.is_some() && config.deleted == Deleted::Stop {
        return Err(Failure::never(
            "bitrix24.deleted",
            "somebody deleted the record in Bitrix24, and this connection does not make it again",
        ));
    }
    Ok(seen)
}

/// The stages of a deal's own pipeline, which need not be the one of this connection.
pub fn stages_of(client: Client<'_>, config: &Config, record: &Record) -> Result<Entries, Failure> {
    Ok(Entries::read(Some(&client.call("crm.status.list", &entries(&config.stages_of(&record.text(PIPELINE))))?)))
}

/// The fields that are read: the connector's own, and those that a mapping fills.
pub fn reading<'a>(own: &[&'a str], mapped: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut reads = own.to_vec();
    reads.extend(mapped.filter(|it| !own.contains(it)));
    reads
}

/// `crm.lead.list`
#[must_use]
pub fn method(kind: Kind, verb: &str) -> String {
    ["crm.", kind.name(), ".", verb].concat()
}

/// A list of stages or sources, in its order.
#[must_use]
pub fn entries(of: &str) -> Object<'static> {
    let filter = parameters([("ENTITY_ID", of.to_owned().into())]);
    parameters([("filter", filter.into()), ("order", parameters([("SORT", "ASC".into())]).into())])
}

fn of_ours<'a>(id: &'a str, fields: &[&'a str]) -> Object<'a> {
    list(parameters([("ORIGINATOR_ID", ORIGINATOR.into()), ("ORIGIN_ID", id.into())]), ("ID", "DESC"), fields)
}

/// Asks who has the lead's phones and addresses.
fn people<'a>(commands: &mut Vec<Command<'a>>, config: &Config, upsert: &'a LeadUpsert, wanted: &'a Wanted) {
    let is_deal = config.kind == Kind::Deal;
    if is_deal || upsert.new_record != NewRecord::Always {
        let phones: Vec<Node> = wanted.phones.iter().flat_map(|it| spellings(it)).take(MOST_VALUES).map(Node::from).collect();
        let emails: Vec<Node> = wanted.emails.iter().take(MOST_VALUES).map(|it| it.as_str().into()).collect();
        for (name, kind, values) in [("phone", "PHONE", phones), ("email", "EMAIL", emails)] {
            if !values.is_empty() {
                commands.push(command(name, "crm.duplicate.findbycomm", parameters([("type", kind.into()), ("values", values.into())])));
            }
        }
    }
    if is_deal {
        let reads = reading(CONTACT_FIELDS, fields::read_with(true, &upsert.fields));
        commands.push(command("contact", "crm.contact.list", of_ours(&upsert.lead.contact.id, &reads)));
        if !wanted.company.is_empty() {
            let filter = parameters([("=TITLE", wanted.company.as_str().into())]);
            commands.push(command("company", "crm.company.list", list(filter, ("ID", "ASC"), &["ID", "TITLE"])));
        }
    }
}

/// Reads who was found, and chooses the record that stands for the lead.
fn candidates(client: Client<'_>, config: &Config, upsert: &LeadUpsert, answers: &Answers, seen: &mut Seen) -> Result<(), Failure> {
    let (kind, policy) = (config.kind, upsert.new_record);
    let reads = reading(kind.fields(), fields::read_with(false, &upsert.fields));
    let of_contact = reading(CONTACT_FIELDS, fields::read_with(true, &upsert.fields));
    let of = |what: &str| -> Vec<i64> {
        let found = ["phone", "email"].into_iter().filter_map(|it| answers.found(it)?.get(what)?.as_array());
        unique(found.flatten().map(number))
    };
    let (leads, mut contacts) = (of("LEAD"), of("CONTACT"));
    let mut commands = Vec::new();
    if seen.contact.is_none() && !contacts.is_empty() {
        commands.push(command("contact", "crm.contact.list", by("@ID", &contacts, &of_contact)));
    }
    contacts.extend(seen.contact.iter().map(Record::id));
    if policy != NewRecord::Always {
        if kind == Kind::Lead && !leads.is_empty() {
            commands.push(command("own", method(kind, "list"), by("@ID", &leads, &reads)));
        }
        if !contacts.is_empty() {
            commands.push(command("theirs", method(kind, "list"), by("@CONTACT_ID", &contacts, &reads)));
        }
    }
    if commands.is_empty() {
        return Ok(());
    }
    let found = client.batch(false, &commands)?;
    let mut all = Vec::new();
    for it in &commands {
        let list = records(found.get(it.name)?);
        if it.name == "contact" {
            seen.contact = list.into_iter().next();
        } else {
            all.extend(list);
        }
    }
    let newest = |open: bool| all.iter().filter(|it| !open || it.is_open(kind)).max_by_key(|it| it.id());
    let any = || if policy == NewRecord::UnlessKnown { newest(false) } else { None };
    seen.record = newest(true).or_else(any).map(|it| (it.clone(), "found"));
    Ok(())
}

fn by<'a>(field: &'static str, these: &[i64], fields: &[&'a str]) -> Object<'a> {
    list(parameters([(field, ids(these))]), ("ID", "DESC"), fields)
}

/// The ways in which people type a number. Bitrix24 compares digits and knows neither the trunk prefix nor a missing country's code.
fn spellings(phone: &str) -> Vec<String> {
    let digits = same::digits(phone);
    let mut all = vec![phone.trim().to_owned()];
    if let Some(national) = digits.strip_prefix('7').filter(|it| it.len() == 10) {
        all.push(["8", national].concat());
        all.push(national.to_owned());
    }
    all.push(digits);
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_looked_for_as_people_type_it() {
        assert_eq!(spellings("+79123456789"), ["+79123456789", "89123456789", "9123456789", "79123456789"]);
        assert_eq!(spellings("+493012345678"), ["+493012345678", "493012345678"]);
    }
}
