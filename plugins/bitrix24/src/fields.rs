//! The fields of a lead, or of a deal and its contact, that a mapping may fill: <https://apidocs.bitrix24.ru/api-reference/crm/leads/crm-lead-fields.html>.
//!
//! A mapping names a field as Bitrix24 does, `UF_CRM_1700000000`; of a deal's contact with a prefix, `contact:UF_CRM_1700000000`.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::{Extra, Receipt};
use patchbay_sink::same;
use serde_json::Value;

use crate::ask::{Command, command, parameters};
use crate::client::{Answers, Client};
use crate::config::{Config, Kind};
use crate::find::{entries, method};
use crate::payload::{Record, number, records};
use crate::stage::{Entries, Entry};
use crate::user;

/// What the name of a field of a deal's contact begins with.
pub const CONTACT: &str = "contact:";

/// The field of a deal's pipeline, which is chosen when the deal is made and stays.
pub const PIPELINE: &str = "CATEGORY_ID";

/// What the connector finds or makes by itself, and what it is found again by.
const OWN: [&str; 9] =
    ["ID", "CONTACT_ID", "CONTACT_IDS", "COMPANY_ID", "COMPANY_IDS", "ORIGINATOR_ID", "ORIGIN_ID", "ORIGIN_VERSION", "LEAD_ID"];

/// Pages of fifty people who are offered to choose from.
const PEOPLE: [&str; 4] = ["people_1", "people_2", "people_3", "people_4"];

/// The most choices of a field.
const MOST_OPTIONS: usize = 1_000;

/// The most characters of a label.
const MOST_CHARACTERS: usize = 200;

/// What Bitrix24 says of the fields of records and of their contacts.
#[derive(Debug, Clone, Default)]
pub struct Types {
    record: Value,
    contact: Value,
}

/// What Bitrix24 says of one field.
#[derive(Debug, Clone, Copy)]
pub struct About<'t>(&'t Value);

/// Asks for the fields, where a mapping fills any: `fields` of the record, `contact_fields` of its contact.
pub fn ask(commands: &mut Vec<Command<'_>>, kind: Kind, mapped: &Extra) {
    if !mapped.is_empty() {
        commands.push(command("fields", method(kind, "fields"), Object::default()));
    }
    if kind == Kind::Deal && mapped.keys().any(|it| it.starts_with(CONTACT)) {
        commands.push(command("contact_fields", "crm.contact.fields", Object::default()));
    }
}

/// Names of the mapped fields that are read with a record, or with a contact.
pub fn read_with(of_contact: bool, mapped: &Extra) -> impl Iterator<Item = &str> {
    let of = move |name: &'_ str| if of_contact { name.starts_with(CONTACT) } else { !name.starts_with(CONTACT) };
    mapped.keys().map(String::as_str).filter(move |it| of(it)).map(|it| it.strip_prefix(CONTACT).unwrap_or(it))
}

impl Types {
    /// The answers to what [`ask`] asked.
    pub fn read(answers: &Answers, mapped: &Extra) -> Result<Self, Failure> {
        if mapped.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { record: answers.get("fields")?.clone(), contact: answers.found("contact_fields").cloned().unwrap_or_default() })
    }

    /// What is known of the field that a mapping names so.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<About<'_>> {
        let found = match name.strip_prefix(CONTACT) {
            Some(field) => self.contact.get(field),
            None => self.record.get(name),
        };
        found.map(About)
    }
}

impl<'t> About<'t> {
    /// Bitrix24's own word for what it takes: `enumeration`.
    #[must_use]
    pub fn bitrix(self) -> &'t str {
        self.0["type"].as_str().unwrap_or("")
    }

    /// True where it takes several values.
    #[must_use]
    pub fn takes_several(self) -> bool {
        self.is("isMultiple")
    }

    /// True where it is filled when a record is made, and never again.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.is("isImmutable")
    }

    /// The list of `crm.status.list` that its values are from.
    #[must_use]
    pub fn list(self) -> &'t str {
        self.0["statusType"].as_str().unwrap_or("")
    }

    /// The entries of an `enumeration`: id and text.
    pub fn items(self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let items = self.0["items"].as_array().into_iter().flatten();
        items.filter_map(|it| Some((it["ID"].as_str()?, it["VALUE"].as_str()?)))
    }

    /// The id of the entry that has this id or text.
    #[must_use]
    pub fn item(self, wanted: &str) -> Option<&'t str> {
        let by_id = self.items().find(|(id, _)| *id == wanted);
        by_id.or_else(|| self.items().find(|(_, text)| same::words(text, wanted))).map(|(id, _)| id)
    }

    /// The hub's word for what it takes. None: a mapping cannot fill it.
    #[must_use]
    pub fn kind(self) -> Option<&'static str> {
        if self.is("isReadOnly") {
            return None;
        }
        let one = match self.bitrix() {
            // Money is an amount with a currency, `300|RUB`.
            "string" | "text" | "url" | "address" | "money" => "text",
            "double" => "number",
            "integer" => "integer",
            "boolean" | "char" => "boolean",
            "date" => "date",
            "datetime" => "datetime",
            "enumeration" | "crm_status" | "crm_currency" | "crm_category" => "choice",
            "user" | "employee" | "iblock_element" | "iblock_section" => "link",
            "crm_multifield" => "list",
            _ => return None,
        };
        Some(if self.takes_several() { "list" } else { one })
    }

    fn is(self, what: &str) -> bool {
        matches!(&self.0[what], Value::Bool(true)) || matches!(self.0[what].as_str(), Some("Y"))
    }

    fn label(self) -> Option<&'t str> {
        let label = |name: &str| self.0[name].as_str().map(str::trim).filter(|it| !it.is_empty());
        // The title of a field that people made is its name in the database.
        label("formLabel").or_else(|| label("listLabel")).or_else(|| label("title"))
    }
}

