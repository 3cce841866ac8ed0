//! `lead.plan`: `lead.upsert` carried out over a transport that lets questions through and only notes what would be written.
//! So the plan is what would be done, and cannot differ from it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use patchbay_sdk::Failure;
use patchbay_sdk::http::Answer;
use patchbay_sdk::schemas::command::LeadUpsert;
use patchbay_sdk::schemas::{Extra, Receipt};
use serde_json::Value;

use crate::client::{Ask, Client, text};
use crate::config::Config;
use crate::payload::Record;
use crate::upsert::upsert_all;

/// What only looks. Everything else is noted and not sent.
const QUESTIONS: [&str; 7] = ["search_read", "search", "read", "name_search", "fields_get", "context_get", "has_access"];

/// Where the links of the fields lead that the connector writes by itself.
const LINKS: [(&str, &str); 7] = [
    ("user_id", "res.users"),
    ("stage_id", "crm.stage"),
    ("source_id", "utm.source"),
    ("medium_id", "utm.medium"),
    ("campaign_id", "utm.campaign"),
    ("tag_ids", "crm.tag"),
    ("lost_reason_id", "crm.lost.reason"),
];

/// Says what the upsert would do.
pub fn plan(client: Client<'_>, config: &Config, upsert: &LeadUpsert) -> Result<Receipt, Failure> {
    let dry = RefCell::new(Dry::default());
    let transport = |ask: Ask| ask_or_note(client, &dry, ask);
    let none = || Err(Failure::later("odoo.answer", "no result"));
    let receipt = upsert_all(Client::new(&transport), config, &[upsert]).pop().unwrap_or_else(none)?;
    let dry = dry.into_inner();
    let result = match (dry.creates, dry.changes.is_empty()) {
        (true, _) => "create",
        (false, false) => "update",
        (false, true) => "leave",
    };
    let mut plan = Extra::new();
    plan.insert("result".to_owned(), result.into());
    if !dry.creates
        && let Some(url) = receipt.details.get("url")
    {
        plan.insert("url".to_owned(), url.clone());
    }
    plan.insert("changes".to_owned(), dry.changes.into());
    let mut details = Extra::new();
    details.insert("plan".to_owned(), plan.into());
    if let Some(left_out) = receipt.details.get("left_out") {
        details.insert("left_out".to_owned(), left_out.clone());
    }
    Ok(Receipt { remote_id: receipt.remote_id.filter(|_| !dry.creates), details })
}

/// What was learned and noted.
#[derive(Default)]
struct Dry {
    /// Names of records, by model and id.
    names: BTreeMap<(String, i64), String>,
    /// Where the links of mapped fields lead.
    links: BTreeMap<String, String>,
    /// Records of `crm.lead` that were read: one of them would be written to.
    known: BTreeMap<i64, Record>,
    creates: bool,
    /// As `lead.plan` tells them.
    changes: Vec<Value>,
    /// Ids of records that would be made count down from here.
    made: i64,
}

fn ask_or_note(client: Client<'_>, dry: &RefCell<Dry>, ask: Ask) -> Result<Answer, Failure> {
    let path = ask.path.trim_start_matches("/json/2/").to_owned();
    let (model, method) = path.split_once('/').unwrap_or((path.as_str(), ""));
    let sent: Value = patchbay_sdk::json::parse(&ask.body).unwrap_or_default();
    if ask.method == "GET" || QUESTIONS.contains(&method) {
        let answer = client.raw(ask)?;
        if answer.status == 200 {
            dry.borrow_mut().learn(model, method, &answer.value());
        }
        return Ok(answer);
    }
    let answered = dry.borrow_mut().note(model, method, &sent);
    Ok(Answer { status: 200, headers: Vec::new(), body: text(&answered).into_bytes() })
}

impl Dry {
    fn learn(&mut self, model: &str, method: &str, answer: &Value) {
        let items = answer.as_array().into_iter().flatten();
        match (model, method) {
            ("crm.lead", "fields_get") => {
                for (name, it) in answer.as_object().into_iter().flatten() {
                    if let Some(relation) = it["relation"].as_str() {
                        self.links.insert(name.clone(), relation.to_owned());
                    }
                }
            }
            (_, "name_search") => items.for_each(|it| self.name(model, &it[0], &it[1])),
            ("crm.lead", "read" | "search_read") => self.records(items),
            (_, "read" | "search_read") => items.for_each(|it| self.name(model, &it["id"], &it["name"])),
            _ => {}
        }
    }

