//! `lead.plan`: `lead.upsert` carried out by a client that asks and only notes what would be written. So the plan is what would be done, and
//! cannot differ from it.

use std::cell::RefCell;

use patchbay_sdk::Failure;
use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::command::LeadUpsert;
use patchbay_sdk::schemas::{Extra, Receipt};
use serde_json::Value;

use crate::ask::Command;
use crate::client::{Client, text};
use crate::config::{Config, Kind};
use crate::fields::{CONTACT, PIPELINE};
use crate::find::Seen;
use crate::payload::Record;
use crate::stored::standing;
use crate::upsert::carry_out;
use crate::{next, user};

/// What is for the connector and not for people.
const HIDDEN: [&str; 3] = ["ORIGINATOR_ID", "ORIGIN_ID", "OPENED"];

/// Says what the upsert would do.
pub fn plan(client: Client<'_>, config: &Config, upsert: &LeadUpsert) -> Result<Receipt, Failure> {
    let notes = RefCell::new(Vec::new());
    let (receipt, seen) = carry_out(client.noting(&notes), config, upsert)?;
    let creates = seen.record.is_none();
    let mut changes = Vec::new();
    for command in notes.into_inner() {
        note(&mut changes, config, &seen, &command);
    }
    let result = match (creates, changes.is_empty()) {
        (true, _) => "create",
        (false, false) => "update",
        (false, true) => "leave",
    };
    let mut plan = Extra::new();
    plan.insert("result".to_owned(), result.into());
    if !creates && let Some(url) = receipt.details.get("url") {
        plan.insert("url".to_owned(), url.clone());
    }
    plan.insert("changes".to_owned(), changes.into());
    let mut details = Extra::new();
    details.insert("plan".to_owned(), plan.into());
    if let Some(left_out) = receipt.details.get("left_out") {
        details.insert("left_out".to_owned(), left_out.clone());
    }
    Ok(Receipt { remote_id: receipt.remote_id.filter(|_| !creates), details })
}

/// What a command would write, field by field.
fn note(changes: &mut Vec<Value>, config: &Config, seen: &Seen, command: &Command<'_>) {
    let (prefix, there) = match command.name {
        next::NAME => {
            let at = ["deadline", "value"].iter().find_map(|it| command.parameters.peek_text(it)).unwrap_or("");
            return changes.push(change(next::NAME, &[], &[next::TITLE, at].join(" ")));
        }
        "contact" => (CONTACT, seen.contact.as_ref()),
        "company" => ("company:", None),
        _ => ("", seen.record.as_ref().map(|(record, _)| record)),
    };
    let Some(Node::Object(fields)) = command.parameters.peek("fields") else { return };
    for field in fields.names().filter(|it| !HIDDEN.contains(it)) {
        let name = [prefix, field].concat();
        // What is made by the same plan has no number yet: it stands there with its own fields.
        let to: Vec<String> = fields.peek(field).map(written).unwrap_or_default().into_iter().filter(|it| !it.starts_with('\0')).collect();
        if to.is_empty() {
            continue;
        }
        let people = |all: &[String]| all.iter().map(|it| shown(config, seen, &name, it)).collect::<Vec<_>>();
        let from = there.map(|it| standing(it, field)).unwrap_or_default();
        // Phones and the like are added to what there is.
        let kept = if is_added(fields.peek(field)) { from.clone() } else { Vec::new() };
        changes.push(change(&name, &people(&from), &people(&[kept, to].concat()).join(", ")));
    }
}

fn is_added(node: Option<&Node<'_>>) -> bool {
    node.map_or(&[][..], Node::items).iter().any(|it| matches!(it, Node::Object(_)))
}

fn change(field: &str, from: &[String], to: &str) -> Value {
    let mut change = Extra::new();
    change.insert("field".to_owned(), field.into());
    if !from.is_empty() {
        change.insert("from".to_owned(), from.join(", ").into());
    }
    change.insert("to".to_owned(), to.into());
    change.into()
}

/// The values that a parameter holds.
fn written(node: &Node<'_>) -> Vec<String> {
    match node {
        Node::Text(it) => vec![it.clone().into_owned()],
        Node::Number(it) => vec![text(it)],
        Node::List(items) => items.iter().flat_map(written).collect(),
        Node::Object(it) => it.peek_text("VALUE").map(str::to_owned).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// A value as people read it.
fn shown(config: &Config, seen: &Seen, name: &str, value: &str) -> String {
    let kind = config.kind;
    let about = seen.types.of(name);
    let found = match name {
        "ASSIGNED_BY_ID" | "contact:ASSIGNED_BY_ID" | "company:ASSIGNED_BY_ID" => {
            let id = user::number(value).unwrap_or(0);
            let known: Vec<Record> = seen.people.iter().chain(&seen.assigned).cloned().collect();
            seen.lists.called(id).map(str::to_owned).or_else(|| user::shown(id, &known).map(|it| it.name))
        }
        "SOURCE_ID" => seen.sources.of(value).map(|it| it.name.clone()),
        it if it == kind.stage_field() => seen.stages.of(value).map(|it| it.name.clone()),
        "CONTACT_ID" => seen.contact.as_ref().filter(|it| it.text("ID") == value).map(user::name),
        PIPELINE if kind == Kind::Deal => None,
        _ => about.and_then(|about| match about.bitrix() {
            "enumeration" => about.items().find(|(id, _)| *id == value).map(|(_, text)| text.to_owned()),
            "crm_status" => seen.lists.entry(about.list(), value).map(|it| it.name),
            "user" | "employee" => seen.lists.called(user::number(value)?).map(str::to_owned),
            _ => None,
        }),
    };
    found.unwrap_or_else(|| value.to_owned())
}
