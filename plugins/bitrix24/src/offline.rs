//! Offline events: Bitrix24 keeps them until the application fetches them, so what happened while the hub was away is not lost, deletions
//! neither. <https://apidocs.bitrix24.ru/api-reference/events/offline-events.html>
//!
//! The queue is read with confirmation (`clear` 0): what is fetched is reserved under a process, and cleared with the next fetch, when
//! the hub has kept it. What a poll reserved that the hub did not keep stands in front of the queue with its process, and is told again: the
//! hub drops what it saw by the event's id.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::{Event, EventBody, Extra, RecordAction, RecordChange, RecordFields, time};
use serde_json::Value;

use crate::ask::{Command, command, ids, list, parameters};
use crate::client::{Answers, Client};
use crate::config::{Config, Kind};
use crate::find::method;
use crate::payload::{Record, records, unique};
use crate::poll;

/// What changed, and what it is called at the end of an event's name.
const ACTIONS: [(&str, RecordAction); 3] =
    [("ADD", RecordAction::Created), ("UPDATE", RecordAction::Updated), ("DELETE", RecordAction::Deleted)];

/// The most pages of deals that are told at once because their contacts changed.
const DEAL_PAGES: usize = 4;

/// What tells that a deal's person changed.
const CONTACT_CHANGED: &str = "ONCRMCONTACTUPDATE";

/// Entries of a page: what Bitrix24 gives of a list.
const PAGE: usize = 50;

/// The events that the queue keeps for the hub: `ONCRMLEADADD`.
pub fn events(config: &Config) -> impl Iterator<Item = String> {
    let kind = config.kind.name().to_ascii_uppercase();
    let own = ACTIONS.into_iter().map(move |(action, _)| ["ONCRM", &kind, action].concat());
    own.chain((config.kind == Kind::Deal).then(|| CONTACT_CHANGED.to_owned()))
}

/// The bindings that are missing.
#[must_use]
pub fn bindings(config: &Config, bound: &Value) -> Vec<patchbay_sdk::json::Object<'static>> {
    let is_bound = |event: &str| {
        let mut all = bound.as_array().into_iter().flatten();
        all.any(|it| it["event"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(event)) && crate::payload::number(&it["offline"]) == 1)
    };
    let missing = events(config).filter(|it| !is_bound(it));
    missing.map(|it| parameters([("event", it.into()), ("event_type", "offline".into())])).collect()
}

/// What a fetch brought.
#[derive(Debug, Default)]
pub struct Fetched {
    /// In the order of the queue.
    pub events: Vec<Event>,
    /// What is to be cleared when the hub has kept them.
    pub processes: Vec<String>,
}

/// Clears what the hub has kept, and fetches what came since: one request, and one for the records that changed.
pub fn fetch(client: Client<'_>, config: &Config, kept: &[String]) -> Result<Fetched, Failure> {
    let mut commands: Vec<Command<'_>> = Vec::new();
    // Names of a batch are known beforehand; a poll leaves two processes behind, or three where one before it failed.
    for (name, process) in ["clear", "clear2", "clear3"].into_iter().zip(kept) {
        commands.push(command(name, "event.offline.clear", parameters([("process_id", process.as_str().into())])));
    }
    let first = parameters([("order", parameters([("ID", "ASC".into())]).into()), ("start", 0.into())]);
    commands.push(command("reserved", "event.offline.list", first));
    commands.push(command(
        "new",
        "event.offline.get",
        parameters([("clear", 0.into()), ("limit", i64::try_from(PAGE).unwrap_or(50).into())]),
    ));
    // What cannot be cleared is told again.
    let answers = client.batch(false, &commands)?;
    let (mut entries, mut processes) = (reserved(&answers)?, Vec::new());
    for it in &entries {
        let process = it.text("PROCESS_ID");
        if processes.len() < 2 && !processes.contains(&process) {
            processes.push(process);
        }
    }
    entries.retain(|it| processes.contains(&it.text("PROCESS_ID")));
    let new = answers.get("new")?;
    entries.extend(records(&new["events"]));
    if let Some(process) = new["process_id"].as_str().filter(|_| !entries.is_empty()) {
        processes.push(process.to_owned());
    }
    Ok(Fetched { events: told(client, config, &entries)?, processes })
}

/// What an earlier poll reserved and the hub did not keep.
fn reserved(answers: &Answers) -> Result<Vec<Record>, Failure> {
    let mut found = records(answers.get("reserved")?);
    found.retain(|it| it.present("PROCESS_ID").is_some());
    Ok(found)
}

/// Each record that changed as it is now, each that is gone by its id.
fn told(client: Client<'_>, config: &Config, entries: &[Record]) -> Result<Vec<Event>, Failure> {
    let (mut changed, mut contacts, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let name = entry.text("EVENT_NAME").to_ascii_uppercase();
        let action = events_of(config).into_iter().find(|(it, _)| *it == name).map(|(_, action)| action);
        match (action, record(entry)) {
            (Some(RecordAction::Deleted), id) if id != 0 => events.push(deleted(config, entry, id)),
            (Some(_), id) if id != 0 => changed.push(id),
            (None, id) if name == CONTACT_CHANGED && config.kind == Kind::Deal => contacts.push(id),
            // Bound by a configuration of before.
            _ => {}
        }
    }
    let changed = unique(changed.into_iter());
    for page in changed.chunks(PAGE) {
        let filter = parameters([("@ID", ids(page))]);
        let found = client.call(&method(config.kind, "list"), &list(filter, ("ID", "ASC"), config.kind.fields()))?;
        events.extend(poll::events(client, config, &records(&found))?);
    }
    let contacts = unique(contacts.into_iter());
    for page in contacts.chunks(PAGE) {
        events.extend(poll::deals_of(client, config, page, DEAL_PAGES)?);
    }
    Ok(events)
}

fn events_of(config: &Config) -> Vec<(String, RecordAction)> {
    events(config).zip(ACTIONS).map(|(name, (_, action))| (name, action)).collect()
}

/// The record of an entry; 0: it names none. The queue has one entry for a record, whose `MESSAGE_ID` is the record's id.
fn record(entry: &Record) -> i64 {
    let fields = &entry.0["EVENT_DATA"]["FIELDS"]["ID"];
    match crate::payload::number(fields) {
        0 => entry.number("MESSAGE_ID"),
        id => id,
    }
}

fn deleted(config: &Config, entry: &Record, id: i64) -> Event {
    let at = entry.text("TIMESTAMP_X");
    Event {
        id: ["offline:", &entry.text("EVENT_NAME"), ":", &id.to_string(), ":", &at].concat(),
        occurred_at: time::parse(&at),
        body: EventBody::Record(RecordChange {
            entity: config.kind.name().to_owned(),
            action: RecordAction::Deleted,
            external_id: id.to_string(),
            lead: None,
            person_ref: None,
            fields: RecordFields::default(),
            extra: Extra::new(),
        }),
    }
}

/// Names as parameters, for the cursor.
#[must_use]
pub fn written(processes: &[String]) -> Node<'static> {
    Node::List(processes.iter().map(|it| Node::from(it.clone())).collect())
}
