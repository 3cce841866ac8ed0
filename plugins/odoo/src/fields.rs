//! The fields of `crm.lead` that a mapping may fill: which there are, and how a mapped value is written.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::{Extra, Receipt, time as moment};
use patchbay_sdk::{Failure, Retry};
use patchbay_sink::same;
use serde_json::Value;

use crate::ask::{Search, arguments, ids, term, texts};
use crate::client::Client;
use crate::config::Config;
use crate::payload::Record;
use crate::time;
use crate::upsert::{find_or_make, user_called};

/// Names that are made where they are missing, as for what the connector writes by itself.
const MADE: [&str; 4] = ["crm.tag", "utm.source", "utm.medium", "utm.campaign"];
/// Models with so few records that people choose among them.
const CHOSEN: [&str; 3] = ["crm.stage", "crm.team", "res.users"];
/// Most of them that are listed.
const MOST_OPTIONS: u32 = 200;

/// What Odoo says of its fields, by name.
#[derive(Debug, Default)]
pub struct Types(Value);

impl Types {
    /// Asks for these fields alone; nothing is asked where there is none.
    pub fn of<'a>(client: Client<'_>, names: impl Iterator<Item = &'a String>) -> Result<Self, Failure> {
        let mut names: Vec<&str> = names.map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Ok(Self::default());
        }
        fields_get(client, arguments([("allfields", texts(&names))])).map(Self)
    }

    /// The names of the fields that Odoo has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.as_object().into_iter().flatten().map(|(name, _)| name.as_str())
    }

    fn text(&self, field: &str, what: &str) -> &str {
        self.0[field][what].as_str().unwrap_or("")
    }
}

fn fields_get(client: Client<'_>, mut asked: Object<'_>) -> Result<Value, Failure> {
    asked.put("attributes", texts(&["string", "type", "required", "readonly", "store", "selection", "relation"]));
    client.call("crm.lead", "fields_get", asked)
}

/// `fields.list`: the fields that take a value.
pub fn list(client: Client<'_>) -> Result<Receipt, Failure> {
    let found = fields_get(client, Object::default())?;
    let mut fields: Vec<Value> = Vec::new();
    for (name, it) in found.as_object().into_iter().flatten() {
        let Some(kind) = kind(it["type"].as_str().unwrap_or("")) else { continue };
        if it["readonly"] == true || it["store"] == false || name == "id" {
            continue;
        }
        let mut field = Extra::new();
        field.insert("name".to_owned(), name.as_str().into());
        field.insert("label".to_owned(), it["string"].as_str().filter(|it| !it.trim().is_empty()).unwrap_or(name).into());
        field.insert("type".to_owned(), kind.into());
        if it["required"] == true {
            field.insert("required".to_owned(), true.into());
        }
        let options = options(client, it);
        if !options.is_empty() {
            field.insert("options".to_owned(), options.into());
        }
        fields.push(field.into());
    }
    let mut details = Extra::new();
    details.insert("fields".to_owned(), fields.into());
    Ok(Receipt { remote_id: None, details })
}

/// The hub's word for Odoo's type. None: a mapping cannot fill it.
fn kind(odoo: &str) -> Option<&'static str> {
    Some(match odoo {
        "char" | "text" | "html" => "text",
        "integer" => "integer",
        "float" | "monetary" => "number",
        "boolean" => "boolean",
        "date" => "date",
        "datetime" => "datetime",
        "selection" => "choice",
        "many2one" => "link",
        "many2many" => "list",
        _ => return None,
    })
}

fn options(client: Client<'_>, it: &Value) -> Vec<Value> {
    let option = |value: String, label: &str| {
        let mut option = Extra::new();
        option.insert("value".to_owned(), value.into());
        option.insert("label".to_owned(), label.into());
        Value::from(option)
    };
    if it["type"] == "selection" {
        let pairs = it["selection"].as_array().into_iter().flatten();
        return pairs.filter_map(|it| Some(option(it[0].as_str()?.to_owned(), it[1].as_str()?))).collect();
    }
    let model = it["relation"].as_str().unwrap_or("");
    if !CHOSEN.contains(&model) {
        return Vec::new();
    }
    let domain = if model == "res.users" { vec![term("share", "=", false)] } else { Vec::new() };
    // The key's user may lack the right to look: then there is nothing to choose from.
    let found = client.search(model, Search::new(domain, &["name"]).order("id").limit(MOST_OPTIONS)).unwrap_or_default();
    found.iter().filter(|it| !it.text("name").is_empty()).map(|it| option(it.id().to_string(), it.text("name"))).collect()
}

/// A mapped value as Odoo stores it.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// Text, day, time or one of a selection.
    Text(String),
    /// A number: JSON. Not an `f64`, since reading and writing those would be a tenth of this connector.
    Number(Value),
    /// Yes or no.
    Flag(bool),
    /// A record.
    Link(i64),
    /// Records that are added to those that are there.
    Links(Vec<i64>),
}

