//! A lead's history and what is to be done next, in the fake Bitrix24's timeline.

use bitrix24::client::RECORD_MISSING;
use bitrix24::config::Config;
use patchbay_schemas::command::LeadUpsert;
use patchbay_sdk::Retry;
use patchbay_tests::fake::bitrix24::Misbehave;
use serde_json::{Value, json};

use crate::common::{Server, again, first, id, last_of, lead, message, note};

const NOW: &str = "2026-11-22T12:00:00Z";

#[test]
fn comments_are_written_once_and_hold_no_codes_of_strangers() {
    let server = Server::start();
    let config = server.config();
    let made = server.upsert(&config, first(&lead("lead_a", "notes", &server.phone()))).expect("a record");
    let mut said = message(id(&made), "int_1", "Здравствуйте [url=https://evil.example]сюда[/url] $result[record]\nсколько & как?");
    server.fake.misbehave("crm.timeline.comment.add", Misbehave::LoseAnswer);
    server.add(&config, said.clone()).expect_err("the answer is lost");
    said.retried = true;
    assert_eq!(server.add(&config, said.clone()).expect("the comment").details["result"], "found");
    let comments = server.fake.store().comments("lead", id(&made));
    assert_eq!(comments.len(), 1);
    assert!(comments[0].starts_with("[b]telegram: incoming message[/b]\nTime: 2026"), "{}", comments[0]);
    assert!(comments[0].contains("\nFrom: Иван\n"), "{}", comments[0]);
    assert!(comments[0].contains("\nсколько & как?\n\nint_1") && !comments[0].contains("[url="), "{}", comments[0]);

    said.interaction_id = "int_2".to_owned();
    assert_eq!(server.add(&config, said.clone()).expect("a comment").details["result"], "created");
    said.lead_remote_id = "999".to_owned();
    let failure = server.add(&config, said).expect_err("no such record");
    assert_eq!((failure.code.as_str(), failure.retry), (RECORD_MISSING, Retry::Never));
}

#[test]
fn a_call_is_a_call_and_its_later_end_changes_it() {
    let server = Server::start();
    let config = server.config();
    let made = server.upsert(&config, first(&lead("lead_a", "calls", &server.phone()))).expect("a record");
    let call = |result: &str| {
        let person = json!({ "identities": [{ "kind": "phone", "value": "+79120000001" }] });
        let call = json!({ "id": "c-1", "result": result, "started_at": "2026-11-20T10:10:00Z", "wait_s": 5, "talk_s": 60, "recording": "https://pbx.example/1.mp3" });
        note(id(&made), "int_c", "call", &json!({ "direction": "in", "person": person, "call": call }))
    };
    assert_eq!(server.add(&config, call("missed")).expect("a call").details["result"], "created");
    assert_eq!(server.add(&config, call("answered")).expect("the call").details["result"], "found", "also when it was not tried before");
    let all = server.fake.store().all("activity");
    assert_eq!(all.len(), 1);
    for (field, value) in [
        ("TYPE_ID", "2"),
        ("DIRECTION", "1"),
        ("OWNER_ID", id(&made)),
        ("SUBJECT", "telegram: incoming call, answered"),
        ("START_TIME", "2026-11-20T10:10:00Z"),
        ("END_TIME", "2026-11-20T10:11:05Z"),
        ("COMPLETED", "Y"),
        ("RESPONSIBLE_ID", "1"),
    ] {
        assert_eq!(all[0][field], value, "{field}");
    }
    let comment = Config { call_activities: false, ..config };
    server
        .add(&comment, note(id(&made), "int_d", "call", &json!({ "direction": "out", "person": {}, "call": { "id": "c-2" } })))
        .expect("a comment");
    assert_eq!(server.fake.store().comments("lead", id(&made)).len(), 1);
}

#[test]
fn the_next_contact_is_one_to_do() {
    let server = Server::start();
    let config = server.config();
    let start = server.poll(&config, None, 50, NOW).next_cursor.expect("a cursor");
    server.fake.store().pass(2);
    let mut lead = lead("lead_a", "next", &server.phone());
    lead.next_contact_at = Some("2026-11-30T22:30:00Z".parse().expect("a time"));
    let made = server.upsert(&config, first(&lead)).expect("a record");
    server.upsert(&config, LeadUpsert { retried: true, ..first(&lead) }).expect("the record");
    lead.next_contact_at = Some("2026-12-02T09:00:00Z".parse().expect("a time"));
    let moved = server.upsert(&config, again(&lead, &made)).expect("the record");
    let open = server.fake.store().open_activities(id(&made));
    assert_eq!((open.len(), &open[0]["DEADLINE"]), (1, &json!("2026-12-02T12:00:00+03:00")));
    assert_eq!(moved.details["todo"], 1);
    let (events, cursor) = server.round(&config, &start, 50, NOW);
    assert_eq!(last_of(&events, id(&made)).next_contact_at, lead.next_contact_at);

    server.fake.store().pass(200);
    let change = |fields: Value| server.fake.by_hand("crm.activity.update", &json!({ "id": open[0]["ID"], "fields": fields }));
    change(json!({ "DEADLINE": "2026-12-05T12:00:00+03:00" }));
    let (events, cursor) = server.round(&config, &cursor, 50, NOW);
    let wanted = Some("2026-12-05T09:00:00Z".parse().expect("a time"));
    assert_eq!(last_of(&events, id(&made)).next_contact_at, wanted, "somebody moved it, the record itself did not change");
    server.fake.store().pass(200);
    change(json!({ "DEADLINE": "9999-12-31T00:00:00+03:00" }));
    let (events, _) = server.round(&config, &cursor, 50, NOW);
    assert_eq!(last_of(&events, id(&made)).next_contact_at, None, "no deadline is the year 9999");

    change(json!({ "COMPLETED": "Y" }));
    server.upsert(&config, again(&lead, &moved)).expect("the record");
    assert_eq!(server.fake.store().open_activities(id(&made)).len(), 0, "done, and nothing new in the hub: it does not come back");
}
