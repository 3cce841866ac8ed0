//! The fake's records: tables of JSON objects, external ids, and the indexes that keep it quick.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::domain::Domain;

/// A record: a link is its bare id, an empty field `false`.
pub type Row = Map<String, Value>;

/// What sort of value a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, date, selection: as it is.
    Text,
    /// A day: as it is.
    Day,
    /// A time: microseconds inside, seconds outside.
    Time,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A record of a model.
    Link(&'static str),
    /// Records of a model.
    Links(&'static str),
}

type Fields = &'static [(&'static str, Kind)];

const LEAD: Fields = &[
    ("id", Kind::Number),
    ("name", Kind::Text),
    ("contact_name", Kind::Text),
    ("phone", Kind::Text),
    ("email_from", Kind::Text),
    ("email_normalized", Kind::Text),
    ("partner_name", Kind::Text),
    ("partner_id", Kind::Link("res.partner")),
    ("city", Kind::Text),
    ("function", Kind::Text),
    ("expected_revenue", Kind::Number),
    ("date_deadline", Kind::Day),
    ("description", Kind::Text),
    ("priority", Kind::Choice(&["0", "1", "2", "3"])),
    ("type", Kind::Choice(&["lead", "opportunity"])),
    ("active", Kind::Flag),
    ("probability", Kind::Number),
    ("won_status", Kind::Choice(&["pending", "won", "lost"])),
    ("stage_id", Kind::Link("crm.stage")),
    ("lost_reason_id", Kind::Link("crm.lost.reason")),
    ("user_id", Kind::Link("res.users")),
    ("tag_ids", Kind::Links("crm.tag")),
    ("source_id", Kind::Link("utm.source")),
    ("medium_id", Kind::Link("utm.medium")),
    ("campaign_id", Kind::Link("utm.campaign")),
    ("create_date", Kind::Time),
    ("write_date", Kind::Time),
    ("write_uid", Kind::Link("res.users")),
];
const NAMED: Fields =
    &[("id", Kind::Number), ("name", Kind::Text), ("active", Kind::Flag), ("create_date", Kind::Time), ("write_date", Kind::Time)];
const STAGE: Fields = &[("id", Kind::Number), ("name", Kind::Text), ("sequence", Kind::Number), ("is_won", Kind::Flag)];
const USER: Fields = &[("id", Kind::Number), ("name", Kind::Text), ("login", Kind::Text), ("share", Kind::Flag), ("active", Kind::Flag)];
const PARTNER: Fields = &[
    ("id", Kind::Number),
    ("name", Kind::Text),
    ("phone", Kind::Text),
    ("email", Kind::Text),
    ("city", Kind::Text),
    ("commercial_company_name", Kind::Text),
    ("is_company", Kind::Flag),
    ("partner_share", Kind::Flag),
    ("active", Kind::Flag),
    ("create_date", Kind::Time),
    ("write_date", Kind::Time),
];
const MERGING: Fields = &[
    ("id", Kind::Number),
    ("partner_ids", Kind::Links("res.partner")),
    ("dst_partner_id", Kind::Link("res.partner")),
    ("state", Kind::Choice(&["option", "selection", "finished"])),
];
const MESSAGE: Fields = &[
    ("id", Kind::Number),
    ("model", Kind::Text),
    ("res_id", Kind::Number),
    ("body", Kind::Text),
    ("date", Kind::Time),
    ("message_id", Kind::Text),
    ("message_type", Kind::Text),
    ("subject", Kind::Text),
    ("create_date", Kind::Time),
    ("write_date", Kind::Time),
];
const ACTIVITY: Fields = &[
    ("id", Kind::Number),
    ("res_model", Kind::Text),
    ("res_id", Kind::Number),
    ("summary", Kind::Text),
    ("date_deadline", Kind::Text),
    ("user_id", Kind::Link("res.users")),
    ("active", Kind::Flag),
    ("create_date", Kind::Time),
    ("write_date", Kind::Time),
];

/// The fields of a model; none: there is no such model.
pub fn fields_of(model: &str) -> Fields {
    match model {
        "crm.lead" => LEAD,
        "crm.stage" => STAGE,
        "res.users" => USER,
        "res.partner" => PARTNER,
        "base.partner.merge.automatic.wizard" => MERGING,
        "mail.message" => MESSAGE,
        "mail.activity" => ACTIVITY,
        "crm.tag" | "crm.lost.reason" | "utm.source" | "utm.medium" | "utm.campaign" => NAMED,
        _ => &[],
    }
}