impl Stored {
    /// What Odoo stores for a mapped value. The inner error says why it has no place in this field: the record is written without it.
    pub fn of(client: Client<'_>, config: &Config, types: &Types, field: &str, value: &Value) -> Result<Result<Self, String>, Failure> {
        let text = plain(value);
        let odoo = types.text(field, "type");
        let no = |what: &str| Ok(Err(format!("{field}: `{}` is {what}", short(&text))));
        let model = types.text(field, "relation");
        Ok(Ok(match odoo {
            "char" | "text" | "html" => Self::Text(text),
            "integer" | "float" | "monetary" => match patchbay_sdk::json::parse(text.trim().as_bytes()) {
                Ok(number @ Value::Number(_)) if odoo != "integer" || number.is_i64() || number.is_u64() => Self::Number(number),
                _ => return no(if odoo == "integer" { "no whole number" } else { "no number" }),
            },
            "boolean" => match text.as_str() {
                "true" | "1" => Self::Flag(true),
                "false" | "0" => Self::Flag(false),
                _ => return no("neither true nor false"),
            },
            "date" => match day(&text, config) {
                Some(day) => Self::Text(day),
                None => return no("no day"),
            },
            "datetime" => match moment::parse(&text) {
                Some(at) => Self::Text(time::written(at)),
                None => return no("no moment"),
            },
            "selection" => {
                let pairs = types.0[field]["selection"].as_array().into_iter().flatten();
                let called = |it: &&Value| it[0] == text.as_str() || it[1] == text.as_str();
                match pairs.filter(called).find_map(|it| it[0].as_str()) {
                    Some(key) => Self::Text(key.to_owned()),
                    None => return no("none of its choices"),
                }
            }
            "many2one" => match link(client, model, value)? {
                Some(id) => Self::Link(id),
                None => return no(&format!("no record of {model}")),
            },
            "many2many" => {
                let mut links = Vec::new();
                let one = [value.clone()];
                for it in value.as_array().map_or(&one[..], Vec::as_slice) {
                    match link(client, model, it)? {
                        Some(id) => links.push(id),
                        None => return no(&format!("no record of {model}")),
                    }
                }
                Self::Links(links)
            }
            "" => return Ok(Err(format!("{field}: Odoo has no such field"))),
            other => return Ok(Err(format!("{field}: a field of Odoo's type {other} cannot be mapped"))),
        }))
    }

    /// True when the record says so already.
    #[must_use]
    pub fn stands_in(&self, record: &Record, field: &str) -> bool {
        let theirs = &record.0[field];
        match self {
            Self::Text(ours) => theirs.as_str() == Some(ours),
            Self::Number(ours) => theirs.as_f64() == ours.as_f64(),
            Self::Flag(ours) => theirs.as_bool() == Some(*ours),
            Self::Link(ours) => record.link(field) == *ours,
            Self::Links(ours) => ours.iter().all(|it| record.links(field).contains(it)),
        }
    }

    /// As `write` takes it.
    #[must_use]
    pub fn node(self) -> Node<'static> {
        match self {
            Self::Text(text) => text.into(),
            Self::Number(number) => Node::from(&number).into_owned(),
            Self::Flag(flag) => flag.into(),
            Self::Link(id) => id.into(),
            Self::Links(links) => Node::List(links.into_iter().map(|it| ids(&[4, it])).collect()),
        }
    }

    /// Column and cell of an import.
    #[must_use]
    pub fn cell(&self, field: &str) -> (String, String) {
        match self {
            Self::Text(text) => (field.to_owned(), text.clone()),
            Self::Number(number) => (field.to_owned(), crate::client::text(number)),
            Self::Flag(flag) => (field.to_owned(), u8::from(*flag).to_string()),
            Self::Link(id) => ([field, "/.id"].concat(), id.to_string()),
            Self::Links(links) => ([field, "/.id"].concat(), links.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

/// True for a field in which nobody wrote anything.
#[must_use]
pub fn is_empty(record: &Record, field: &str) -> bool {
    match &record.0[field] {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty() || (field == "priority" && text == "0"),
        Value::Array(items) => items.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

/// The fingerprint of a mapped value.
#[must_use]
pub fn print(value: &Value) -> String {
    same::print(&plain(value))
}

/// A value as a text; a list with commas.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => crate::client::text(other),
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// A day as it stands, or the day of a moment in office time.
fn day(text: &str, config: &Config) -> Option<String> {
    match moment::parse(text) {
        Some(at) => Some(time::local(at, config.offset_s()).0),
        None => time::parse(&[text.trim(), " 00:00:00"].concat()).map(|_| text.trim().to_owned()),
    }
}

/// The record of that id or name.
fn link(client: Client<'_>, model: &str, value: &Value) -> Result<Option<i64>, Failure> {
    if let Some(id) = value.as_i64().or_else(|| value.as_str().and_then(|it| it.trim().parse().ok())) {
        return Ok((id > 0).then_some(id));
    }
    let Some(name) = value.as_str().map(str::trim).filter(|it| !it.is_empty()) else { return Ok(None) };
    if model == "res.users" {
        return user_called(client, name, 0).map(|it| (it != 0).then_some(it));
    }
    if MADE.contains(&model) {
        return find_or_make(client, model, name);
    }
    let found = client.call(model, "name_search", arguments([("name", name.into()), ("operator", "=".into()), ("limit", 1.into())]));
    match found {
        Ok(found) => Ok(found[0][0].as_i64()),
        // Of a model that the key's user may not see there is nothing to link to.
        Err(failure) if failure.code == "odoo.access" && failure.retry == Retry::Reauthorise => Ok(None),
        Err(failure) => Err(failure),
    }
}
