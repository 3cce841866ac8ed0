//! What the connection's mapping says of a record's fields: which of it is to be written, by the same rules as what the connector writes by itself.

use std::borrow::Cow;

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::command::LeadUpsert;
use patchbay_sdk::schemas::time;
use patchbay_sdk::{Failure, Retry};
use patchbay_sink::{Wrote, same};
use serde_json::Value;

use crate::ask::{command, parameters};
use crate::client::Client;
use crate::config::{Config, Kind};
use crate::fields::{self, About, CONTACT, PIPELINE};
use crate::find::Seen;
use crate::payload::Record;
use crate::stage::{Entries, Entry};
use crate::stored::{self, Stored};
use crate::user;

/// People whom a mapping may name for one record.
const SEARCHES: [&str; 4] = ["mapped_1", "mapped_2", "mapped_3", "mapped_4"];

/// Mapped values that have to be written.
#[derive(Debug, Default)]
pub struct Mapped {
    /// Into the record.
    pub record: Object<'static>,
    /// Into the deal's contact.
    pub contact: Object<'static>,
    /// What has no place in its field, and why.
    pub left_out: Vec<String>,
}

/// What names in mapped values stand for.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Every list of `crm.status.list`, where one was needed.
    entries: Value,
    stages: Entries,
    stages_list: String,
    sources: Entries,
    /// Who was looked for, and who was found.
    people: Vec<(String, i64)>,
    /// What amounts are in where the mapping does not say.
    pub currency: String,
    /// Seconds that Bitrix24's clock is east of Greenwich.
    offset_s: i64,
}

/// A value that is to be written unless the record says so already.
struct Due<'a> {
    name: &'a str,
    about: About<'a>,
    value: &'a Value,
    record: Option<&'a Record>,
}

/// True where a mapped value is a moment: for its day one must know Bitrix24's zone.
#[must_use]
pub fn has_moment(upsert: &LeadUpsert) -> bool {
    upsert.fields.values().any(|it| it.as_str().is_some_and(|it| time::parse(it).is_some()))
}

/// The pipeline in which the mapping wants a new deal, and why not where it cannot be.
pub fn pipeline<'c>(client: Client<'_>, config: &'c Config, upsert: &LeadUpsert) -> Result<(Cow<'c, Config>, Option<String>), Failure> {
    let wanted = match upsert.fields.get(PIPELINE) {
        Some(Value::String(it)) => it.trim().to_owned(),
        Some(it @ Value::Number(_)) => crate::client::text(it),
        _ => String::new(),
    };
    if wanted.is_empty() || config.kind == Kind::Lead {
        return Ok((Cow::Borrowed(config), None));
    }
    let number = if wanted.bytes().all(|it| it.is_ascii_digit()) {
        Some(wanted.clone())
    } else {
        let all = fields::pipelines_of(Some(&client.call("crm.category.list", &fields::pipelines())?));
        all.into_iter().find(|(_, name)| same::words(name, &wanted)).map(|(id, _)| id.to_string())
    };
    Ok(match number {
        Some(pipeline) => (Cow::Owned(Config { pipeline, ..config.clone() }), None),
        None => (Cow::Borrowed(config), Some(format!("{PIPELINE}: Bitrix24 has no pipeline of this name"))),
    })
}

/// What has to be written into a record and a contact; None: into a new one. At most one request, where values name something.
pub fn due(
    client: Client<'_>,
    config: &Config,
    upsert: &LeadUpsert,
    seen: &mut Seen,
    (record, contact): (Option<&Record>, Option<&Record>),
    wrote: Wrote<'_>,
) -> Result<Mapped, Failure> {
    let mut mapped = Mapped::default();
    let mut due: Vec<Due<'_>> = Vec::new();
    for (name, value) in upsert.fields.iter().filter(|(name, value)| !value.is_null() && *name != PIPELINE) {
        let (there, field) = match name.strip_prefix(CONTACT) {
            Some(field) => (contact, field),
            None => (record, name.as_str()),
        };
        let Some(about) = seen.types.of(name).filter(|_| fields::is_open(name)) else {
            mapped.left_out.push(format!("{name}: Bitrix24 has no such field to fill"));
            continue;
        };
        if about.kind().is_none() {
            mapped.left_out.push(format!("{name}: a field of Bitrix24's type {} cannot be mapped", about.bitrix()));
            continue;
        }
        let may_write = |it: &Record| {
            wrote.may_write_print(name, &stored::print(value), stored::is_empty(it, field, about)) || is_settled(upsert, name, config.kind)
        };
        if there.is_none_or(|it| !about.is_final() && may_write(it)) {
            due.push(Due { name, about, value, record: there });
        }
    }
    let lists = Lists::ask(client, config, seen, &due)?;
    for Due { name, about, value, record } in due {
        let field = name.strip_prefix(CONTACT).unwrap_or(name);
        let place = if field.len() < name.len() { &mut mapped.contact } else { &mut mapped.record };
        match Stored::of(about, name, value, &lists) {
            Ok(stored) => {
                if let Some(node) = stored.change(record, field) {
                    place.put(field.to_owned(), node);
                }
            }
            Err(reason) => mapped.left_out.push(reason),
        }
    }
    seen.lists = lists;
    if let Some(user) = mapped.record.peek_text("ASSIGNED_BY_ID").and_then(user::number) {
        seen.user = user;
    }
    Ok(mapped)
}

