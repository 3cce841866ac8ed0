//! `lead.upsert`: find the record, else make it; then bring it up to what the hub knows.
//!
//! 1. The record that the hub knows, while it is there.
//! 2. One that carries our reference: ours was merged into it. Where the command is to find and not to make one, that is all.
//! 3. An open one with the same phone or e-mail address or any one: as `new_record` of the command wants it.
//! 4. A new one through `load` with the external id `patchbay.<lead>`. Odoo writes record and external id in one
//!    transaction, so a second try after a lost answer finds the first one's record.
//!
//! What the connection's mapping says of a field is written instead of what stands in [`crate::lead`] for it, by the same rules.

use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::command::{LeadUpsert, NewRecord};
use patchbay_sdk::schemas::{Extra, Receipt, Timestamp};
use patchbay_sdk::{Failure, Retry};
use patchbay_sink::{Wrote, put_before, same};
use serde_json::Value;

use crate::ask::{Search, arguments, ids, term};
use crate::client::{Client, RECORD_MISSING, strange};
use crate::config::{Config, Deleted};
use crate::create::{Row, load};
use crate::fields::{self, Stored, Types};
use crate::lead::{Goal, Wanted, changes, mark, wanted};
use crate::payload::{LEAD_FIELDS, Record};
use crate::{map, next, time};

/// Carries out upserts. New records are made together: Odoo makes ten in little more than the time of two.
pub fn upsert_all(client: Client<'_>, config: &Config, batch: &[&LeadUpsert]) -> Vec<Result<Receipt, Failure>> {
    let mut results: Vec<Option<Result<Receipt, Failure>>> = batch.iter().map(|_| None).collect();
    let mut waiting: Vec<(usize, Plan)> = Vec::new();
    let types = match Types::of(client, batch.iter().flat_map(|it| it.fields.keys())) {
        Ok(types) => types,
        Err(failure) => return batch.iter().map(|_| Err(failure.clone())).collect(),
    };
    let mapped = types.names().filter(|it| !LEAD_FIELDS.contains(it));
    let reads: Vec<&str> = LEAD_FIELDS.into_iter().chain(mapped).collect();
    for (index, upsert) in batch.iter().enumerate() {
        let wanted = wanted(&upsert.lead, config).without(&upsert.fields);
        if waiting.iter().any(|(_, it)| it.is_about_the_same(&wanted)) {
            create(client, config, batch, &mut waiting, &mut results);
        }
        match find(client, config, upsert, &wanted, &reads) {
            Err(failure) => results[index] = Some(Err(failure)),
            Ok(Found::Record(record, how)) => {
                results[index] = Some(update(client, config, upsert, &wanted, &types, &record, how).map_err(vanished));
            }
            Ok(Found::Nothing) => match plan(client, config, upsert, wanted, &types) {
                Err(failure) => results[index] = Some(Err(failure)),
                Ok(plan) => waiting.push((index, plan)),
            },
        }
    }
    create(client, config, batch, &mut waiting, &mut results);
    let none = || Err(Failure::later("odoo.answer", "no result"));
    results.into_iter().map(|it| it.unwrap_or_else(none)).collect()
}

/// Somebody deleted the record while it was written: the next try looks for it anew.
pub(crate) fn vanished(failure: Failure) -> Failure {
    if failure.code == RECORD_MISSING { Failure { retry: Retry::Later, ..failure } } else { failure }
}

/// A record to be made.
struct Plan {
    row: Row,
    wanted: Wanted,
    user: i64,
    /// Mapped values that have no place in their field.
    left_out: Vec<String>,
}

fn plan(client: Client<'_>, config: &Config, upsert: &LeadUpsert, wanted: Wanted, types: &Types) -> Result<Plan, Failure> {
    let user = user(client, config, upsert)?;
    let (mut written, mut left_out) = (Vec::new(), Vec::new());
    for (field, value) in upsert.fields.iter().filter(|(_, value)| !value.is_null()) {
        match Stored::of(client, config, types, field, value)? {
            Ok(stored) => written.push((field.clone(), stored)),
            Err(reason) => left_out.push(reason),
        }
    }
    let row = Row::new(&upsert.lead.id, &wanted, user, &upsert.fields, &written, config);
    Ok(Plan { row, wanted, user, left_out })
}

impl Plan {
    fn is_about_the_same(&self, other: &Wanted) -> bool {
        self.wanted.phones.iter().any(|it| other.phones.contains(it))
            || self.wanted.emails.iter().any(|it| other.emails.iter().any(|other| same::words(it, other)))
    }
}

