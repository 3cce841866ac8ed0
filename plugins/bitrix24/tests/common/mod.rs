//! A fake Bitrix24 to test against, by HTTP, and leads to send to it.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::TcpStream;

use bitrix24::client::{Ask, Client};
use bitrix24::config::{Config, Kind};
use patchbay_schemas::command::{Command, CommandBody, InteractionAdd, LeadUpsert, NewRecord};
use patchbay_schemas::event::RecordFields;
use patchbay_schemas::{Event, EventBody, Extra, Lead, Receipt};
use patchbay_sdk::http::Answer;
use patchbay_sdk::{Failure, Page, Request};
use patchbay_tests::fake::bitrix24::{ACCESS, CODE, FakeBitrix24, USER};
use serde_json::{Value, json};

/// One fake, and what it was asked.
pub struct Server {
    pub fake: FakeBitrix24,
    /// `/crm.lead.get`, `/batch` of every request.
    pub asked: RefCell<Vec<String>>,
    /// Code of the webhook.
    pub code: RefCell<String>,
    /// True: asked as an application, by its token.
    pub as_application: Cell<bool>,
    counter: Cell<u32>,
}

impl Server {
    pub fn start() -> Self {
        let fake = FakeBitrix24::start().expect("a free port");
        Self {
            fake,
            asked: RefCell::default(),
            code: RefCell::new(CODE.to_owned()),
            as_application: Cell::new(false),
            counter: Cell::new(0),
        }
    }

    pub fn config(&self) -> Config {
        Config { base_url: self.fake.url(), ..Config::default() }
    }

    /// A phone that no other lead of this test has.
    pub fn phone(&self) -> String {
        self.counter.set(self.counter.get() + 1);
        format!("+79120000{:03}", self.counter.get())
    }

    pub fn with<T>(&self, run: impl FnOnce(Client<'_>) -> T) -> T {
        run(Client::new(&|ask| self.send(&ask)))
    }

    pub fn upsert(&self, config: &Config, upsert: LeadUpsert) -> Result<Receipt, Failure> {
        self.execute(config, CommandBody::LeadUpsert(Box::new(upsert)))
    }

    pub fn add(&self, config: &Config, note: InteractionAdd) -> Result<Receipt, Failure> {
        self.execute(config, CommandBody::InteractionAdd(Box::new(note)))
    }

    pub fn execute(&self, config: &Config, body: CommandBody) -> Result<Receipt, Failure> {
        self.with(|client| bitrix24::execute(client, config, &Command { idempotency_key: "key".to_owned(), body }))
    }

    pub fn poll(&self, config: &Config, cursor: Option<&str>, limit: u32, now: &str) -> Page {
        let now = now.parse().expect("a time");
        self.with(|client| bitrix24::poll::poll(client, config, cursor, limit, now)).expect("a page")
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

    /// The events of what Bitrix24 posts.
    pub fn hook(&self, config: &Config, body: &str) -> Result<Vec<Event>, Failure> {
        let request = Request { method: "POST".to_owned(), body: body.as_bytes().to_vec(), ..Request::default() };
        self.with(|client| bitrix24::hook::events(client, config, &request))
    }

    /// How many records there are.
    pub fn count(&self, table: &str) -> usize {
        self.fake.store().all(table).len()
    }

    pub fn record(&self, table: &str, id: &str) -> Value {
        self.fake.store().get(table, id).expect("it is there")
    }

    /// One request.
    pub fn send(&self, ask: &Ask) -> Result<Answer, Failure> {
        self.asked.borrow_mut().push(ask.path.clone());
        self.exchange(ask).map_err(|error| Failure::later("http.failed", error.to_string()))
    }

    fn exchange(&self, ask: &Ask) -> std::io::Result<Answer> {
        let url = self.fake.url();
        let host = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host)?;
        let path = if self.as_application.get() {
            format!("{}?auth={ACCESS}-0", ask.path)
        } else {
            format!("/{USER}/{}{}", self.code.borrow(), ask.path)
        };
        let head = format!(
            "POST /rest{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            ask.body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&ask.body)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").ok_or_else(broken)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|it| it.split(' ').nth(1)).and_then(|it| it.parse().ok()).ok_or_else(broken)?;
        let headers: Vec<(String, String)> =
            lines.filter_map(|it| it.split_once(':')).map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, it)| it.parse::<usize>().ok());
        let body = bytes[end + 4..].to_vec();
        if length == Some(body.len()) { Ok(Answer { status, headers, body }) } else { Err(broken()) }
    }
}

/// A lead of a person with this phone.
pub fn lead(id: &str, title: &str, phone: &str) -> Lead {
    serde_json::from_value(json!({
        "id": id, "title": title, "stage": { "name": "lead" },
        "contact": {
            "id": format!("con_{}", &id[5..]), "name": "Иван Петров", "identities": [{ "kind": "phone", "value": phone }],
            "created_at": "2026-11-20T10:00:00Z",
        },
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

/// An interaction for a record's timeline.
pub fn note(lead: &str, interaction: &str, kind: &str, payload: &Value) -> InteractionAdd {
    serde_json::from_value(json!({
        "lead_remote_id": lead, "interaction_id": interaction, "channel": "telegram", "received_at": "2026-11-20T10:11:13Z",
        "event": { "id": "1", "occurred_at": "2026-11-20T10:11:12Z", "kind": kind, "payload": payload },
    }))
    .expect("a note")
}

/// A message.
pub fn message(lead: &str, interaction: &str, text: &str) -> InteractionAdd {
    let payload = json!({ "direction": "in", "person": { "name": { "full": "Иван" } }, "text": text, "message": { "id": "1" } });
    note(lead, interaction, "message", &payload)
}

/// The configuration of a portal that works with deals.
pub fn deals(server: &Server) -> Config {
    Config { kind: Kind::Deal, pipeline: "2".to_owned(), ..server.config() }
}

/// What a multiple field of a record holds.
pub fn values(record: &Value, field: &str) -> Vec<String> {
    let all = record[field].as_array().into_iter().flatten();
    all.map(|it| it["VALUE"].as_str().expect("a text").to_owned()).collect()
}

/// What the last event of a record tells of it.
pub fn last_of(events: &[Event], record: &str) -> RecordFields {
    let of = |it: &&Event| matches!(&it.body, EventBody::Record(it) if it.external_id == record);
    match events.iter().rfind(of).map(|it| it.body.clone()) {
        Some(EventBody::Record(it)) => it.fields,
        other => panic!("no event of {record}: {other:?}"),
    }
}
