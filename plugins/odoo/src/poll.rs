//! What changed in Odoo since the last time: the reconcile poll.
//!
//! Odoo stamps a change with the start of its transaction and shows it when the transaction ends. So a round reads a window
//! `since ≤ write_date < until` in the order of ids (a record that changes meanwhile leaves it for the next one), `until` lies
//! behind the newest change of all, and the next window begins [`OVERLAP_S`] earlier until that long has passed on the hub's
//! clock. The hub drops what it saw already by its id. Only durations are measured here, so the clocks need not agree.
//!
//! Not seen: records that were deleted (an automation rule can tell, see the README; else the next write finds out).

use std::collections::{BTreeMap, BTreeSet};

use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::manifest::IMPORT;
use patchbay_sdk::schemas::{Event, Timestamp};
use patchbay_sdk::{Failure, Page};

use crate::ask::{Search, arguments, term};
use crate::client::{Client, text};
use crate::config::Config;
use crate::payload::{LEAD_FIELDS, Record};
use crate::{map, next, time};

/// The longest transaction that is waited for. Odoo's own limit of a request (`limit_time_real`) is the same.
pub const OVERLAP_S: i64 = 120;

/// Where the poll stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Begin of the window, in Odoo's time.
    pub since: String,
    /// The newest change that was ever seen.
    pub top: String,
    /// Milliseconds on the hub's clock when it was first seen.
    pub seen_ms: i64,
    /// End of the window of a round under way.
    pub until: String,
    /// What the round reads now.
    pub phase: Phase,
    /// The last id that it read.
    pub after: i64,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::never("odoo.cursor", "this is no cursor of this connector");
        let value = patchbay_sdk::json::parse(text.as_bytes()).map_err(|_| wrong())?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let phase = match value["phase"].as_str() {
            Some("activities") => Phase::Activities,
            Some("customers") => Phase::Customers,
            _ => Phase::Leads,
        };
        Ok(Self {
            since: text("since").ok_or_else(wrong)?,
            top: text("top").ok_or_else(wrong)?,
            seen_ms: value["seen_ms"].as_i64().ok_or_else(wrong)?,
            until: text("until").unwrap_or_default(),
            phase,
            after: value["after"].as_i64().unwrap_or(0),
        })
    }

    fn written(&self) -> String {
        let phase = match self.phase {
            Phase::Leads => "leads",
            Phase::Activities => "activities",
            Phase::Customers => "customers",
        };
        text(&arguments([
            ("since", self.since.as_str().into()),
            ("top", self.top.as_str().into()),
            ("seen_ms", self.seen_ms.into()),
            ("until", self.until.as_str().into()),
            ("phase", phase.into()),
            ("after", self.after.into()),
        ]))
    }
}

/// The parts of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Changed records.
    #[default]
    Leads,
    /// Changed activities: they do not touch their record.
    Activities,
    /// Records of changed customers: where Odoo merges customers, it moves their records without touching these.
    Customers,
}

impl Phase {
    /// What is read behind this one; none: the round is over.
    fn next(self, config: &Config) -> Option<Self> {
        match self {
            Self::Leads if config.plans() => Some(Self::Activities),
            Self::Leads | Self::Activities => Some(Self::Customers),
            Self::Customers => None,
        }
    }
}

/// One page; of an import where the cursor is one of those. Without a cursor nothing is read: the connection begins now, with the transactions that are still under way.
pub fn poll(client: Client<'_>, config: &Config, cursor: Option<&str>, limit: u32, now: Timestamp) -> Result<Page, Failure> {
    if let Some(import) = cursor.filter(|it| *it == IMPORT || it.contains("\"import\"")) {
        return crate::import::page(client, config, import, limit);
    }
    let Some(cursor) = cursor else {
        let top = newest(client, config)?;
        let since = if top.is_empty() { "1970-01-01 00:00:00".to_owned() } else { time::later(&top, -OVERLAP_S) };
        return Ok(page(Vec::new(), &Cursor { since, top, seen_ms: now.as_millisecond(), ..Cursor::default() }));
    };
    let mut cursor = Cursor::parse(cursor)?;
    if cursor.until.is_empty() {
        let top = newest(client, config)?;
        if top != cursor.top {
            cursor.seen_ms = now.as_millisecond();
            cursor.top = top;
        }
        let until = time::later(&cursor.top, 1);
        if until <= cursor.since {
            return Ok(page(Vec::new(), &cursor));
        }
        cursor.until = until;
    }
    let (events, last, full) = match cursor.phase {
        Phase::Leads => leads(client, config, &cursor, limit)?,
        Phase::Activities => activities(client, config, &cursor, limit)?,
        Phase::Customers => customers(client, config, &cursor, limit)?,
    };
    match cursor.phase.next(config) {
        _ if full => cursor.after = last,
        Some(next) => (cursor.phase, cursor.after) = (next, 0),
        None => cursor = finished(cursor, now),
    }
    Ok(page(events, &cursor))
}

/// The round is over. Its window opens again for transactions that were still under way, until they must have ended.
fn finished(cursor: Cursor, now: Timestamp) -> Cursor {
    let settled = now.as_millisecond() - cursor.seen_ms > OVERLAP_S * 1_000;
    let since = if settled { cursor.until } else { time::later(&cursor.until, -OVERLAP_S).max(cursor.since) };
    Cursor { since, top: cursor.top, seen_ms: cursor.seen_ms, ..Cursor::default() }
}

