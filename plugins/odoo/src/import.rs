//! What Odoo knew before the hub was connected to it: leads with their people, then customers, each in the order of their ids.

use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::{Event, EventBody, Identity, Name, Person};
use patchbay_sdk::{Failure, Page};

use crate::ask::{Search, arguments, term};
use crate::client::{Client, strange, text};
use crate::config::Config;
use crate::payload::{LEAD_FIELDS, Record};
use crate::{lead, poll, time};

/// Customers are read from these.
const CUSTOMER_FIELDS: [&str; 6] = ["name", "phone", "email", "city", "commercial_company_name", "write_date"];

/// Where the import stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cursor {
    /// Leads are read first, then customers.
    customers: bool,
    /// The last id that was read.
    after: i64,
    /// How many leads and customers there were at the beginning.
    of: i64,
}

impl Cursor {
    /// None: the cursor is of something else.
    fn parse(text: &str) -> Option<Self> {
        let value = patchbay_sdk::json::parse(text.as_bytes()).ok()?;
        let customers = match value["import"].as_str()? {
            "leads" => false,
            "customers" => true,
            _ => return None,
        };
        Some(Self { customers, after: value["after"].as_i64()?, of: value["of"].as_i64()? })
    }

    fn written(&self) -> String {
        let phase = if self.customers { "customers" } else { "leads" };
        text(&arguments([("import", phase.into()), ("after", self.after.into()), ("of", self.of.into())]))
    }
}

/// One page. `cursor`: [`patchbay_sdk::schemas::manifest::IMPORT`] at the beginning.
pub fn page(client: Client<'_>, config: &Config, cursor: &str, limit: u32) -> Result<Page, Failure> {
    let mut cursor = match Cursor::parse(cursor) {
        Some(cursor) => cursor,
        None => Cursor { of: count(client, "crm.lead", Vec::new())? + count(client, "res.partner", customers(0))?, ..Cursor::default() },
    };
    let (events, last, full) = if cursor.customers { people(client, &cursor, limit)? } else { leads(client, config, &cursor, limit)? };
    cursor.after = last;
    let more = full || !cursor.customers;
    if !full && !cursor.customers {
        (cursor.customers, cursor.after) = (true, 0);
    }
    Ok(Page { events, next_cursor: Some(cursor.written()), more })
}

fn count(client: Client<'_>, model: &str, domain: Vec<Node<'_>>) -> Result<i64, Failure> {
    let archived = arguments([("active_test", (model != "crm.lead").into())]);
    let counted = client.call(model, "search_count", arguments([("domain", domain.into()), ("context", archived.into())]))?;
    counted.as_i64().ok_or_else(|| strange("a number"))
}

type Read = (Vec<Event>, i64, bool);

/// All leads, also those that are won, lost and put away: the hub takes what is open, and of the others the person.
fn leads(client: Client<'_>, config: &Config, cursor: &Cursor, limit: u32) -> Result<Read, Failure> {
    let domain = vec![term("id", ">", cursor.after)];
    let found = client.search("crm.lead", Search::new(domain, &LEAD_FIELDS).order("id").limit(limit).with_archived())?;
    let mut events = poll::events(client, config, &found, &std::collections::BTreeMap::new())?;
    for (event, record) in events.iter_mut().zip(&found) {
        // The poll may have told the same before the hub knew the record.
        event.id.insert_str(0, "import:");
        if let EventBody::Record(change) = &mut event.body {
            change.lead = lead::referred(record.text("description"));
        }
    }
    Ok((events, found.last().map_or(cursor.after, Record::id), found.len() >= limit as usize))
}

/// People who are no users of Odoo and can be reached.
fn customers(after: i64) -> Vec<Node<'static>> {
    let reachable = [Node::from("|"), term("phone", "!=", false), term("email", "!=", false)];
    let people = [term("id", ">", after), term("is_company", "=", false), term("partner_share", "=", true)];
    people.into_iter().chain(reachable).collect()
}

fn people(client: Client<'_>, cursor: &Cursor, limit: u32) -> Result<Read, Failure> {
    let search = Search::new(customers(cursor.after), &CUSTOMER_FIELDS).order("id").limit(limit);
    let found = client.search("res.partner", search)?;
    let events = found.iter().map(person).collect();
    Ok((events, found.last().map_or(cursor.after, Record::id), found.len() >= limit as usize))
}

fn person(record: &Record) -> Event {
    let identities = record.present("phone").map(Identity::phone).into_iter().chain(record.present("email").map(Identity::email));
    let written = record.text("write_date");
    Event {
        id: format!("import:res.partner:{}:{written}", record.id()),
        occurred_at: time::parse(written),
        // Somebody of the company typed these in: nobody vouches for them.
        body: EventBody::Person(Person {
            identities: identities.map(Identity::stated).collect(),
            name: Name::full(record.text("name")),
            company: record.present("commercial_company_name"),
            city: record.present("city"),
            ..Person::default()
        }),
    }
}