fn create(
    client: Client<'_>,
    config: &Config,
    batch: &[&LeadUpsert],
    waiting: &mut Vec<(usize, Plan)>,
    results: &mut [Option<Result<Receipt, Failure>>],
) {
    let plans: Vec<(usize, Plan)> = std::mem::take(waiting);
    let rows: Vec<&Row> = plans.iter().map(|(_, it)| &it.row).collect();
    for ((index, plan), loaded) in plans.iter().zip(load(client, &rows)) {
        let upsert = batch[*index];
        results[*index] = Some(loaded.and_then(|loaded| {
            if matches!(plan.wanted.goal, Goal::Won | Goal::Lost(_)) {
                move_to(client, &plan.wanted.goal, loaded.id)?;
            }
            if let Some(at) = planned(upsert, config) {
                next::plan(client, config, loaded.id, at, plan.user, upsert.retried)?;
            }
            let mut receipt = receipt(config, upsert, &plan.wanted, loaded.id, "created");
            leave_out(&mut receipt, [loaded.left_out, plan.left_out.clone()].concat());
            Ok(receipt)
        }));
    }
}

fn leave_out(receipt: &mut Receipt, fields: Vec<String>) {
    if !fields.is_empty() {
        receipt.details.insert("left_out".to_owned(), Value::from(fields));
    }
}

/// What a receipt calls a record into which people merged the one that was asked for.
const MERGED: &str = "merged";

