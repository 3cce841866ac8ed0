//! What people do in the fake Bitrix24 comes back: by import, poll and event.

use bitrix24::config::{Config, Kind};
use patchbay_schemas::lead::Responsible;
use patchbay_schemas::manifest::IMPORT;
use patchbay_schemas::{EventBody, RecordAction, Stage};
use patchbay_testing::Schema;
use patchbay_tests::fake::bitrix24::{Misbehave, TOKEN};
use serde_json::json;

use crate::common::{Server, first, last_of, lead};

const NOW: &str = "2026-11-22T12:00:00Z";

#[test]
fn an_import_tells_all_records_and_contacts_page_by_page() {
    for kind in [Kind::Lead, Kind::Deal] {
        let server = Server::start();
        let config = Config { kind, ..server.config() };
        let phones = ["+79130000001", "+79130000002", "+79130000003"];
        let receipt = server.upsert(&config, first(&lead("lead_01JPFM2V6H8E3ZC5Q0R4T7X9YB", "ours", phones[0]))).expect("a record");
        let person = json!({ "NAME": "Пётр", "LAST_NAME": "Ли", "PHONE": [{ "VALUE": phones[1], "VALUE_TYPE": "WORK" }] });
        let contact = server.fake.by_hand("crm.contact.add", &json!({ "fields": person }));
        let mut fields = json!({ "TITLE": "theirs", "CONTACT_ID": contact });
        if kind == Kind::Lead {
            fields.as_object_mut().expect("an object").extend(person.as_object().cloned().expect("an object"));
        }
        let theirs = server.fake.by_hand(&format!("crm.{}.add", kind.name()), &json!({ "fields": fields }));
        let lone = json!({ "NAME": "Вера", "PHONE": [{ "VALUE": phones[2], "VALUE_TYPE": "WORK" }] });
        server.fake.by_hand("crm.contact.add", &json!({ "fields": lone }));

        let (events, _) = server.round(&config, IMPORT, 1, NOW);
        let record = |id: &str| {
            events.iter().find_map(|it| match &it.body {
                EventBody::Record(it) if it.external_id == id => Some(it.clone()),
                _ => None,
            })
        };
        let ours = record(receipt.remote_id.as_deref().expect("an id")).expect("it is told");
        assert_eq!(ours.lead.as_deref(), Some("lead_01JPFM2V6H8E3ZC5Q0R4T7X9YB"));
        let theirs = record(&theirs.to_string()).expect("it is told");
        let person = theirs.fields.person.expect("a deal's person too");
        assert_eq!((theirs.lead, person.identities[0].value.as_str()), (None, phones[1]));
        assert!(theirs.fields.stage.is_some_and(|it| it.is_open()));
        let people = events.iter().filter(|it| matches!(&it.body, EventBody::Person(it) if it.name.display().as_deref() == Some("Вера")));
        assert_eq!(people.count(), 1, "once, also on pages of one");
        let mut ids: Vec<&str> = events.iter().map(|it| it.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), events.len());
    }
}