/// True for a field in which people were overruled: the mapped value is written over theirs.
fn is_settled(upsert: &LeadUpsert, name: &str, kind: Kind) -> bool {
    let word = match name {
        "ASSIGNED_BY_ID" => "responsible",
        it if it == kind.stage_field() => "stage",
        _ => return false,
    };
    upsert.settled.iter().any(|it| it == word)
}

impl Lists {
    /// Asks for what these values name, in one request; in none where they name nothing.
    fn ask(client: Client<'_>, config: &Config, seen: &Seen, due: &[Due<'_>]) -> Result<Self, Failure> {
        let stage = |it: &Due<'_>| it.name == config.kind.stage_field();
        let stages_list = due.iter().find(|it| stage(it)).map(|it| it.about.list().to_owned()).unwrap_or_default();
        let mut lists =
            Self { stages: seen.stages.clone(), stages_list, sources: seen.sources.clone(), offset_s: seen.offset_s, ..Self::default() };
        let mut commands = Vec::new();
        if due.iter().any(|it| it.about.bitrix() == "crm_status" && !stage(it) && it.about.list() != "SOURCE") {
            let order = parameters([("SORT", "ASC".into())]);
            commands.push(command("lists", "crm.status.list", parameters([("order", order.into())])));
        }
        if due.iter().any(|it| it.about.bitrix() == "money" && it.value.as_str().is_none_or(|it| !it.contains('|'))) {
            commands.push(command("currency", "crm.currency.base.get", Object::default()));
        }
        let mut names: Vec<String> = Vec::new();
        for it in due.iter().filter(|it| matches!(it.about.bitrix(), "user" | "employee")) {
            let one = std::slice::from_ref(it.value);
            for name in it.value.as_array().map_or(one, Vec::as_slice).iter().filter_map(Value::as_str).map(str::trim) {
                if user::number(name).is_none() && !name.is_empty() && !names.iter().any(|it| it == name) {
                    names.push(name.to_owned());
                }
            }
        }
        for (name, wanted) in SEARCHES.into_iter().zip(&names) {
            commands.push(command(name, "user.get", user::search(config.users.get(wanted).unwrap_or(wanted))));
        }
        if commands.is_empty() {
            return Ok(lists);
        }
        let answers = client.batch(false, &commands)?;
        // What may not be read names nothing; what broke is asked again, before a value is left out for good.
        if let Some(broken) = commands.iter().filter_map(|it| answers.failure(it.name)).find(|it| it.retry == Retry::Later) {
            return Err(broken);
        }
        lists.entries = answers.found("lists").cloned().unwrap_or_default();
        answers.found("currency").and_then(Value::as_str).unwrap_or("").clone_into(&mut lists.currency);
        for (name, wanted) in SEARCHES.into_iter().zip(names) {
            let id = user::called(answers.found(name), config.users.get(&wanted).unwrap_or(&wanted), 0);
            lists.people.push((wanted, id));
        }
        Ok(lists)
    }

    /// The entry of this code or name in one of the lists.
    #[must_use]
    pub fn entry(&self, list: &str, wanted: &str) -> Option<Entry> {
        match list {
            "" => None,
            it if it == self.stages_list => self.stages.called(wanted).cloned(),
            "SOURCE" => self.sources.called(wanted).cloned(),
            it => Entries::named(Some(&self.entries), it).called(wanted).cloned(),
        }
    }

    /// The number of somebody who is named by number, name or e-mail.
    #[must_use]
    pub fn user(&self, wanted: &str) -> Option<i64> {
        let found = || self.people.iter().find(|(name, id)| name == wanted && *id != 0).map(|(_, id)| *id);
        user::number(wanted).or_else(found)
    }

    /// Who was found under this number.
    #[must_use]
    pub fn called(&self, id: i64) -> Option<&str> {
        self.people.iter().find(|(_, it)| *it == id).map(|(name, _)| name.as_str())
    }

    /// A day as it stands, or the day of a moment on Bitrix24's clock.
    #[must_use]
    pub fn day(&self, given: &str) -> Option<String> {
        let at = time::parse(given).or_else(|| time::parse(&[given, "T00:00:00Z"].concat()))?;
        let is_day = given.len() == 10;
        let local = if is_day { at } else { time::from_seconds(at.as_second() + self.offset_s)? };
        time::written(local).get(..10).map(str::to_owned)
    }
}

/// Seconds that a time as Bitrix24 writes it is east of Greenwich: `2026-11-22T14:00:00+03:00`.
#[must_use]
pub fn offset_s(time: &str) -> i64 {
    let Some((sign, rest)) = time.len().checked_sub(6).and_then(|it| time.get(it..)).and_then(|it| it.split_at_checked(1)) else {
        return 0;
    };
    let Some((hours, minutes)) = rest.split_once(':') else { return 0 };
    let (Ok(hours), Ok(minutes)) = (hours.parse::<i64>(), minutes.parse::<i64>()) else { return 0 };
    let east = hours * 3_600 + minutes * 60;
    match sign {
        "+" => east,
        "-" => -east,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_a_moment_is_that_of_the_office() {
        let lists = Lists { offset_s: offset_s("2026-11-22T14:00:00+03:00"), ..Lists::default() };
        assert_eq!(lists.day("2026-03-14T22:30:00Z").as_deref(), Some("2026-03-15"));
        assert_eq!(lists.day("2026-03-14").as_deref(), Some("2026-03-14"));
        assert_eq!((lists.day("14.03.2026"), lists.day("2026-02-30"), lists.day("")), (None, None, None));
        assert_eq!((offset_s("2026-11-22T14:00:00-02:30"), offset_s("2026-11-22T14:00:00Z"), offset_s("")), (-9_000, 0, 0));
    }
}
