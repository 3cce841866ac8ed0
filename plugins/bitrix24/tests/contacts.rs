//! A deal's person stands in its contact: what people change there comes back as the deal's, against the fake Bitrix24.

use std::collections::BTreeSet;

use bitrix24::config::{Config, Kind};
use patchbay_schemas::event::RecordFields;
use patchbay_schemas::{Event, EventBody};
use patchbay_testing::Schema;
use patchbay_tests::fake::bitrix24::{Misbehave, TOKEN};
use serde_json::{Value, json};

use crate::application::{application, round};
use crate::common::{Server, deals, first, id, last_of, lead};

const NOW: &str = "2026-11-22T12:00:00Z";

/// A deal of the hub's with its contact (1), and another one by hand of somebody else.
fn known(server: &Server, config: &Config) -> String {
    let mut lead = lead("lead_a", "ours", &server.phone());
    lead.contact.company = Some("Ромашка".to_owned());
    let made = server.upsert(config, first(&lead)).expect("a record");
    let other = server.fake.by_hand("crm.contact.add", &json!({ "fields": { "NAME": "Вера" } }));
    server.fake.by_hand("crm.deal.add", &json!({ "fields": { "TITLE": "theirs", "CONTACT_ID": other } }));
    id(&made).to_owned()
}

fn correct(server: &Server, contact: &str, fields: &Value) {
    server.fake.by_hand("crm.contact.update", &json!({ "id": contact, "fields": fields }));
}

/// Name, company and phones.
fn person(fields: &RecordFields) -> (String, String, Vec<String>) {
    assert!(fields.person_whole, "{fields:?}");
    let it = fields.person.clone().unwrap_or_default();
    let phones = it.identities.iter().map(|it| it.value.clone()).collect();
    (it.name.display().unwrap_or_default(), it.company.unwrap_or_default(), phones)
}

fn records(events: &[Event]) -> Vec<&str> {
    let id = |it: &'_ Event| matches!(&it.body, EventBody::Record(it) if it.entity == "deal").then_some(());
    let found = events.iter().filter(|it| id(it).is_some());
    found.filter_map(|it| if let EventBody::Record(it) = &it.body { Some(it.external_id.as_str()) } else { None }).collect()
}

#[test]
fn the_poll_tells_the_deals_of_a_contact_that_changed() {
    let server = Server::start();
    let config = deals(&server);
    let start = server.poll(&config, None, 50, NOW).next_cursor.expect("a cursor");
    server.fake.store().pass(2);
    let deal = known(&server, &config);
    let (events, cursor) = server.round(&config, &start, 50, NOW);
    let written = person(&last_of(&events, &deal));
    assert_eq!((written.0.as_str(), written.1.as_str(), written.2.len()), ("Иван Петров", "Ромашка", 1), "as it was written");
    let (_, cursor) = server.round(&config, &cursor, 50, "2026-11-22T12:02:00Z");
    server.asked.borrow_mut().clear();
    let (quiet, cursor) = server.round(&config, &cursor, 50, "2026-11-22T12:03:00Z");
    assert_eq!((quiet.len(), server.asked.borrow().len()), (0, 1), "a quiet Bitrix24 costs one request");

    server.fake.store().pass(100);
    correct(
        &server,
        "1",
        &json!({ "NAME": "Пётр", "SECOND_NAME": "Ильич", "LAST_NAME": "Ли", "PHONE": [{ "VALUE": "8 912 300-00-77", "VALUE_TYPE": "WORK" }] }),
    );
    let (events, cursor) = server.round(&config, &cursor, 50, "2026-11-22T12:04:00Z");
    assert_eq!(records(&events), [deal.as_str()], "the deals of others are nobody's business");
    assert_eq!(Schema::event().faults(&events[0]), Vec::<String>::new());
    let told = person(&last_of(&events, &deal));
    assert_eq!((told.0.as_str(), told.1.as_str(), told.2.len()), ("Пётр Ильич Ли", "Ромашка", 2));
    assert_eq!(last_of(&events, &deal).title.as_deref(), Some("ours"), "as a deal tells everything");
    let at = events[0].occurred_at.expect("a time");

    // Back to what it was: the deal itself was touched by neither, and both are news.
    server.fake.store().pass(100);
    correct(&server, "1", &json!({ "NAME": "Иван Петров", "SECOND_NAME": "", "LAST_NAME": "" }));
    let (back, _) = server.round(&config, &cursor, 50, "2026-11-22T12:06:00Z");
    assert!(back.iter().all(|it| events.iter().all(|old| old.id != it.id)) && back[0].occurred_at > Some(at));
    assert_eq!(person(&last_of(&back, &deal)).0, "Иван Петров");
}

