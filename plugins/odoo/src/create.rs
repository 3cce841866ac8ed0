//! New records through `load`, Odoo's import: one call makes records, their external ids and the names they link to, or nothing.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::Extra;
use serde_json::Value;

use crate::ask::{arguments, texts};
use crate::client::{Client, first_line, is_race, strange};
use crate::config::Config;
use crate::fields::Stored;
use crate::lead::{Goal, Wanted, reference};

/// A record to be made: columns and values of one line of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    columns: Vec<String>,
    values: Vec<String>,
}

/// A record that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its id.
    pub id: i64,
    /// Fields that Odoo did not let the key's user fill.
    pub left_out: Vec<String>,
}

/// Fields that a lead can do without when the key's user may not make a new name.
const OPTIONAL: [&str; 4] = ["source_id", "medium_id", "campaign_id", "tag_ids"];

impl Row {
    /// The line of a lead.
    #[must_use]
    pub fn new(lead_id: &str, wanted: &Wanted, user: i64, mapped: &Extra, written: &[(String, Stored)], config: &Config) -> Self {
        let mut row = Self { columns: Vec::new(), values: Vec::new() };
        row.push("id", reference(lead_id));
        for (field, text) in &wanted.texts {
            row.push(field, text.clone());
        }
        if !mapped.contains_key("description") {
            row.push("description", wanted.description.clone());
        }
        for (field, _, name) in &wanted.named {
            row.push(field, name.clone());
        }
        if !mapped.contains_key("tag_ids") {
            row.push("tag_ids", wanted.tags.join(","));
        }
        // An empty user is nobody; without the column it would be the key's own user.
        if !written.iter().any(|(field, _)| field == "user_id") {
            row.push("user_id/.id", if user == 0 { String::new() } else { user.to_string() });
        }
        // An empty stage would be none at all; without the column it is Odoo's first.
        if let Goal::Stage(name) = &wanted.goal {
            row.push("stage_id", name.clone());
        }
        if config.record_type != "auto" && !mapped.contains_key("type") {
            row.push("type", config.record_type.clone());
        }
        for (field, stored) in written {
            let (column, cell) = stored.cell(field);
            row.push(&column, cell);
        }
        row
    }

    fn push(&mut self, column: &str, value: String) {
        self.columns.push(column.to_owned());
        self.values.push(value);
    }

    fn without(&self, left_out: &[String]) -> Self {
        let kept = self.columns.iter().zip(&self.values).filter(|(column, _)| !left_out.contains(column));
        let (columns, values) = kept.map(|(column, value)| (column.clone(), value.clone())).unzip();
        Self { columns, values }
    }
}

/// Makes the records. What cannot be made together is made one by one, so that each line fails for itself.
#[must_use]
pub fn load(client: Client<'_>, rows: &[&Row]) -> Vec<Result<Loaded, Failure>> {
    let alike = rows.first().is_some_and(|first| rows.iter().all(|it| it.columns == first.columns));
    if rows.len() > 1
        && alike
        && let Ok(Answered::Ids(ids)) = import(client, rows)
    {
        return ids.into_iter().map(|id| Ok(Loaded { id, left_out: Vec::new() })).collect();
    }
    rows.iter().map(|row| load_one(client, row)).collect()
}

fn load_one(client: Client<'_>, row: &Row) -> Result<Loaded, Failure> {
    let mut left_out = Vec::new();
    loop {
        match import(client, &[&row.without(&left_out)])? {
            Answered::Ids(ids) => return Ok(Loaded { id: ids.first().copied().unwrap_or(0), left_out }),
            Answered::Refused { field, text } => match OPTIONAL.iter().find(|it| **it == field && !left_out.contains(&field)) {
                Some(_) => left_out.push(field),
                None => return Err(refused(&field, &text)),
            },
        }
    }
}

enum Answered {
    Ids(Vec<i64>),
    Refused { field: String, text: String },
}

fn import(client: Client<'_>, rows: &[&Row]) -> Result<Answered, Failure> {
    let columns: Vec<&str> = rows.first().map(|it| it.columns.iter().map(String::as_str).collect()).unwrap_or_default();
    let data: Vec<Node> = rows.iter().map(|it| Node::List(it.values.iter().map(|it| it.as_str().into()).collect())).collect();
    let may_create = arguments(OPTIONAL.map(|it| (it, true.into())));
    // Times are read in that zone; else it would be the user's.
    let context = arguments([("name_create_enabled_fields", may_create.into()), ("tz", "UTC".into())]);
    let answer =
        client.call("crm.lead", "load", arguments([("fields", texts(&columns)), ("data", data.into()), ("context", context.into())]))?;
    if let Some(ids) = answer["ids"].as_array() {
        let ids: Vec<i64> = ids.iter().filter_map(Value::as_i64).collect();
        return if ids.len() == rows.len() { Ok(Answered::Ids(ids)) } else { Err(strange("one id for each new record")) };
    }
    let error = answer["messages"].as_array().into_iter().flatten().find(|it| it["type"] == "error").cloned().unwrap_or_default();
    let text = |key: &str| error[key].as_str().unwrap_or("").to_owned();
    Ok(Answered::Refused { field: text("field"), text: text("message") })
}

/// `load` answers 200 for everything; what went wrong stands in its messages. A message with a field is about the data.
fn refused(field: &str, text: &str) -> Failure {
    let line = first_line(text);
    match field {
        _ if is_race(text) => Failure::later("odoo.race", format!("somebody made the same thing at the same moment: {line}")),
        "stage_id" => Failure::never("odoo.stage", format!("correct the stages in this connection's configuration: {line}")),
        "" if text.contains("not allowed") || text.contains("access") => {
            Failure::reauthorise("odoo.access", format!("the user of the API key lacks a right: {line}"))
        }
        "" => Failure::later("odoo.load", format!("Odoo made no record: {line}")),
        field => Failure::never("odoo.invalid", format!("Odoo made no record because of {field}: {line}")),
    }
}