fn page(events: Vec<Event>, cursor: &Cursor) -> Page {
    Page { events, next_cursor: Some(cursor.written()), more: !cursor.until.is_empty() }
}

/// The newest change of a record, an activity or a customer; empty where there is none.
fn newest(client: Client<'_>, config: &Config) -> Result<String, Failure> {
    let of = |model: &str, domain: Vec<Node>| -> Result<String, Failure> {
        let search = Search::new(domain, &["write_date"]).order("write_date desc").limit(1).with_archived();
        Ok(client.search(model, search)?.first().map(|it| it.text("write_date").to_owned()).unwrap_or_default())
    };
    let leads = of("crm.lead", Vec::new())?;
    let activities = if config.plans() { of("mail.activity", vec![term("res_model", "=", "crm.lead")])? } else { String::new() };
    Ok(leads.max(activities).max(of("res.partner", vec![term("is_company", "=", false)])?))
}

fn window(cursor: &Cursor) -> Vec<Node<'_>> {
    vec![term("write_date", ">=", cursor.since.as_str()), term("write_date", "<", cursor.until.as_str()), term("id", ">", cursor.after)]
}

type Read = (Vec<Event>, i64, bool);

fn leads(client: Client<'_>, config: &Config, cursor: &Cursor, limit: u32) -> Result<Read, Failure> {
    let records = client.search("crm.lead", Search::new(window(cursor), &LEAD_FIELDS).order("id").limit(limit).with_archived())?;
    let events = events(client, config, &records, &BTreeMap::new())?;
    Ok((events, records.last().map_or(cursor.after, Record::id), records.len() >= limit as usize))
}

fn activities(client: Client<'_>, config: &Config, cursor: &Cursor, limit: u32) -> Result<Read, Failure> {
    let mut domain = window(cursor);
    domain.push(term("res_model", "=", "crm.lead"));
    let search = Search::new(domain, &["res_id", "write_date"]).order("id").limit(limit).with_archived();
    let changed = client.search("mail.activity", search)?;
    let mut times: BTreeMap<i64, &str> = BTreeMap::new();
    for it in &changed {
        if let Some(record) = it.0["res_id"].as_i64().filter(|it| *it != 0) {
            let time = times.entry(record).or_default();
            *time = it.text("write_date").max(time);
        }
    }
    let ids: Vec<i64> = times.keys().copied().collect();
    let records = if ids.is_empty() { Vec::new() } else { client.read("crm.lead", &ids, &LEAD_FIELDS)? };
    let events = events(client, config, &records, &times)?;
    Ok((events, changed.last().map_or(cursor.after, Record::id), changed.len() >= limit as usize))
}

fn customers(client: Client<'_>, config: &Config, cursor: &Cursor, limit: u32) -> Result<Read, Failure> {
    let domain = vec![
        term("partner_id.write_date", ">=", cursor.since.as_str()),
        term("partner_id.write_date", "<", cursor.until.as_str()),
        term("partner_id.is_company", "=", false),
        term("id", ">", cursor.after),
    ];
    let records = client.search("crm.lead", Search::new(domain, &LEAD_FIELDS).order("id").limit(limit).with_archived())?;
    let events = events(client, config, &records, &BTreeMap::new())?;
    Ok((events, records.last().map_or(cursor.after, Record::id), records.len() >= limit as usize))
}

/// The events of records; `times`: of those whose activities changed, when.
pub fn events(client: Client<'_>, config: &Config, records: &[Record], times: &BTreeMap<i64, &str>) -> Result<Vec<Event>, Failure> {
    let (due, people) = (due(client, config, records)?, people(client, records)?);
    let event = |record: &Record| {
        let at = times.get(&record.id()).copied().unwrap_or("").max(record.text("write_date"));
        let customer = Some(record.link("partner_id")).filter(|it| people.contains(it));
        map::changed(record, due.get(&record.id()).copied(), customer, at, config)
    };
    Ok(records.iter().map(event).collect())
}

/// Which customers of these records are people, and no companies.
fn people(client: Client<'_>, records: &[Record]) -> Result<BTreeSet<i64>, Failure> {
    let customers: BTreeSet<i64> = records.iter().map(|it| it.link("partner_id")).filter(|it| *it != 0).collect();
    if customers.is_empty() {
        return Ok(customers);
    }
    let customers: Vec<Node> = customers.into_iter().map(Node::from).collect();
    let domain = vec![term("id", "in", customers), term("is_company", "=", false)];
    Ok(client.search("res.partner", Search::new(domain, &["id"]).with_archived())?.iter().map(Record::id).collect())
}

/// When somebody will next speak with the person: the earliest planned activity of each record.
fn due(client: Client<'_>, config: &Config, records: &[Record]) -> Result<BTreeMap<i64, Timestamp>, Failure> {
    let mut due: BTreeMap<i64, Timestamp> = BTreeMap::new();
    if records.is_empty() || !config.plans() {
        return Ok(due);
    }
    let ids: Vec<Node> = records.iter().map(|it| it.id().into()).collect();
    let domain = vec![term("res_model", "=", "crm.lead"), term("res_id", "in", ids)];
    for it in client.search("mail.activity", Search::new(domain, &["res_id", "date_deadline", "summary"]))? {
        if let Some(at) = next::due(&it, config) {
            let earliest = due.entry(it.0["res_id"].as_i64().unwrap_or(0)).or_insert(at);
            *earliest = at.min(*earliest);
        }
    }
    Ok(due)
}
