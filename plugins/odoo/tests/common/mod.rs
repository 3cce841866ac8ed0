//! An Odoo to test against, by HTTP, and leads to send to it.

pub mod scenarios;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::TcpStream;

use odoo::client::{Ask, Client};
use odoo::config::Config;
use patchbay_schemas::command::{Command, CommandBody, InteractionAdd, LeadUpsert, NewRecord, Nothing};
use patchbay_schemas::{Event, Extra, Lead, Receipt};
use patchbay_sdk::http::Answer;
use patchbay_sdk::json::Object;
use patchbay_sdk::{Failure, Page};
use serde_json::{Value, json};

/// One Odoo, real or fake.
pub struct Server {
    pub url: String,
    pub database: String,
    pub key: String,
    /// `model/method` of every request.
    pub asked: RefCell<Vec<String>>,
    /// The answer of the next request to this `model/method` is lost after the work was done.
    pub lose: RefCell<Option<String>>,
    unique: String,
    counter: Cell<u32>,
}

impl Server {
    pub fn new(url: &str, database: &str, key: &str) -> Self {
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux has random ids").replace('-', "");
        Self {
            url: url.to_owned(),
            database: database.to_owned(),
            key: key.to_owned(),
            asked: RefCell::default(),
            lose: RefCell::default(),
            unique: uuid.trim().to_owned(),
            counter: Cell::new(0),
        }
    }

    pub fn config(&self) -> Config {
        Config { base_url: self.url.clone(), database: self.database.clone(), ..Config::default() }
    }

    /// A word that no other test uses.
    pub fn word(&self, word: &str) -> String {
        self.counter.set(self.counter.get() + 1);
        format!("{word} {}{}", &self.unique[..10], self.counter.get())
    }

    /// A phone that no other test uses: `+79` and nine digits.
    pub fn phone(&self) -> String {
        self.counter.set(self.counter.get() + 1);
        let digits = u64::from_str_radix(&self.unique[..12], 16).expect("a random id is hexadecimal") % 9_000_000 + 1_000_000;
        format!("+79{digits}{:02}", self.counter.get() % 100)
    }

    pub fn with<T>(&self, run: impl FnOnce(Client<'_>) -> T) -> T {
        run(Client::new(&|ask| self.send(&ask)))
    }

    pub fn call(&self, model: &str, method: &str, arguments: Value) -> Value {
        let Value::Object(arguments) = arguments else { panic!("arguments have names") };
        let arguments: Object = arguments.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
        self.with(|client| client.call(model, method, arguments)).expect("Odoo does it")
    }

    /// Status and body of a raw request.
    pub fn raw(&self, path: &str, body: &str) -> (u16, Value) {
        let ask = Ask { method: "POST", path: path.to_owned(), body: body.as_bytes().to_vec() };
        let answer = self.exchange(&ask).expect("an answer");
        (answer.status, answer.value())
    }

    pub fn upsert(&self, config: &Config, upsert: LeadUpsert) -> Result<Receipt, Failure> {
        self.upsert_all(config, vec![upsert]).remove(0)
    }

    pub fn upsert_all(&self, config: &Config, upserts: Vec<LeadUpsert>) -> Vec<Result<Receipt, Failure>> {
        self.execute(config, upserts.into_iter().map(|it| CommandBody::LeadUpsert(Box::new(it))).collect())
    }

    /// `details.plan` and the record of the receipt.
    pub fn plan(&self, config: &Config, upsert: LeadUpsert) -> (Option<String>, Value) {
        let receipt = self.execute(config, vec![CommandBody::LeadPlan(Box::new(upsert))]).remove(0).expect("a plan");
        (receipt.remote_id, receipt.details["plan"].clone())
    }

    /// `details.fields`, by name.
    pub fn fields(&self) -> std::collections::BTreeMap<String, Value> {
        let receipt = self.execute(&self.config(), vec![CommandBody::FieldsList(Nothing {})]).remove(0).expect("fields");
        let fields = receipt.details["fields"].as_array().cloned().unwrap_or_default();
        fields.into_iter().map(|it| (it["name"].as_str().unwrap_or_default().to_owned(), it)).collect()
    }

    pub fn add(&self, config: &Config, note: InteractionAdd) -> Result<Receipt, Failure> {
        self.execute(config, vec![CommandBody::InteractionAdd(Box::new(note))]).remove(0)
    }

    fn execute(&self, config: &Config, bodies: Vec<CommandBody>) -> Vec<Result<Receipt, Failure>> {
        let batch: Vec<Command> = bodies.into_iter().map(|body| Command { idempotency_key: "key".to_owned(), body }).collect();
        self.with(|client| odoo::execute_all(client, config, &batch))
    }

    pub fn poll(&self, config: &Config, cursor: Option<&str>, limit: u32, now: &str) -> Page {
        let now = now.parse().expect("a time");
        self.with(|client| odoo::poll::poll(client, config, cursor, limit, now)).expect("a page")
    }

    /// All pages of a round: the events and the cursor behind it.
    pub fn round(&self, config: &Config, cursor: &str, limit: u32, now: &str) -> (Vec<Event>, String) {
        let mut cursor = cursor.to_owned();
        let mut events = Vec::new();
        loop {
            let page = self.poll(config, Some(&cursor), limit, now);
            assert!(page.events.len() <= limit as usize, "no page is longer than asked for");
            events.extend(page.events);
            cursor = page.next_cursor.expect("a cursor");
            if !page.more {
                return (events, cursor);
            }
        }
    }

    /// The record as Odoo shows it.
    pub fn lead(&self, id: &str) -> Value {
        let id: i64 = id.parse().expect("a number");
        let fields = json!([
            "name",
            "contact_name",
            "phone",
            "email_from",
            "partner_name",
            "city",
            "description",
            "priority",
            "stage_id",
            "won_status",
            "active",
            "user_id",
            "tag_ids",
            "source_id",
            "medium_id",
            "campaign_id",
            "lost_reason_id",
            "function",
            "expected_revenue",
            "date_deadline",
        ]);
        self.call("crm.lead", "read", json!({ "ids": [id], "fields": fields }))[0].clone()
    }

    /// How many records have this phone, archived ones included.
    pub fn count(&self, phone: &str) -> usize {
        let domain = json!([["phone_mobile_search", "ilike", &phone[phone.len() - 8..]]]);
        let found = self.call("crm.lead", "search", json!({ "domain": domain, "context": { "active_test": false } }));
        found.as_array().expect("ids").len()
    }

    fn send(&self, ask: &Ask) -> Result<Answer, Failure> {
        let name = ask.path.trim_start_matches("/json/2/").to_owned();
        self.asked.borrow_mut().push(name.clone());
        let answer = self.exchange(ask).map_err(|error| Failure::later("http.failed", error.to_string()))?;
        if self.lose.borrow_mut().take_if(|it| *it == name).is_some() {
            return Err(Failure::later("http.failed", "the answer was lost"));
        }
        Ok(answer)
    }

    fn exchange(&self, ask: &Ask) -> std::io::Result<Answer> {
        let host = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host)?;
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: {host}\r\nauthorization: bearer {}\r\nx-odoo-database: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            ask.method,
            ask.path,
            self.key,
            self.database,
            ask.body.len()
        );
        // In one piece, and heard only to the end of the answer: an Odoo that answers before it has read the body waits for the end of all
        // that is sent, and so for us to close.
        stream.write_all(&[head.as_bytes(), &ask.body].concat())?;
        let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
        let (end, length) = loop {
            if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n")
                && let Some(length) = length(&bytes[..end])
                && bytes.len() >= end + 4 + length
            {
                break (end, length);
            }
            match stream.read(&mut piece)? {
                0 => return Err(broken()),
                read => bytes.extend_from_slice(&piece[..read]),
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|it| it.split(' ').nth(1)).and_then(|it| it.parse().ok()).ok_or_else(broken)?;
        let headers: Vec<(String, String)> =
            lines.filter_map(|it| it.split_once(':')).map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        Ok(Answer { status, headers, body: bytes[end + 4..end + 4 + length].to_vec() })
    }
}