enum Found {
    Record(Record, &'static str),
    Nothing,
}

fn find(client: Client<'_>, config: &Config, upsert: &LeadUpsert, wanted: &Wanted, reads: &[&str]) -> Result<Found, Failure> {
    let mut vanished = false;
    if let Some(id) = upsert.remote_id.as_deref().and_then(|it| it.parse::<i64>().ok()) {
        if let Some(record) = client.read("crm.lead", &[id], reads)?.into_iter().next() {
            return Ok(Found::Record(record, "updated"));
        }
        vanished = true;
        let mark = mark(&upsert.lead.id);
        let domain = vec![term("description", "ilike", mark.as_str())];
        let search = Search::new(domain, reads).order("id desc").limit(5).with_archived();
        if let Some(record) = client.search("crm.lead", search)?.into_iter().find(|it| it.text("description").contains(&mark)) {
            return Ok(Found::Record(record, MERGED));
        }
    }
    if vanished && upsert.find_only {
        return Err(Failure::never(RECORD_MISSING, "somebody deleted the record in Odoo"));
    }
    let found = match upsert.new_record {
        NewRecord::Always => None,
        NewRecord::UnlessOpen => same_person(client, wanted, true, reads)?,
        NewRecord::UnlessKnown => match same_person(client, wanted, true, reads)? {
            None => same_person(client, wanted, false, reads)?,
            open => open,
        },
    };
    if let Some(record) = found {
        return Ok(Found::Record(record, "found"));
    }
    if vanished && config.deleted == Deleted::Stop {
        return Err(Failure::never("odoo.deleted", "somebody deleted the record in Odoo, and this connection does not make it again"));
    }
    Ok(Found::Nothing)
}

/// What to ask Odoo for: the last eight digits, which stand in every way of writing a number.
fn tail(phone: &str) -> Option<String> {
    let digits = same::digits(phone);
    (digits.len() >= 8).then(|| digits[digits.len() - 8..].to_owned())
}

/// The newest record of the person; of the open ones alone, or of all. Odoo compares phones without separators but with whatever prefix was typed,
/// so it is asked for the last digits, and the whole numbers are compared here.
fn same_person(client: Client<'_>, wanted: &Wanted, open: bool, reads: &[&str]) -> Result<Option<Record>, Failure> {
    let mut any: Vec<Node> = wanted.phones.iter().filter_map(|it| tail(it)).map(|it| term("phone_mobile_search", "ilike", it)).collect();
    if !wanted.emails.is_empty() {
        let emails: Vec<Node> = wanted.emails.iter().map(|it| it.trim().to_lowercase().into()).collect();
        any.push(term("email_normalized", "in", emails));
    }
    if any.is_empty() {
        return Ok(None);
    }
    let mut domain = if open { vec![Node::from("&"), term("won_status", "=", "pending")] } else { Vec::new() };
    domain.extend((1..any.len()).map(|_| Node::from("|")));
    domain.append(&mut any);
    let search = Search::new(domain, reads).order("id desc").limit(50);
    let found = client.search("crm.lead", if open { search } else { search.with_archived() })?;
    Ok(found.into_iter().find(|it| {
        wanted.phones.iter().any(|phone| same::phones(phone, it.text("phone")))
            || wanted.emails.iter().any(|email| same::words(email, it.text("email_from")))
    }))
}

/// The user who answers for the lead; 0: nobody whom Odoo knows.
fn user(client: Client<'_>, config: &Config, upsert: &LeadUpsert) -> Result<i64, Failure> {
    let named = upsert.lead.responsible.as_ref();
    let hub = named.map_or("", |it| it.name.trim());
    let id = named.and_then(|it| it.id.as_deref()).and_then(|it| it.parse::<i64>().ok()).unwrap_or(0);
    if upsert.fields.contains_key("user_id") {
        return Ok(0);
    }
    let mapped = config.users.get(hub).map_or(hub, |it| it.trim());
    match user_called(client, mapped, id)? {
        0 => user_called(client, config.default_user.trim(), 0),
        found => Ok(found),
    }
}

/// The internal user of that login or name. Where several are called so, the one with this id, else the one of that login.
pub fn user_called(client: Client<'_>, name: &str, id: i64) -> Result<i64, Failure> {
    if name.is_empty() {
        return Ok(0);
    }
    let domain = vec!["&".into(), term("share", "=", false), "|".into(), term("login", "=ilike", name), term("name", "=ilike", name)];
    let found = client.search("res.users", Search::new(domain, &["login", "name"]).limit(20))?;
    let name = name.to_lowercase();
    let called = |it: &Record, field: &str| it.text(field).to_lowercase() == name;
    let exact: Vec<&Record> = found.iter().filter(|it| called(it, "login") || called(it, "name")).collect();
    let best = exact.iter().find(|it| it.id() == id).or_else(|| exact.iter().find(|it| called(it, "login"))).or(exact.first());
    Ok(best.map_or(0, |it| it.id()))
}

fn update(
    client: Client<'_>,
    config: &Config,
    upsert: &LeadUpsert,
    wanted: &Wanted,
    types: &Types,
    record: &Record,
    how: &'static str,
) -> Result<Receipt, Failure> {
    let id = record.id();
    let wrote = Wrote::of(&upsert.known).against(&upsert.settled, "name");
    let mut values = changes(wanted, record, wrote);
    for (field, model, name) in &wanted.named {
        let theirs = record.link_name(field);
        if !name.is_empty()
            && name != theirs
            && wrote.may_write(field, name, theirs.is_empty())
            && let Some(link) = find_or_make(client, model, name)?
        {
            values.put(*field, link);
        }
    }
    let mut links = Vec::new();
    for tag in wanted.tags.iter().filter(|it| !wrote.has("tags", it)) {
        if let Some(link) = find_or_make(client, "crm.tag", tag)?.filter(|it| !record.links("tag_ids").contains(it)) {
            links.push(ids(&[4, link]));
        }
    }
    if !links.is_empty() {
        values.put("tag_ids", links);
    }
    let mut left_out = Vec::new();
    for (field, value) in upsert.fields.iter().filter(|(_, value)| !value.is_null()) {
        if !wrote.may_write_print(field, &fields::print(value), fields::is_empty(record, field)) {
            continue;
        }
        match Stored::of(client, config, types, field, value)? {
            Ok(stored) if stored.stands_in(record, field) => {}
            Ok(stored) => values.put(field.clone(), stored.node()),
            Err(reason) => left_out.push(reason),
        }
    }
    let ours = responsible(upsert);
    if !ours.is_empty() && wrote.may_write("user", ours, record.link("user_id") == 0) {
        let user = user(client, config, upsert)?;
        if user != 0 && user != record.link("user_id") {
            values.put("user_id", user);
        }
    }
    let changed = !values.is_empty();
    let new_user = values.peek_int("user_id").unwrap_or(0);
    let customer = values.peek_int("partner_id");
    let columns = [
        ("responsible", "user_id"),
        ("title", "name"),
        ("name", "contact_name"),
        ("company", "partner_name"),
        ("city", "city"),
        ("phones", "phone"),
        ("emails", "email_from"),
    ];
    let mut written: Vec<&str> = columns.into_iter().filter(|(_, it)| values.peek(it).is_some()).map(|(name, _)| name).collect();
    if changed {
        client.call("crm.lead", "write", arguments([("ids", ids(&[id])), ("vals", values.into())]))?;
    }
    if !wanted.goal.reached(record) && may_move(wanted, record, wrote) {
        move_to(client, &wanted.goal, id)?;
        written.push("stage");
    }
    if let Some(at) = planned(upsert, config).filter(|it| wrote.may_write("next", &it.to_string(), true)) {
        let user = if record.link("user_id") == 0 { new_user } else { record.link("user_id") };
        next::plan(client, config, id, at, user, true)?;
        written.push("next_contact_at");
    }
    let mut receipt = receipt(config, upsert, wanted, id, how);
    receipt.details.insert("changed".to_owned(), Value::from(changed));
    if let Some(customer) = customer {
        receipt.details.insert("person_ref".to_owned(), customer.to_string().into());
    }
    if let Some(gone) = upsert.remote_id.as_ref().filter(|_| how == MERGED) {
        let mut merged = Extra::new();
        merged.insert("into".to_owned(), id.to_string().into());
        merged.insert("records".to_owned(), vec![Value::from(gone.as_str())].into());
        receipt.details.insert("merged".to_owned(), merged.into());
    }
    put_before(&mut receipt.details, time::parse(record.text("write_date")), &map::fields(record, None, config), &written);
    leave_out(&mut receipt, left_out);
    Ok(receipt)
}

/// The hub moves a record when its own stage changed since it last wrote. A record that it never wrote it only closes.
fn may_move(wanted: &Wanted, record: &Record, wrote: Wrote<'_>) -> bool {
    let closes = matches!(wanted.goal, Goal::Won | Goal::Lost(_)) && crate::lead::is_open(record);
    wrote.may_write("stage", wanted.stage, closes)
}

fn move_to(client: Client<'_>, goal: &Goal, id: i64) -> Result<(), Failure> {
    match goal {
        Goal::Won => client.call("crm.lead", "action_set_won", arguments([("ids", ids(&[id]))]))?,
        Goal::Lost(reason) => {
            let reason = match reason.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
                Some(reason) => find_or_make(client, "crm.lost.reason", reason)?,
                None => None,
            };
            let mut arguments = arguments([("ids", ids(&[id]))]);
            if let Some(reason) = reason {
                arguments.put("lost_reason_id", reason);
            }
            client.call("crm.lead", "action_set_lost", arguments)?
        }
        Goal::Mapped => Value::Null,
        Goal::Stage(_) | Goal::Open => {
            let domain = match goal {
                Goal::Stage(name) => term("name", "=", name.as_str()),
                _ => term("is_won", "=", false),
            };
            let found = client.search("crm.stage", Search::new(vec![domain], &["name"]).order("sequence, id").limit(1))?;
            let stage = found.first().ok_or_else(|| no_stage(goal))?.id();
            client.call("crm.lead", "action_unarchive", arguments([("ids", ids(&[id]))]))?;
            client.call("crm.lead", "write", arguments([("ids", ids(&[id])), ("vals", arguments([("stage_id", stage.into())]).into())]))?
        }
    };
    Ok(())
}