/// True for a field that a mapping may fill, by the mapping's name for it.
#[must_use]
pub fn is_open(name: &str) -> bool {
    let field = name.strip_prefix(CONTACT).unwrap_or(name);
    // Phones and addresses of the person are all written anyway. Contacts have no pipelines, but a field of the same name.
    !OWN.contains(&field) && !matches!(field, "PHONE" | "EMAIL" | "LINK") && (field != PIPELINE || field == name)
}

/// `fields.list`: the fields that take a value, in one request.
pub fn list(client: Client<'_>, config: &Config) -> Result<Receipt, Failure> {
    let mut commands = vec![
        command("fields", method(config.kind, "fields"), Object::default()),
        command("stages", "crm.status.list", entries(&config.stages())),
        command("lists", "crm.status.list", parameters([("order", parameters([("SORT", "ASC".into())]).into())])),
        command("currencies", "crm.currency.list", Object::default()),
    ];
    if config.kind == Kind::Deal {
        commands.push(command("contact_fields", "crm.contact.fields", Object::default()));
        commands.push(command("pipelines", "crm.category.list", pipelines()));
    }
    for (page, name) in (0..).zip(PEOPLE) {
        commands.push(command(name, "user.get", user::page(page * 50)));
    }
    let answers = client.batch(false, &commands)?;
    answers.get("fields")?;
    let mut fields = Vec::new();
    for (prefix, name) in [("", "fields"), (CONTACT, "contact_fields")] {
        for (field, it) in answers.found(name).and_then(Value::as_object).into_iter().flatten() {
            fields.extend(described(&answers, config, prefix, field, About(it)));
        }
    }
    let mut details = Extra::new();
    details.insert("fields".to_owned(), fields.into());
    Ok(Receipt { remote_id: None, details })
}

/// The pipelines of deals.
#[must_use]
pub fn pipelines() -> Object<'static> {
    parameters([("entityTypeId", Kind::Deal.number().into())])
}

fn described(answers: &Answers, config: &Config, prefix: &str, field: &str, about: About<'_>) -> Option<Value> {
    let name = [prefix, field].concat();
    let kind = about.kind().filter(|_| is_open(&name))?;
    let label = short(about.label().unwrap_or(field));
    let mut described = Extra::new();
    described.insert("name".to_owned(), name.into());
    described.insert("label".to_owned(), if prefix.is_empty() { label } else { ["Contact: ", &label].concat() }.into());
    described.insert("type".to_owned(), kind.into());
    if about.is("isRequired") {
        described.insert("required".to_owned(), true.into());
    }
    let options = options(answers, config, prefix, field, about);
    if !options.is_empty() {
        described.insert("options".to_owned(), options.into());
    }
    Some(described.into())
}

fn options(answers: &Answers, config: &Config, prefix: &str, field: &str, about: About<'_>) -> Vec<Value> {
    let mut options = Vec::new();
    let mut add = |value: String, label: &str| {
        if !value.is_empty() && options.len() < MOST_OPTIONS {
            let label = short(if label.trim().is_empty() { &value } else { label });
            let mut option = Extra::new();
            option.insert("value".to_owned(), value.into());
            option.insert("label".to_owned(), label.into());
            options.push(Value::from(option));
        }
    };
    let found = |name: &str| answers.found(name).map(records).unwrap_or_default();
    match about.bitrix() {
        "enumeration" => about.items().for_each(|(id, text)| add(id.to_owned(), text)),
        "crm_status" => {
            let stages = prefix.is_empty() && field == config.kind.stage_field();
            let list = if stages { Entries::read(answers.found("stages")) } else { Entries::named(answers.found("lists"), about.list()) };
            list.all().iter().for_each(|Entry { code, name, .. }| add(code.clone(), name));
        }
        "crm_currency" => found("currencies").iter().for_each(|it| add(it.text("CURRENCY"), &it.text("FULL_NAME"))),
        "crm_category" => pipelines_of(answers.found("pipelines")).iter().for_each(|(id, name)| add(id.to_string(), name)),
        // A hook that may not read people offers none.
        "user" | "employee" => PEOPLE.into_iter().flat_map(found).for_each(|it| add(it.text("ID"), &user::name(&it))),
        _ => {}
    }
    options
}

/// Number and name of each pipeline in the answer of `crm.category.list`.
#[must_use]
pub fn pipelines_of(answer: Option<&Value>) -> Vec<(i64, String)> {
    let all = answer.and_then(|it| it.get("categories")).map(records).unwrap_or_default();
    all.iter().map(|it: &Record| (number(&it.0["id"]), it.text("name"))).collect()
}

fn short(text: &str) -> String {
    text.trim().chars().take(MOST_CHARACTERS).collect()
}