#[test]
fn many_deals_of_many_contacts_are_told_page_by_page_each_of_them() {
    let server = Server::start();
    let config = Config { plans: false, ..deals(&server) };
    let mut wanted = BTreeSet::new();
    for contact in 1..=3 {
        server.fake.by_hand("crm.contact.add", &json!({ "fields": { "NAME": "Вера" } }));
        for _ in 0..5 {
            let made = server.fake.by_hand("crm.deal.add", &json!({ "fields": { "TITLE": "theirs", "CONTACT_ID": contact } }));
            wanted.insert(made.to_string());
        }
    }
    server.fake.store().pass(100);
    let start = server.poll(&config, None, 50, NOW).next_cursor.expect("a cursor");
    server.fake.store().pass(100);
    for contact in ["1", "2", "3"] {
        correct(&server, contact, &json!({ "LAST_NAME": "Ли" }));
    }
    let (events, _) = server.round(&config, &start, 2, NOW);
    let told: Vec<String> = records(&events).into_iter().map(str::to_owned).collect();
    assert_eq!((told.iter().cloned().collect::<BTreeSet<_>>(), told.len()), (wanted, 15), "each once");
}

#[test]
fn the_event_of_a_contact_brings_its_deals_or_at_least_itself() {
    let server = Server::start();
    let config = deals(&server);
    let deal = known(&server, &config);
    correct(&server, "1", &json!({ "LAST_NAME": "Ли" }));
    let body = format!("event=ONCRMCONTACTUPDATE&data%5BFIELDS%5D%5BID%5D=1&ts=1742807189&auth%5Bapplication_token%5D={TOKEN}");
    server.asked.borrow_mut().clear();
    let events = server.hook(&config, &body).expect("events");
    assert_eq!((events.len(), server.asked.borrow().len(), records(&events)), (2, 2, vec![deal.as_str()]));
    assert_eq!(person(&last_of(&events, &deal)).0, "Иван Петров Ли");
    assert_eq!(server.hook(&config, &body).expect("events")[1].id, events[1].id, "told twice it is one event");
    let own = format!("event=ONCRMDEALUPDATE&data%5BFIELDS%5D%5BID%5D={deal}&ts=1742807189&auth%5Bapplication_token%5D={TOKEN}");
    server.asked.borrow_mut().clear();
    let told = server.hook(&config, &own).expect("events");
    assert_eq!(
        (person(&last_of(&told, &deal)).0.as_str(), server.asked.borrow().len()),
        ("Иван Петров Ли", 1),
        "a deal's own event tells it too"
    );

    server.fake.misbehave("crm.deal.list", Misbehave::Status(503));
    let events = server.hook(&config, &body).expect("events");
    assert!(matches!(&events[..], [Event { body: EventBody::Record(it), .. }] if it.external_id == "contact:1"), "{events:?}");
    let leads = Config { kind: Kind::Lead, ..config };
    server.asked.borrow_mut().clear();
    assert_eq!((server.hook(&leads, &body).expect("events").len(), server.asked.borrow().len()), (1, 0), "a lead has its person in itself");
}

#[test]
fn the_queue_keeps_the_change_of_a_contact_while_nobody_asks() {
    let (server, config) = application();
    let config = Config { endpoint: config.endpoint, ..deals(&server) };
    let (_, cursor) = round(&server, &config, None);
    let deal = known(&server, &config);
    let (_, cursor) = round(&server, &config, Some(&cursor));
    correct(&server, "1", &json!({ "LAST_NAME": "Ли" }));
    assert_eq!(server.fake.store().application.waiting(), 1);
    let (events, _) = round(&server, &config, Some(&cursor));
    assert_eq!(person(&last_of(&events, &deal)).0, "Иван Петров Ли");
    assert_eq!(server.fake.store().application.waiting(), 0);
}