/// How long the body behind this head is, bytes.
fn length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_lowercase();
    head.lines().find_map(|it| it.strip_prefix("content-length:")).and_then(|it| it.trim().parse().ok())
}

/// A lead of a person with this phone.
pub fn lead(id: &str, title: &str, phone: &str) -> Lead {
    serde_json::from_value(json!({
        "id": id, "title": title, "stage": { "name": "lead" },
        "contact": { "id": "con_1", "name": "Иван Петров", "identities": [{ "kind": "phone", "value": phone }], "created_at": "2026-11-20T10:00:00Z" },
        "source": { "channel": "form", "connection": "cxn_1" },
        "created_at": "2026-11-20T10:00:00Z", "updated_at": "2026-11-20T10:00:00Z",
    }))
    .expect("a lead")
}

pub fn first(lead: &Lead) -> LeadUpsert {
    LeadUpsert {
        lead: lead.clone(),
        remote_id: None,
        known: Extra::new(),
        new_record: NewRecord::UnlessOpen,
        fields: Extra::new(),
        settled: Vec::new(),
        find_only: false,
        retried: false,
    }
}

pub fn again(lead: &Lead, receipt: &Receipt) -> LeadUpsert {
    LeadUpsert { remote_id: receipt.remote_id.clone(), known: receipt.details.clone(), ..first(lead) }
}

pub fn id(receipt: &Receipt) -> &str {
    receipt.remote_id.as_deref().expect("a record")
}

/// The hub's note that the people of these leads, each with its receipt, are one; for the record of the first.
pub fn merge_note(interaction: &str, of: &[(&Lead, &Receipt)]) -> InteractionAdd {
    let records: Vec<Value> = of.iter().map(|(lead, receipt)| json!({ "lead_id": lead.id, "remote_id": receipt.remote_id })).collect();
    serde_json::from_value(json!({
        "lead_remote_id": of[0].1.remote_id, "interaction_id": interaction, "channel": "patchbay", "received_at": "2026-11-20T10:11:13Z",
        "event": {
            "id": "person.merged:mrg_1", "occurred_at": "2026-11-20T10:11:12Z", "kind": "comment",
            "payload": { "direction": "out", "person": {}, "text": "This record and the one below are of one person.", "comment": {} },
        },
        "same_person": records,
    }))
    .expect("a note")
}

/// A message as a note for a record.
pub fn note(lead: &str, interaction: &str, text: &str) -> InteractionAdd {
    serde_json::from_value(json!({
        "lead_remote_id": lead, "interaction_id": interaction, "channel": "telegram", "received_at": "2026-11-20T10:11:13Z",
        "event": {
            "id": "1", "occurred_at": "2026-11-20T10:11:12Z", "kind": "message",
            "payload": { "direction": "in", "person": { "name": { "full": "Иван" } }, "text": text, "message": { "id": "1" } },
        },
    }))
    .expect("a note")
}
