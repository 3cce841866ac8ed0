//! What changed in Bitrix24 since the last time: the reconcile poll. Bitrix24 tells each change once, and only to who answers.
//!
//! Changes are stamped to the second (`DATE_MODIFY`), by the portal's clock. A round reads a window `since ≤ DATE_MODIFY < until` in the
//! order of ids, `until` lies behind the newest change of all, and the next window begins [`OVERLAP_S`] earlier until that long has passed
//! on the hub's clock. The hub drops what it saw already by its id. Only durations are measured here, so the clocks need not agree.
//!
//! A deal says of its person what its contact says, so contacts that changed are read too, and their deals told.
//!
//! Not seen: records that were deleted (the outgoing webhook tells; else the next write finds out).

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::manifest::IMPORT;
use patchbay_sdk::schemas::{Event, Timestamp, time};
use patchbay_sdk::{Failure, Page};
use serde_json::Value;

use crate::ask::{command, ids, list, parameters};
use crate::client::{Client, text};
use crate::config::{Config, Kind};
use crate::find::method;
use crate::map::{self, Around, Points};
use crate::payload::{Record, records, unique};

/// How late a change may turn up behind its own time. Bitrix24 cuts a request off after 60 seconds.
pub const OVERLAP_S: i64 = 60;

/// The most pages of open activities that are read for one page of records.
const ACTIVITY_PAGES: usize = 10;

/// Records of a page: Bitrix24's own size.
const PAGE: usize = 50;

/// Where the poll stands. Times are seconds since 1970 on the portal's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Begin of the window.
    pub since: i64,
    /// The newest change that was ever seen.
    pub top: i64,
    /// Milliseconds on the hub's clock when it was first seen.
    pub seen_ms: i64,
    /// End of the window of a round under way; 0: none.
    pub until: i64,
    /// What the round reads now.
    pub phase: Phase,
    /// The last id that it read.
    pub after: i64,
    /// Of the contacts behind it, the last deal that it told.
    pub deal: i64,
}

/// The parts of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Changed records.
    #[default]
    Records,
    /// Changed contacts: they do not touch their deals.
    Contacts,
    /// Changed activities: they do not touch their record.
    Activities,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::never("bitrix24.cursor", "this is no cursor of this connector");
        let value = patchbay_sdk::json::parse(text.as_bytes()).map_err(|_| wrong())?;
        let number = |key: &str| value[key].as_i64();
        Ok(Self {
            since: number("since").ok_or_else(wrong)?,
            top: number("top").ok_or_else(wrong)?,
            seen_ms: number("seen_ms").ok_or_else(wrong)?,
            until: number("until").unwrap_or(0),
            phase: match value["phase"].as_str() {
                Some("contacts") => Phase::Contacts,
                Some("activities") => Phase::Activities,
                _ => Phase::Records,
            },
            after: number("after").unwrap_or(0),
            deal: number("deal").unwrap_or(0),
        })
    }

    fn written(&self) -> String {
        let phase = match self.phase {
            Phase::Records => "records",
            Phase::Contacts => "contacts",
            Phase::Activities => "activities",
        };
        let mut written = parameters([
            ("since", self.since.into()),
            ("top", self.top.into()),
            ("seen_ms", self.seen_ms.into()),
            ("until", self.until.into()),
            ("phase", phase.into()),
            ("after", self.after.into()),
        ]);
        if self.deal != 0 {
            written.put("deal", self.deal);
        }
        text(&written)
    }
}