/// The kind of a field.
pub fn kind_of(model: &str, field: &str) -> Option<Kind> {
    fields_of(model).iter().find(|(name, _)| *name == field).map(|(_, kind)| *kind)
}

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<i64, Row>,
    last: i64,
    by_name: HashMap<String, i64>,
}

/// Everything that the fake knows.
#[derive(Debug)]
pub struct Store {
    tables: HashMap<String, Table>,
    external: HashMap<String, i64>,
    by_text: HashMap<String, BTreeSet<i64>>,
    by_message: HashMap<String, i64>,
    by_record: HashMap<(String, i64), BTreeSet<i64>>,
    by_time: HashMap<String, BTreeSet<(String, i64)>>,
    created: u64,
}

impl Default for Store {
    fn default() -> Self {
        let mut store = Self {
            tables: HashMap::new(),
            external: HashMap::new(),
            by_text: HashMap::new(),
            by_message: HashMap::new(),
            by_record: HashMap::new(),
            by_time: HashMap::new(),
            created: 0,
        };
        for (name, sequence, is_won) in [("New", 1, false), ("Qualified", 2, false), ("Proposition", 3, false), ("Won", 70, true)] {
            store.insert("crm.stage", row(json!({ "name": name, "sequence": sequence, "is_won": is_won })));
        }
        for name in ["Too expensive", "We don't have people/skills", "Not enough stock"] {
            store.insert("crm.lost.reason", row(json!({ "name": name })));
        }
        store.insert("res.users", row(json!({ "name": "OdooBot", "login": "__system__", "share": false, "active": false })));
        store.insert("res.users", row(json!({ "name": "Administrator", "login": "admin", "share": false })));
        store
    }
}

/// A row from a JSON object.
pub fn row(value: Value) -> Row {
    if let Value::Object(row) = value { row } else { Row::new() }
}

impl Store {
    /// A record of a model.
    #[must_use]
    pub fn get(&self, model: &str, id: i64) -> Option<&Row> {
        self.tables.get(model)?.rows.get(&id)
    }

    /// All records of a model, in the order of their ids.
    pub fn all(&self, model: &str) -> impl Iterator<Item = &Row> {
        self.tables.get(model).into_iter().flat_map(|it| it.rows.values())
    }

    /// The lead with this external id (`patchbay.lead_…`).
    #[must_use]
    pub fn external(&self, name: &str) -> Option<&Row> {
        self.external.get(name).and_then(|id| self.get("crm.lead", *id))
    }

    /// The id behind an external id.
    #[must_use]
    pub fn external_id(&self, name: &str) -> Option<i64> {
        self.external.get(name).copied()
    }

    /// Names a lead.
    pub fn name_external(&mut self, name: &str, id: i64) {
        self.external.insert(name.to_owned(), id);
    }

    /// How many leads were ever made.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The notes of a lead.
    #[must_use]
    pub fn notes(&self, lead: i64) -> Vec<&Row> {
        self.about("mail.message", lead)
    }

    /// The activities of a lead, done ones included.
    #[must_use]
    pub fn activities(&self, lead: i64) -> Vec<&Row> {
        self.about("mail.activity", lead)
    }

    fn about(&self, model: &str, lead: i64) -> Vec<&Row> {
        self.by_record.get(&(model.to_owned(), lead)).into_iter().flatten().filter_map(|id| self.get(model, *id)).collect()
    }

    /// The first record of that name.
    #[must_use]
    pub fn named(&self, model: &str, name: &str) -> Option<i64> {
        if model == "res.users" {
            let called = |it: &&Row| it["login"] == name || it["name"] == name;
            return self.all(model).find(called).and_then(|it| it["id"].as_i64());
        }
        self.tables.get(model)?.by_name.get(name).copied()
    }