    fn records<'a>(&mut self, found: impl Iterator<Item = &'a Value>) {
        // Several where the person has several: the one that is written to is named by its id then.
        for record in found {
            for (field, model) in LINKS {
                self.name(model, &record[field][0], &record[field][1]);
            }
            self.known.insert(record["id"].as_i64().unwrap_or(0), Record(record.clone()));
        }
    }

    fn name(&mut self, model: &str, id: &Value, name: &Value) {
        if let (Some(id), Some(name)) = (id.as_i64(), name.as_str()) {
            self.names.insert((model.to_owned(), id), name.to_owned());
        }
    }

    /// Notes what would be written, and answers as Odoo would.
    fn note(&mut self, model: &str, method: &str, sent: &Value) -> Value {
        let id = sent["ids"][0].as_i64().unwrap_or(0);
        match (model, method) {
            ("crm.lead", "load") => {
                self.creates = true;
                let cells = sent["fields"].as_array().into_iter().flatten().zip(sent["data"][0].as_array().into_iter().flatten());
                for (column, cell) in cells {
                    self.note_cell(column.as_str().unwrap_or(""), cell.as_str().unwrap_or(""));
                }
                let mut answer = Extra::new();
                answer.insert("ids".to_owned(), vec![Value::from(0)].into());
                return answer.into();
            }
            ("crm.lead", "write") => {
                for (field, value) in sent["vals"].as_object().into_iter().flatten() {
                    self.note_value(id, field, value);
                }
            }
            ("crm.lead", "action_set_won") => self.change("stage_id", self.shown(id, "stage_id"), "won".into()),
            ("crm.lead", "action_set_lost") => {
                self.change("stage_id", self.shown(id, "stage_id"), "lost".into());
                if !sent["lost_reason_id"].is_null() {
                    self.note_value(id, "lost_reason_id", &sent["lost_reason_id"]);
                }
            }
            ("crm.lead", "action_unarchive") if self.known.get(&id).is_some_and(|it| it.0["active"] == false) => {
                self.change("active", false.into(), true.into());
            }
            ("crm.lead", "activity_schedule") => self.note_activity(sent),
            ("mail.activity", "write") => self.note_activity(&sent["vals"]),
            (_, "name_create") => {
                self.made -= 1;
                self.name(model, &self.made.into(), &sent["name"]);
                return vec![Value::from(self.made), sent["name"].clone()].into();
            }
            _ => {}
        }
        Value::Bool(true)
    }

    fn note_cell(&mut self, column: &str, cell: &str) {
        // The external id is no field for people, and low priority is what Odoo gives by itself.
        if cell.is_empty() || column == "id" || (column == "priority" && cell == "0") {
            return;
        }
        let Some(field) = column.strip_suffix("/.id") else { return self.change(column, Value::Null, cell.into()) };
        let names: Vec<String> = cell.split(',').filter_map(|it| it.parse().ok()).map(|id| self.name_of(field, id)).collect();
        self.change(field, Value::Null, names.join(", ").into());
    }

    fn note_value(&mut self, id: i64, field: &str, value: &Value) {
        let to = match value {
            // Links that are added: `[[4, id], …]`.
            Value::Array(links) => {
                links.iter().filter_map(|it| it[1].as_i64()).map(|id| self.name_of(field, id)).collect::<Vec<_>>().join(", ").into()
            }
            Value::Number(link) if self.leads_to(field).is_some() => self.name_of(field, link.as_i64().unwrap_or(0)).into(),
            other => other.clone(),
        };
        self.change(field, self.shown(id, field), to);
    }

    fn note_activity(&mut self, sent: &Value) {
        let planned = format!("{} {}", sent["date_deadline"].as_str().unwrap_or(""), sent["summary"].as_str().unwrap_or(""));
        self.change("activity_ids", Value::Null, planned.into());
    }

    fn change(&mut self, field: &str, from: Value, to: Value) {
        let mut change = Extra::new();
        change.insert("field".to_owned(), field.into());
        if !from.is_null() {
            change.insert("from".to_owned(), from);
        }
        change.insert("to".to_owned(), to);
        self.changes.push(change.into());
    }

    /// What stands in a field, as people read it; null: nothing.
    fn shown(&self, id: i64, field: &str) -> Value {
        let Some(record) = self.known.get(&id) else { return Value::Null };
        match &record.0[field] {
            Value::Bool(false) => Value::Null,
            Value::Array(_) if !record.link_name(field).is_empty() => record.link_name(field).into(),
            Value::Array(links) => {
                links.iter().filter_map(Value::as_i64).map(|id| self.name_of(field, id)).collect::<Vec<_>>().join(", ").into()
            }
            other => other.clone(),
        }
    }

    fn leads_to(&self, field: &str) -> Option<&str> {
        let known = || LINKS.iter().find(|(it, _)| *it == field).map(|(_, model)| *model);
        self.links.get(field).map(String::as_str).or_else(known)
    }

    /// The name of the record that a field links to, or its id where the name was not asked for.
    fn name_of(&self, field: &str, id: i64) -> String {
        let model = self.leads_to(field).unwrap_or("").to_owned();
        self.names.get(&(model, id)).cloned().unwrap_or_else(|| format!("#{id}"))
    }
}