/// One page; of an import where the cursor is one of those. Without a cursor nothing is read: the connection begins now.
pub fn poll(client: Client<'_>, config: &Config, cursor: Option<&str>, limit: u32, now: Timestamp) -> Result<Page, Failure> {
    let limit = usize::try_from(limit).unwrap_or(PAGE).clamp(1, PAGE);
    if let Some(import) = cursor.filter(|it| *it == IMPORT || it.contains("\"import\"")) {
        return crate::import::page(client, config, import, limit);
    }
    let Some(cursor) = cursor else {
        let top = newest(client, config)?;
        return Ok(page(Vec::new(), &Cursor { since: top + 1, top, seen_ms: now.as_millisecond(), ..Cursor::default() }));
    };
    let mut cursor = Cursor::parse(cursor)?;
    if cursor.until == 0 {
        let top = newest(client, config)?;
        if top != cursor.top {
            cursor.seen_ms = now.as_millisecond();
            cursor.top = top;
        }
        if cursor.top < cursor.since {
            return Ok(page(Vec::new(), &cursor));
        }
        cursor.until = cursor.top + 1;
    }
    let (events, last, full) = match cursor.phase {
        Phase::Records => changed_records(client, config, &cursor, limit)?,
        Phase::Contacts => changed_contacts(client, config, &mut cursor, limit)?,
        Phase::Activities => changed_activities(client, config, &cursor, limit)?,
    };
    let next = match cursor.phase {
        Phase::Records if config.kind == Kind::Deal => Some(Phase::Contacts),
        Phase::Records | Phase::Contacts if config.plans => Some(Phase::Activities),
        _ => None,
    };
    if full {
        cursor.after = last;
    } else if let Some(phase) = next {
        (cursor.phase, cursor.after) = (phase, 0);
    } else {
        cursor = finished(&cursor, now);
    }
    Ok(page(events, &cursor))
}

/// The round is over. Its window opens again for what was still under way, until it must have ended.
fn finished(cursor: &Cursor, now: Timestamp) -> Cursor {
    let settled = now.as_millisecond() - cursor.seen_ms > OVERLAP_S * 1_000;
    let since = if settled { cursor.until } else { (cursor.until - OVERLAP_S).max(cursor.since) };
    Cursor { since, top: cursor.top, seen_ms: cursor.seen_ms, ..Cursor::default() }
}

fn page(events: Vec<Event>, cursor: &Cursor) -> Page {
    Page { events, next_cursor: Some(cursor.written()), more: cursor.until != 0 }
}

/// The newest change of a record, a deal's contact or an activity, in one request; 0 where there is none.
fn newest(client: Client<'_>, config: &Config) -> Result<i64, Failure> {
    let newest_by = |filter: Object<'static>, field: &'static str| list(filter, (field, "DESC"), &["ID", field]);
    let mut commands = vec![command("records", method(config.kind, "list"), newest_by(Object::default(), "DATE_MODIFY"))];
    if config.plans {
        let ours = parameters([("OWNER_TYPE_ID", config.kind.number().into())]);
        commands.push(command("activities", "crm.activity.list", newest_by(ours, "LAST_UPDATED")));
    }
    if config.kind == Kind::Deal {
        commands.push(command("contacts", "crm.contact.list", newest_by(Object::default(), "DATE_MODIFY")));
    }
    let answers = client.batch(false, &commands)?;
    let mut top = 0;
    for it in &commands {
        let field = if it.name == "activities" { "LAST_UPDATED" } else { "DATE_MODIFY" };
        let first = records(answers.get(it.name)?).into_iter().next();
        top = top.max(first.map_or(0, |it| seconds(&it, field)));
    }
    Ok(top)
}

/// A time of a record, in seconds since 1970; 0 where it has none.
fn seconds(record: &Record, field: &str) -> i64 {
    time::parse(&record.text(field)).map_or(0, Timestamp::as_second)
}

fn window(cursor: &Cursor, from: &'static str, to: &'static str) -> Object<'static> {
    let written = |seconds: i64| time::from_seconds(seconds).map(time::written).unwrap_or_default();
    parameters([(from, written(cursor.since).into()), (to, written(cursor.until).into()), (">ID", cursor.after.into())])
}

type Read = (Vec<Event>, i64, bool);

fn changed_records(client: Client<'_>, config: &Config, cursor: &Cursor, limit: usize) -> Result<Read, Failure> {
    let filter = window(cursor, ">=DATE_MODIFY", "<DATE_MODIFY");
    let found = client.call(&method(config.kind, "list"), &list(filter, ("ID", "ASC"), config.kind.fields()))?;
    let mut found = records(&found);
    let full = found.len() >= limit;
    found.truncate(limit);
    let last = found.last().map_or(cursor.after, Record::id);
    Ok((events(client, config, &found)?, last, full))
}