#[test]
fn the_poll_tells_every_change_and_then_is_quiet() {
    let server = Server::start();
    let config = server.config();
    let start = server.poll(&config, None, 50, NOW);
    assert_eq!((start.events.len(), start.more), (0, false), "a connection begins now");
    let cursor = start.next_cursor.expect("a cursor");
    server.fake.store().pass(2);
    let add = |number: usize, stage: &str| {
        let fields = json!({ "TITLE": "polled", "NAME": "Пётр", "LAST_NAME": "Ли", "STATUS_ID": stage, "ASSIGNED_BY_ID": "7", "PHONE": [{ "VALUE": format!("+7913000000{number}"), "VALUE_TYPE": "WORK" }] });
        server.fake.by_hand("crm.lead.add", &json!({ "fields": fields })).to_string()
    };
    let ids: Vec<String> =
        ["NEW", "UC_DEAR", "CONVERTED", "IN_PROCESS", "NEW"].into_iter().enumerate().map(|(at, it)| add(at, it)).collect();
    let (events, cursor) = server.round(&config, &cursor, 2, NOW);
    assert_eq!(events.len(), 5, "each once, also on pages of two");
    for event in &events {
        assert_eq!(Schema::event().faults(event), Vec::<String>::new(), "{event:?}");
    }
    let fields = last_of(&events, &ids[0]);
    assert_eq!((fields.title.as_deref(), &fields.stage), (Some("polled"), &Some(Stage::Lead)));
    assert_eq!(fields.responsible, Some(Responsible { id: Some("7".to_owned()), name: "Анна Ли".to_owned() }));
    let person = fields.person.expect("a person");
    assert_eq!((person.name.display().as_deref(), person.identities[0].value.as_str()), (Some("Пётр Ли"), "+79130000000"));
    let reason = Some("Слишком дорого".to_owned());
    assert_eq!(last_of(&events, &ids[1]).stage, Some(Stage::Refused { reason, return_at: None }));
    assert_eq!(last_of(&events, &ids[2]).stage, Some(Stage::Client));

    let (overlap, cursor) = server.round(&config, &cursor, 50, "2026-11-22T12:00:30Z");
    assert!(overlap.iter().all(|it| events.iter().any(|old| old.id == it.id)), "what overlaps has the id that the hub saw");
    let (_, cursor) = server.round(&config, &cursor, 50, "2026-11-22T12:02:00Z");
    server.asked.borrow_mut().clear();
    let (quiet, cursor) = server.round(&config, &cursor, 50, "2026-11-22T12:03:00Z");
    assert_eq!((quiet.len(), server.asked.borrow().len()), (0, 1), "a quiet Bitrix24 costs one request");
    server.fake.store().pass(100);
    server.fake.by_hand("crm.lead.update", &json!({ "id": ids[0], "fields": { "TITLE": "renamed" } }));
    let (events, _) = server.round(&config, &cursor, 50, "2026-11-22T12:04:00Z");
    assert_eq!((events.len(), last_of(&events, &ids[0]).title.as_deref()), (1, Some("renamed")));
}

#[test]
fn an_event_brings_its_record_or_at_least_its_id() {
    let server = Server::start();
    let config = server.config();
    let fields = json!({ "TITLE": "hooked", "STATUS_ID": "CONVERTED", "ASSIGNED_BY_ID": "7", "PHONE": [{ "VALUE": "+79130000001", "VALUE_TYPE": "WORK" }] });
    server.fake.by_hand("crm.lead.add", &json!({ "fields": fields }));
    let body = |id: &str| format!("event=ONCRMLEADUPDATE&data%5BFIELDS%5D%5BID%5D={id}&ts=1742807189&auth%5Bapplication_token%5D={TOKEN}");
    let events = server.hook(&config, &body("1")).expect("events");
    let EventBody::Record(it) = &events[0].body else { panic!("a record") };
    assert_eq!((it.action, it.external_id.as_str(), it.fields.title.as_deref()), (RecordAction::Updated, "1", Some("hooked")));
    assert_eq!((&it.fields.stage, it.fields.responsible.as_ref().map(|it| it.name.as_str())), (&Some(Stage::Client), Some("Анна Ли")));
    assert_eq!(server.hook(&config, &body("1")).expect("events")[0].id, events[0].id, "told twice it is one event");
    assert_eq!(server.asked.borrow().len(), 2, "one request each");

    server.fake.by_hand("crm.lead.update", &json!({ "id": "1", "fields": { "TITLE": "within the same second" } }));
    assert_ne!(server.hook(&config, &body("1")).expect("events")[0].id, events[0].id);
    server.fake.misbehave("batch", Misbehave::Status(503));
    for (body, why) in [(body("1"), "Bitrix24 is busy"), (body("999"), "it is gone already")] {
        let events = server.hook(&config, &body).expect("events");
        let EventBody::Record(it) = &events[0].body else { panic!("a record") };
        assert!(it.fields.is_empty() && it.extra.is_empty(), "{why}");
    }
}
