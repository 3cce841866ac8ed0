//! What Bitrix24 knew before the hub was connected to it: leads or deals with their people, then contacts, each in the order of their ids.

use patchbay_sdk::schemas::{Event, EventBody, time};
use patchbay_sdk::{Failure, Page};
use patchbay_sink::same;

use crate::ask::{ids, list, parameters};
use crate::client::{Client, text};
use crate::config::{Config, Kind};
use crate::find::method;
use crate::lead::ORIGINATOR;
use crate::payload::{CONTACT_FIELDS, Record, records, unique};
use crate::{map, poll};

/// Where the import stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cursor {
    /// Leads or deals are read first, then contacts.
    contacts: bool,
    /// The last id that was read.
    after: i64,
}

impl Cursor {
    /// None: the cursor is of something else.
    fn parse(text: &str) -> Option<Self> {
        let value = patchbay_sdk::json::parse(text.as_bytes()).ok()?;
        let contacts = match value["import"].as_str()? {
            "records" => false,
            "contacts" => true,
            _ => return None,
        };
        Some(Self { contacts, after: value["after"].as_i64()? })
    }

    fn written(self) -> String {
        let phase = if self.contacts { "contacts" } else { "records" };
        text(&parameters([("import", phase.into()), ("after", self.after.into())]))
    }
}

/// One page. `cursor`: [`patchbay_sdk::schemas::manifest::IMPORT`] at the beginning.
pub fn page(client: Client<'_>, config: &Config, cursor: &str, limit: usize) -> Result<Page, Failure> {
    let mut cursor = Cursor::parse(cursor).unwrap_or_default();
    let (name, fields) =
        if cursor.contacts { ("crm.contact.list".to_owned(), CONTACT_FIELDS) } else { (method(config.kind, "list"), config.kind.fields()) };
    let filter = parameters([(">ID", cursor.after.into())]);
    let mut found = records(&client.call(&name, &list(filter, ("ID", "ASC"), fields))?);
    let full = found.len() >= limit;
    found.truncate(limit);
    let events = if cursor.contacts { found.iter().map(contact).collect() } else { opened(client, config, &found)? };
    cursor.after = found.last().map_or(cursor.after, Record::id);
    let more = full || !cursor.contacts;
    if !full && !cursor.contacts {
        cursor = Cursor { contacts: true, after: 0 };
    }
    Ok(Page { events, next_cursor: Some(cursor.written()), more })
}

/// All records, also those that are closed: the hub takes what is open, and of the others the person.
fn opened(client: Client<'_>, config: &Config, found: &[Record]) -> Result<Vec<Event>, Failure> {
    let mut events = poll::events(client, config, found)?;
    // Leads of people who were known say who that is by a number alone.
    let nameless = |it: &&Record| config.kind == Kind::Lead && map::person(it).is_none_or(|it| it.identities.is_empty());
    let people = unique(found.iter().filter(nameless).map(|it| it.number("CONTACT_ID")));
    let people = if people.is_empty() {
        Vec::new()
    } else {
        let filter = parameters([("@ID", ids(&people))]);
        records(&client.call("crm.contact.list", &list(filter, ("ID", "ASC"), CONTACT_FIELDS))?)
    };
    for (event, record) in events.iter_mut().zip(found) {
        // The poll may have told the same before the hub knew the record.
        event.id.insert_str(0, "import:");
        if let EventBody::Record(change) = &mut event.body {
            change.lead = record.present("ORIGIN_ID").filter(|_| record.text("ORIGINATOR_ID") == ORIGINATOR);
            let theirs = people.iter().filter(|_| nameless(&record)).find(|it| it.id() == record.number("CONTACT_ID"));
            if let Some(person) = theirs {
                change.fields.person = map::person(person);
            }
        }
    }
    Ok(events)
}

fn contact(record: &Record) -> Event {
    let person = map::person(record).unwrap_or_default();
    Event {
        id: ["import:contact:", &record.id().to_string(), ":", &same::print(&text(&person))].concat(),
        occurred_at: time::parse(&record.text("DATE_MODIFY")),
        body: EventBody::Person(person),
    }
}