fn no_stage(goal: &Goal) -> Failure {
    let name = if let Goal::Stage(name) = goal { name } else { "open" };
    Failure::never("odoo.stage", format!("Odoo has no stage \"{name}\": correct the stages in this connection's configuration"))
}

/// The record of that name, made where there is none. None: the key's user may not make one.
pub(crate) fn find_or_make(client: Client<'_>, model: &str, name: &str) -> Result<Option<i64>, Failure> {
    let found = client.call(model, "name_search", arguments([("name", name.into()), ("operator", "=".into()), ("limit", 1.into())]))?;
    if let Some(id) = found[0][0].as_i64() {
        return Ok(Some(id));
    }
    match client.call(model, "name_create", arguments([("name", name.into())])) {
        Ok(made) => made[0].as_i64().map(Some).ok_or_else(|| strange("the id of what it made")),
        Err(failure) if failure.code == "odoo.access" && failure.retry == Retry::Reauthorise => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn planned(upsert: &LeadUpsert, config: &Config) -> Option<Timestamp> {
    upsert.lead.next_contact_at.filter(|_| config.plans())
}

/// Who answers for the lead, unless the mapping says so.
fn responsible(upsert: &LeadUpsert) -> &str {
    if upsert.fields.contains_key("user_id") {
        return "";
    }
    upsert.lead.responsible.as_ref().map_or("", |it| it.name.trim())
}

fn receipt(config: &Config, upsert: &LeadUpsert, wanted: &Wanted, id: i64, how: &str) -> Receipt {
    let next = planned(upsert, config).map(|it| it.to_string()).unwrap_or_default();
    let mut details = Extra::new();
    details.insert("result".to_owned(), Value::from(how));
    details.insert("url".to_owned(), Value::from(config.link(id)));
    let mut wrote = wanted.prints(responsible(upsert), &next);
    for (field, value) in upsert.fields.iter().filter(|(_, value)| !value.is_null()) {
        wrote.insert(field.clone(), Value::from(fields::print(value)));
    }
    details.insert("wrote".to_owned(), Value::Object(wrote));
    Receipt { remote_id: Some(id.to_string()), details }
}