    /// Adds a record, with Odoo's defaults for what is not given.
    pub fn insert(&mut self, model: &str, mut row: Row) -> i64 {
        let now = now();
        for (field, kind) in fields_of(model) {
            let empty = match (*field, kind) {
                ("active" | "partner_share", _) => json!(true),
                ("stage_id", _) => json!(1),
                ("priority", _) => json!("0"),
                ("type", _) => json!("opportunity"),
                ("probability", _) => json!(10),
                ("user_id", _) if model == "crm.lead" => json!(2),
                ("write_uid", _) => json!(2),
                (_, Kind::Links(_)) => json!([]),
                (_, Kind::Time) => json!(now),
                _ => json!(false),
            };
            row.entry((*field).to_owned()).or_insert(empty);
        }
        let table = self.tables.entry(model.to_owned()).or_default();
        table.last += 1;
        let id = table.last;
        row.insert("id".to_owned(), json!(id));
        if let Some(name) = row.get("name").and_then(Value::as_str) {
            table.by_name.entry(name.to_owned()).or_insert(id);
        }
        table.rows.insert(id, Row::new());
        self.created += u64::from(model == "crm.lead");
        self.put(model, id, row);
        id
    }

    /// Changes a record; false: there is none.
    pub fn update(&mut self, model: &str, id: i64, values: Row) -> bool {
        let Some(mut row) = self.get(model, id).cloned() else { return false };
        row.extend(values);
        row.insert("write_date".to_owned(), json!(now()));
        self.put(model, id, row);
        true
    }

    /// Removes a record and what hangs on it.
    pub fn remove(&mut self, model: &str, id: i64) {
        self.unindex(model, id);
        if let Some(table) = self.tables.get_mut(model) {
            table.rows.remove(&id);
        }
        if model == "crm.lead" {
            self.external.retain(|_, it| *it != id);
            for model in ["mail.message", "mail.activity"] {
                for it in self.by_record.get(&(model.to_owned(), id)).cloned().unwrap_or_default() {
                    self.remove(model, it);
                }
            }
        }
    }

    /// Puts a record in the place of what was there, untouched.
    pub(super) fn put(&mut self, model: &str, id: i64, mut row: Row) {
        self.unindex(model, id);
        if model == "crm.lead" {
            let email = row["email_from"].as_str().map_or(json!(false), |it| json!(it.trim().to_lowercase()));
            row.insert("email_normalized".to_owned(), email);
            let won = row["stage_id"].as_i64().and_then(|it| self.get("crm.stage", it)).is_some_and(|it| it["is_won"] == true);
            let status = if won {
                "won"
            } else if row["active"] == false && row["probability"] == 0 {
                "lost"
            } else {
                "pending"
            };
            row.insert("won_status".to_owned(), json!(status));
        }
        for key in texts(model, &row) {
            self.by_text.entry(key).or_default().insert(id);
        }
        if let Some(message) = row.get("message_id").and_then(Value::as_str) {
            self.by_message.insert(message.to_owned(), id);
        }
        if let Some(lead) = row.get("res_id").and_then(Value::as_i64) {
            self.by_record.entry((model.to_owned(), lead)).or_default().insert(id);
        }
        if let Some(time) = row.get("write_date").and_then(Value::as_str) {
            self.by_time.entry(model.to_owned()).or_default().insert((time.to_owned(), id));
        }
        if let Some(table) = self.tables.get_mut(model) {
            table.rows.insert(id, row);
        }
    }

    fn unindex(&mut self, model: &str, id: i64) {
        let Some(row) = self.tables.get_mut(model).and_then(|it| it.rows.get_mut(&id)).map(std::mem::take) else { return };
        for key in texts(model, &row) {
            if let Some(ids) = self.by_text.get_mut(&key) {
                ids.remove(&id);
            }
        }
        if let Some(lead) = row.get("res_id").and_then(Value::as_i64)
            && let Some(ids) = self.by_record.get_mut(&(model.to_owned(), lead))
        {
            ids.remove(&id);
        }
        if let Some(time) = row.get("write_date").and_then(Value::as_str)
            && let Some(times) = self.by_time.get_mut(model)
        {
            times.remove(&(time.to_owned(), id));
        }
    }