/// The deals of contacts that changed. Where they are more than a page, the same contacts are read again for the next one, from `cursor.deal` on.
fn changed_contacts(client: Client<'_>, config: &Config, cursor: &mut Cursor, limit: usize) -> Result<Read, Failure> {
    let filter = window(cursor, ">=DATE_MODIFY", "<DATE_MODIFY");
    let found = client.call("crm.contact.list", &list(filter, ("ID", "ASC"), &["ID", "DATE_MODIFY"]))?;
    let mut found = records(&found);
    let full = found.len() >= limit;
    found.truncate(limit);
    let contacts: Vec<i64> = found.iter().map(Record::id).collect();
    let last = contacts.last().copied().unwrap_or(cursor.after);
    let mut deals = of_contacts(client, &contacts, (">ID", cursor.deal), "ASC")?;
    let is_page = deals.len() >= limit;
    deals.truncate(limit);
    cursor.deal = deals.last().filter(|_| is_page).map_or(0, Record::id);
    let events = events(client, config, &theirs(deals, &contacts))?;
    // Where more deals wait, the contacts are not done with.
    Ok(if is_page { (events, cursor.after, true) } else { (events, last, full) })
}

/// A page of the deals of contacts, before or behind a deal.
fn of_contacts(client: Client<'_>, contacts: &[i64], (side, id): (&'static str, i64), order: &'static str) -> Result<Vec<Record>, Failure> {
    // An empty filter is passed over: every deal would fit.
    if contacts.is_empty() {
        return Ok(Vec::new());
    }
    let filter = parameters([("@CONTACT_ID", ids(contacts)), (side, id.into())]);
    Ok(records(&client.call(&method(Kind::Deal, "list"), &list(filter, ("ID", order), Kind::Deal.fields()))?))
}

/// Those whose person is one of these contacts: a deal may have further contacts.
fn theirs(deals: Vec<Record>, contacts: &[i64]) -> Vec<Record> {
    deals.into_iter().filter(|it| contacts.contains(&it.number("CONTACT_ID"))).collect()
}

/// The events of the newest deals of contacts, at most so many pages of fifty. The poll tells the rest.
pub fn deals_of(client: Client<'_>, config: &Config, contacts: &[i64], pages: usize) -> Result<Vec<Event>, Failure> {
    let (mut told, mut edge) = (Vec::new(), (">ID", 0));
    for _ in 0..pages {
        let deals = of_contacts(client, contacts, edge, "DESC")?;
        let is_page = deals.len() >= PAGE;
        edge = ("<ID", deals.last().map_or(0, Record::id));
        told.extend(events(client, config, &theirs(deals, contacts))?);
        if !is_page {
            break;
        }
    }
    Ok(told)
}

fn changed_activities(client: Client<'_>, config: &Config, cursor: &Cursor, limit: usize) -> Result<Read, Failure> {
    let mut filter = window(cursor, ">=LAST_UPDATED", "<LAST_UPDATED");
    filter.put("OWNER_TYPE_ID", config.kind.number());
    let found = client.call("crm.activity.list", &list(filter, ("ID", "ASC"), &["ID", "OWNER_ID", "LAST_UPDATED"]))?;
    let mut found = records(&found);
    let full = found.len() >= limit;
    found.truncate(limit);
    let owners = unique(found.iter().map(|it| it.number("OWNER_ID")));
    let last = found.last().map_or(cursor.after, Record::id);
    if owners.is_empty() {
        return Ok((Vec::new(), last, full));
    }
    let filter = parameters([("@ID", ids(&owners))]);
    let owners = client.call(&method(config.kind, "list"), &list(filter, ("ID", "ASC"), config.kind.fields()))?;
    Ok((events(client, config, &records(&owners))?, last, full))
}

/// The events of records: what they point at is asked for in one request, further pages of activities apart.
pub fn events(client: Client<'_>, config: &Config, found: &[Record]) -> Result<Vec<Event>, Failure> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let owners = unique(found.iter().map(Record::id));
    let mut commands = Vec::new();
    map::ask(&mut commands, config, Points::of(found, config.kind));
    let answers = client.batch(false, &commands)?;
    answers.get("stages")?;
    if config.plans {
        answers.get("activities")?;
    }
    let mut around = Around::read(&answers);
    let mut page = around.activities.len();
    for _ in 1..ACTIVITY_PAGES {
        let Some(last) = around.activities.last().filter(|_| page >= PAGE).map(Record::id) else { break };
        let more: Value = client.call("crm.activity.list", &map::activities(config.kind, ids(&owners), last))?;
        let more = records(&more);
        page = more.len();
        around.activities.extend(more);
    }
    Ok(found.iter().map(|it| map::changed(it, &around, config)).collect())
}
