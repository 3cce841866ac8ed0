//! People of the company: who answers for a record.

use patchbay_sdk::schemas::Responsible;
use patchbay_sdk::schemas::command::LeadUpsert;
use patchbay_sink::same;
use serde_json::Value;

use crate::ask::{Command, command, parameters};
use crate::client::Answers;
use crate::config::Config;
use crate::payload::{Record, records};

/// What Bitrix24 is asked of people.
const FIELDS: &[&str] = &["ID", "NAME", "LAST_NAME", "EMAIL", "ACTIVE"];

/// Asks for the user who answers for the lead, and for the one who steps in.
pub fn ask(commands: &mut Vec<Command<'_>>, upsert: &LeadUpsert, config: &Config) {
    for (name, wanted) in [("user", named(upsert, config)), ("stand_in", config.default_user.trim())] {
        // A number is the user.
        if !wanted.is_empty() && number(wanted).is_none() {
            commands.push(command(name, "user.get", search(wanted)));
        }
    }
}

/// The parameters of `user.get` for people who may be called so.
#[must_use]
pub fn search(wanted: &str) -> patchbay_sdk::json::Object<'static> {
    let field = if wanted.contains('@') { "EMAIL" } else { "NAME_SEARCH" };
    let filter = parameters([(field, wanted.to_owned().into()), ("ACTIVE", true.into())]);
    parameters([("FILTER", filter.into()), ("select", crate::ask::texts(FIELDS))])
}

/// The parameters of `user.get` for fifty people who work there, behind so many.
#[must_use]
pub fn page(start: i64) -> patchbay_sdk::json::Object<'static> {
    let filter = parameters([("ACTIVE", true.into())]);
    parameters([("sort", "ID".into()), ("order", "ASC".into()), ("FILTER", filter.into()), ("start", start.into())])
}

/// What somebody is called: by name, else by e-mail.
#[must_use]
pub fn name(user: &Record) -> String {
    let name = [user.text("NAME"), user.text("LAST_NAME")].join(" ").trim().to_owned();
    if name.is_empty() { user.text("EMAIL") } else { name }
}

/// The user who answers for the lead; 0: nobody whom Bitrix24 knows. Where the hook may not read people, names are known to nobody.
#[must_use]
pub fn found(answers: &Answers, upsert: &LeadUpsert, config: &Config) -> i64 {
    let id = upsert.lead.responsible.as_ref().and_then(|it| it.id.as_deref()).and_then(|it| it.parse().ok()).unwrap_or(0);
    let of = |name, wanted| number(wanted).unwrap_or_else(|| called(answers.found(name), wanted, id));
    match of("user", named(upsert, config)) {
        0 => of("stand_in", config.default_user.trim()),
        found => found,
    }
}

/// The one of these users who is called so. Where several are, the one with this id.
#[must_use]
pub fn called(list: Option<&Value>, wanted: &str, id: i64) -> i64 {
    let users = list.map(records).unwrap_or_default();
    let named: Vec<&Record> = users
        .iter()
        .filter(|it| {
            let (given, family) = (it.text("NAME"), it.text("LAST_NAME"));
            let names = [[&*given, " ", &*family].concat(), [&*family, " ", &*given].concat(), it.text("EMAIL")];
            !wanted.is_empty() && names.iter().any(|it| same::words(it, wanted))
        })
        .collect();
    named.iter().find(|it| it.id() == id).or(named.first()).map_or(0, |it| it.id())
}

/// Name, e-mail or number of the lead's responsible person in Bitrix24; empty: nobody.
fn named<'a>(upsert: &'a LeadUpsert, config: &'a Config) -> &'a str {
    let hub = responsible(upsert);
    config.users.get(hub).map_or(hub, |it| it.trim())
}

/// The hub's name of the person who answers for the lead; empty: nobody, or the mapping says who.
#[must_use]
pub fn responsible(upsert: &LeadUpsert) -> &str {
    if upsert.fields.contains_key("ASSIGNED_BY_ID") {
        return "";
    }
    upsert.lead.responsible.as_ref().map_or("", |it| it.name.trim())
}

/// A user's number, where the text is one.
#[must_use]
pub fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|it| *it > 0)
}

/// The user of a record in the hub's words. Whose name is not known is called by number.
#[must_use]
pub fn shown(id: i64, users: &[Record]) -> Option<Responsible> {
    let name = |it: &Record| [it.text("NAME"), it.text("LAST_NAME")].join(" ").trim().to_owned();
    let known = users.iter().find(|it| it.id() == id).map(name).filter(|it| !it.is_empty());
    (id > 0).then(|| Responsible { id: Some(id.to_string()), name: known.unwrap_or_else(|| format!("Bitrix24 user {id}")) })
}
