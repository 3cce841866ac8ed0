//! The note of a merge where the connection wants more than a note: Odoo merges the person's open records into one.
//!
//! Odoo keeps the best record, moves the history of the others to it, joins the descriptions and deletes the others. So our references, which
//! stand in the descriptions, tell what a try did whose answer was lost, and what another lead's note had merged a moment before.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::command::{InteractionAdd, PersonRecord};
use patchbay_sdk::schemas::{Extra, Receipt};
use serde_json::Value;

use crate::ask::{arguments, ids};
use crate::client::{Client, RECORD_MISSING, strange};
use crate::lead::{is_open, mark};
use crate::note;
use crate::payload::Record;
use crate::upsert::vanished;

/// What is read of each record.
const FIELDS: [&str; 3] = ["description", "active", "won_status"];
/// Most records that Odoo merges at once.
const MOST: usize = 5;

/// Merges what can be merged, then adds the note to the record that is left.
pub fn add(client: Client<'_>, command: &InteractionAdd) -> Result<Receipt, Failure> {
    // Another note may be merging the same records: the next try sees what came of it.
    let merged = merge(client, command).map_err(|it| if command.retried { it } else { vanished(it) })?;
    let mut receipt = note::write(client, command, merged.into).map_err(vanished)?;
    if !merged.records.is_empty() {
        let mut told = Extra::new();
        told.insert("into".to_owned(), merged.into.to_string().into());
        told.insert("records".to_owned(), merged.records.iter().map(|it| Value::from(it.to_string())).collect());
        receipt.details.insert("merged".to_owned(), told.into());
    }
    Ok(receipt)
}

struct Merged {
    /// The record that is left.
    into: i64,
    /// Those that went into it.
    records: Vec<i64>,
}

fn merge(client: Client<'_>, command: &InteractionAdd) -> Result<Merged, Failure> {
    let own = note::record_id(&command.lead_remote_id)?;
    let named = command.same_person.iter().map(|it| note::record_id(&it.remote_id)).collect::<Result<Vec<i64>, Failure>>()?;
    let found = client.read("crm.lead", &named, &FIELDS)?;
    let there = |id: i64| found.iter().find(|it| it.id() == id);
    let holds = |record: &Record, it: &PersonRecord| record.text("description").contains(&mark(&it.lead_id));
    let ours = || command.same_person.iter().find(|it| it.remote_id == command.lead_remote_id);
    let holder = || ours().and_then(|ours| found.iter().find(|it| holds(it, ours)));
    let into = there(own).or_else(holder).ok_or_else(|| Failure::never(RECORD_MISSING, "the record is gone"))?;
    // What an earlier merge put into it.
    let gone = command.same_person.iter().zip(&named).filter(|(it, id)| there(**id).is_none() && holds(into, it));
    let mut records: Vec<i64> = gone.map(|(_, id)| *id).collect();
    let mut open: Vec<i64> = found.iter().filter(|it| is_open(it) && it.id() != into.id()).map(Record::id).collect();
    open.truncate(MOST - 1);
    if !is_open(into) || open.is_empty() {
        return Ok(Merged { into: into.id(), records });
    }
    open.push(into.id());
    let head = client.call("crm.lead", "merge_opportunity", arguments([("ids", ids(&open))]))?;
    let head = head[0].as_i64().or(head.as_i64()).filter(|it| open.contains(it)).ok_or_else(|| strange("the record that is left"))?;
    records.extend(open.into_iter().filter(|it| *it != head));
    Ok(Merged { into: head, records })
}