    /// The ids of a domain, in the order asked for.
    #[must_use]
    pub fn search(&self, model: &str, domain: &Domain, active_test: bool, order: &str, limit: usize) -> Vec<i64> {
        let archived_too = !active_test || domain.names("active") || kind_of(model, "active").is_none();
        let linked = domain.linked();
        let holds = |row: &Row| {
            if linked.is_empty() {
                return domain.holds(row);
            }
            let mut row = row.clone();
            for (link, field) in &linked {
                let Some(Kind::Link(to)) = kind_of(model, link) else { continue };
                let there = row[*link].as_i64().and_then(|it| self.get(to, it));
                row.insert(format!("{link}.{field}"), there.map_or(json!(false), |it| it[*field].clone()));
            }
            domain.holds(&row)
        };
        let fits = |row: &&Row| holds(row) && (archived_too || row["active"] != false);
        let empty = BTreeSet::new();
        let times = self.by_time.get(model).unwrap_or(&empty);
        if order == "write_date desc" {
            let newest = times.iter().rev().filter_map(|(_, id)| self.get(model, *id)).filter(fits);
            return newest.take(limit).filter_map(|it| it["id"].as_i64()).collect();
        }
        let mut ids: Vec<i64> = match (self.indexed(model, domain), since(domain)) {
            (Some(ids), _) => ids.iter().filter_map(|id| self.get(model, *id)).filter(fits).filter_map(|it| it["id"].as_i64()).collect(),
            (None, Some(since)) => {
                let late = times.range((since, 0)..).filter_map(|(_, id)| self.get(model, *id)).filter(fits);
                late.filter_map(|it| it["id"].as_i64()).collect::<BTreeSet<_>>().into_iter().collect()
            }
            (None, None) => self.all(model).filter(fits).filter_map(|it| it["id"].as_i64()).collect(),
        };
        if order.starts_with("sequence") {
            ids.sort_by_key(|id| self.get(model, *id).and_then(|it| it["sequence"].as_i64()));
        } else if order == "id desc" {
            ids.reverse();
        }
        ids.truncate(limit);
        ids
    }

    /// The candidates that an index knows for a domain.
    fn indexed(&self, model: &str, domain: &Domain) -> Option<BTreeSet<i64>> {
        match domain {
            Domain::And(all) => all.iter().find_map(|it| self.indexed(model, it)),
            Domain::Or(one, other) => {
                let mut ids = self.indexed(model, one)?;
                ids.extend(self.indexed(model, other)?);
                Some(ids)
            }
            Domain::Not(_) => None,
            Domain::Leaf(field, operator, value) => match (model, field.as_str(), operator.as_str()) {
                ("crm.lead", "phone_mobile_search", "ilike") => {
                    let digits = value.as_str().filter(|it| it.len() == WINDOW)?;
                    Some(self.by_text.get(digits).cloned().unwrap_or_default())
                }
                ("crm.lead", "email_normalized", "in") => {
                    let keys = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                    Some(keys.filter_map(|it| self.by_text.get(it)).flatten().copied().collect())
                }
                ("mail.message", "message_id", "=") => {
                    Some(value.as_str().and_then(|it| self.by_message.get(it)).copied().into_iter().collect())
                }
                ("mail.activity", "res_id", "=" | "in") => {
                    let one = std::slice::from_ref(value);
                    let leads = value.as_array().map_or(one, Vec::as_slice).iter().filter_map(Value::as_i64);
                    Some(leads.filter_map(|it| self.by_record.get(&(model.to_owned(), it))).flatten().copied().collect())
                }
                _ => None,
            },
        }
    }
}

/// So many digits of a phone are looked up by index.
const WINDOW: usize = 8;

/// What a lead is found by: every eight digits in a row of its phone, its e-mail address.
fn texts(model: &str, row: &Row) -> Vec<String> {
    if model != "crm.lead" {
        return Vec::new();
    }
    let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or("");
    let digits: Vec<char> = text("phone").chars().filter(char::is_ascii_digit).collect();
    let mut keys: Vec<String> = digits.windows(WINDOW).map(|it| it.iter().collect()).collect();
    let email = text("email_from").trim().to_lowercase();
    if !email.is_empty() {
        keys.push(email);
    }
    keys
}

fn since(domain: &Domain) -> Option<String> {
    match domain {
        Domain::And(all) => all.iter().find_map(since),
        Domain::Leaf(field, operator, value) if field == "write_date" && operator == ">=" => value.as_str().map(str::to_owned),
        _ => None,
    }
}

/// The machine's time as `PostgreSQL` keeps it: `2026-11-22 01:42:33.326725`.
#[expect(clippy::disallowed_methods, reason = "a server has a clock of its own, which a test does not move")]
pub fn now() -> String {
    format!("{:.6}", Timestamp::now()).trim_end_matches('Z').replace('T', " ")
}
