//! The connector against the fake Bitrix24.

mod common;

use bitrix24::client::RECORD_MISSING;
use bitrix24::config::{Config, Deleted, Kind};
use common::{Server, again, first, id, lead, message, note};
use patchbay_schemas::command::{Before, LeadUpsert, NewRecord};
use patchbay_schemas::event::RecordFields;
use patchbay_schemas::lead::Responsible;
use patchbay_schemas::manifest::IMPORT;
use patchbay_schemas::{Event, EventBody, Identity, RecordAction, Stage};
use patchbay_sdk::Retry;
use patchbay_testing::Schema;
use patchbay_tests::fake::bitrix24::{Misbehave, TOKEN};
use serde_json::{Value, json};

const NOW: &str = "2026-11-22T12:00:00Z";

fn deals(server: &Server) -> Config {
    Config { kind: Kind::Deal, pipeline: "2".to_owned(), ..server.config() }
}

fn values(record: &Value, field: &str) -> Vec<String> {
    let all = record[field].as_array().into_iter().flatten();
    all.map(|it| it["VALUE"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_new_lead_arrives_with_all_that_is_known() {
    let server = Server::start();
    let mut lead = lead("lead_a", "Запрос & \"цена\"", &server.phone());
    lead.contact.identities.push(Identity::email("Ivan@Example.com"));
    lead.contact.company = Some("ООО «Ромашка»".to_owned());
    lead.contact.city = Some("Москва".to_owned());
    lead.source.origin.utm = [("source", "yandex"), ("medium", "cpc"), ("term", "a<b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    lead.source.origin.page = Some("https://example.com/?a=1&b=2".to_owned());
    lead.next_contact_at = Some("2026-11-30T22:30:00Z".parse().expect("a time"));
    let receipt = server.upsert(&server.config(), first(&lead)).expect("a record");
    assert_eq!((id(&receipt), &receipt.details["result"]), ("1", &json!("created")));
    assert_eq!(receipt.details["url"], format!("{}/crm/lead/details/1/", server.fake.url()));
    assert_eq!(server.asked.borrow().len(), 2, "one request to look, one to write");
    let record = server.record("lead", "1");
    for (field, value) in [
        ("TITLE", lead.title.as_str()),
        ("NAME", "Иван Петров"),
        ("COMPANY_TITLE", "ООО «Ромашка»"),
        ("ADDRESS_CITY", "Москва"),
        ("UTM_SOURCE", "yandex"),
        ("UTM_MEDIUM", "cpc"),
        ("UTM_TERM", "a<b"),
        ("SOURCE_ID", "UC_DIRECT"),
        ("SOURCE_DESCRIPTION", "form https://example.com/?a=1&b=2"),
        ("STATUS_ID", "NEW"),
        ("ORIGINATOR_ID", "patchbay"),
        ("ORIGIN_ID", "lead_a"),
        ("ASSIGNED_BY_ID", "1"),
    ] {
        assert_eq!(record[field], value, "{field}");
    }
    assert_eq!(
        (values(&record, "PHONE"), values(&record, "EMAIL")),
        (vec!["+79120000001".to_owned()], vec!["Ivan@Example.com".to_owned()])
    );
    let todo = &server.fake.store().open_activities("1")[0];
    assert_eq!((&todo["SUBJECT"], &todo["DEADLINE"]), (&json!("Next contact"), &json!("2026-12-01T01:30:00+03:00")));
}

#[test]
fn a_deal_has_a_contact_and_a_company() {
    let server = Server::start();
    let (config, phone) = (deals(&server), server.phone());
    let mut wish = lead("lead_a", "Заказ", &phone);
    wish.contact.company = Some("ООО «Ромашка»".to_owned());
    wish.next_contact_at = Some("2026-11-30T22:30:00Z".parse().expect("a time"));
    let made = server.upsert(&config, first(&wish)).expect("a deal");
    let (deal, contact) = (server.record("deal", id(&made)), server.record("contact", "1"));
    for (field, value) in [
        ("CONTACT_ID", "1"),
        ("COMPANY_ID", "1"),
        ("CATEGORY_ID", "2"),
        ("STAGE_ID", "C2:NEW"),
        ("SOURCE_ID", "WEBFORM"),
        ("ORIGIN_ID", "lead_a"),
    ] {
        assert_eq!(deal[field], value, "{field}");
    }
    assert_eq!((&contact["NAME"], &contact["ORIGIN_ID"], values(&contact, "PHONE")), (&json!("Иван Петров"), &json!("con_a"), vec![phone]));
    assert_eq!(server.fake.store().open_activities("1").len(), 1);

    // The same person's second wish is another deal of the same contact and company, once the first is closed.
    wish.stage = Stage::Client;
    let won = server.upsert(&config, again(&wish, &made)).expect("won");
    assert_eq!(server.record("deal", id(&won))["STAGE_ID"], "C2:WON");
    let mut second = lead("lead_b", "Ещё", "+79120000001");
    second.contact.company = wish.contact.company.clone();
    second.contact.identities.push(Identity::email("ivan@example.com"));
    let other = server.upsert(&config, first(&second)).expect("a deal");
    assert_ne!(id(&other), id(&made));
    assert_eq!((server.count("contact"), server.count("company"), server.count("deal")), (1, 1, 2));
    second.contact.identities.push(Identity::email("petrov@example.com"));
    server.upsert(&config, again(&second, &other)).expect("the deal");
    assert!(values(&server.record("contact", "1"), "EMAIL").contains(&"petrov@example.com".to_owned()), "the contact learns what is new");
}

#[test]
fn a_lost_answer_does_not_double_anything() {
    for deal in [false, true] {
        for (number, new_record) in [NewRecord::UnlessKnown, NewRecord::UnlessOpen, NewRecord::Always].into_iter().enumerate() {
            let server = Server::start();
            let config = if deal { deals(&server) } else { server.config() };
            let table = config.kind.name();
            let mut lead = lead(&format!("lead_{number}"), "lost", &server.phone());
            lead.next_contact_at = Some("2026-11-30T22:30:00Z".parse().expect("a time"));
            let upsert = LeadUpsert { new_record, ..first(&lead) };
            server.fake.misbehave(&format!("crm.{table}.add"), Misbehave::LoseAnswer);
            let failure = server.upsert(&config, upsert.clone()).expect_err("the answer is lost");
            assert_eq!((failure.retry, server.count(table)), (Retry::Later, 1), "but the work was done");
            let receipt = server.upsert(&config, LeadUpsert { retried: true, ..upsert }).expect("the record");
            assert_eq!(
                (server.count(table), server.count("contact"), server.count("activity")),
                (1, usize::from(deal), 1),
                "{new_record:?}"
            );
            assert_eq!((id(&receipt), &receipt.details["result"]), ("1", &json!("found")));
        }
    }
}

#[test]
fn an_open_record_of_the_person_is_joined_however_the_phone_was_typed() {
    for typed in ["8 (912) 000-00-01", "+7 912 000 00 01", "9120000001"] {
        let server = Server::start();
        let config = server.config();
        let by_hand = json!({ "fields": { "TITLE": "by hand", "NAME": "Ваня", "LAST_NAME": "П.", "PHONE": [{ "VALUE": typed, "VALUE_TYPE": "WORK" }] } });
        let by_hand = server.fake.by_hand("crm.lead.add", &by_hand).to_string();
        let mut lead = lead("lead_a", "from the hub", &server.phone());
        lead.contact.city = Some("Тверь".to_owned());
        let receipt = server.upsert(&config, first(&lead)).expect("the record");
        assert_eq!((id(&receipt), &receipt.details["result"]), (by_hand.as_str(), &json!("found")), "{typed}");
        let record = server.record("lead", &by_hand);
        assert_eq!((&record["TITLE"], &record["NAME"], values(&record, "PHONE").len()), (&json!("by hand"), &json!("Ваня"), 1));
        assert_eq!((&record["ADDRESS_CITY"], &record["ORIGIN_ID"]), (&json!("Тверь"), &json!("lead_a")), "what was empty is filled");
        let always =
            server.upsert(&config, LeadUpsert { new_record: NewRecord::Always, ..first(&common::lead("lead_b", "x", "+79120000001")) });
        assert_ne!(id(&always.expect("a record")), by_hand);
    }
}

#[test]
fn a_lead_of_a_known_contact_is_joined_and_a_new_one_belongs_to_it() {
    let server = Server::start();
    let contact = json!({ "fields": { "NAME": "Клиент", "PHONE": [{ "VALUE": "+79120000001", "VALUE_TYPE": "WORK" }] } });
    let contact = server.fake.by_hand("crm.contact.add", &contact).to_string();
    let made = server.upsert(&server.config(), first(&lead("lead_a", "new", &server.phone()))).expect("a record");
    assert_eq!((&made.details["result"], &server.record("lead", id(&made))["CONTACT_ID"]), (&json!("created"), &json!(contact)));
    let by_hand = server.fake.by_hand("crm.lead.add", &json!({ "fields": { "TITLE": "repeated", "CONTACT_ID": contact } })).to_string();
    let joined = server.upsert(&server.config(), first(&lead("lead_b", "second", "+79120000001"))).expect("a record");
    assert_eq!(id(&joined), by_hand, "it has no phone of its own");
}

#[test]
fn a_closed_record_is_joined_only_where_nobody_known_gets_a_new_one() {
    let server = Server::start();
    let fields = json!({ "TITLE": "old", "STATUS_ID": "JUNK", "PHONE": [{ "VALUE": "+79120000001", "VALUE_TYPE": "WORK" }] });
    let old = server.fake.by_hand("crm.lead.add", &json!({ "fields": fields })).to_string();
    let known = LeadUpsert { new_record: NewRecord::UnlessKnown, ..first(&lead("lead_k", "known", "+79120000001")) };
    let joined = server.upsert(&server.config(), known).expect("a record");
    assert_eq!((id(&joined), &server.record("lead", &old)["STATUS_ID"]), (old.as_str(), &json!("JUNK")), "it stays closed");
    let made = server.upsert(&server.config(), first(&lead("lead_n", "new", "+79120000001"))).expect("a record");
    assert_eq!(made.details["result"], "created");
}

#[test]
fn what_people_changed_in_bitrix24_stays() {
    let server = Server::start();
    let config = server.config();
    let mut lead = lead("lead_a", "first title", &server.phone());
    let made = server.upsert(&config, first(&lead)).expect("a record");
    let fields = json!({ "TITLE": "better title", "NAME": "Иван", "LAST_NAME": "Петрович", "ASSIGNED_BY_ID": "7" });
    server.fake.by_hand("crm.lead.update", &json!({ "id": id(&made), "fields": fields }));
    lead.contact.city = Some("Омск".to_owned());
    lead.contact.identities.push(Identity::phone("+79120000099"));
    let receipt = server.upsert(&config, again(&lead, &made)).expect("the record");
    let record = server.record("lead", id(&made));
    assert_eq!((&record["TITLE"], &record["NAME"], &record["ASSIGNED_BY_ID"]), (&json!("better title"), &json!("Иван"), &json!("7")));
    assert_eq!((&record["ADDRESS_CITY"], values(&record, "PHONE").len()), (&json!("Омск"), 2), "what the hub learnt is written");
    lead.title = "newer title".to_owned();
    let receipt = server.upsert(&config, again(&lead, &receipt)).expect("the record");
    assert_eq!(server.record("lead", id(&made))["TITLE"], "newer title", "what the hub changed since is written");

    server.asked.borrow_mut().clear();
    let receipt = server.upsert(&config, again(&lead, &receipt)).expect("the record");
    assert_eq!((&receipt.details["changed"], server.asked.borrow().len()), (&json!(false), 1), "nothing new costs one request");
}

#[test]
fn a_field_that_is_settled_is_written_over_and_what_stood_there_is_told() {
    let server = Server::start();
    let config = server.config();
    let mut lead = lead("lead_a", "ours", &server.phone());
    let made = server.upsert(&config, first(&lead)).expect("a record");
    assert!(!made.details.contains_key("before"), "nothing stood there");
    let fields = json!({ "TITLE": "theirs", "ADDRESS_CITY": "Омск", "STATUS_ID": "JUNK", "ASSIGNED_BY_ID": "7" });
    server.fake.by_hand("crm.lead.update", &json!({ "id": id(&made), "fields": fields }));
    let left = server.upsert(&config, again(&lead, &made)).expect("the record");
    assert_eq!(server.record("lead", id(&made))["TITLE"], "theirs", "the hub has nothing new");
    let before: Before = serde_json::from_value(left.details["before"].clone()).expect("what stood there");
    assert_eq!((before.fields.title.as_deref(), before.written), (Some("theirs"), Some(vec![])));
    let whose = before.fields.responsible.expect("the hub knows nobody who answers for it");
    assert_eq!((whose.id.as_deref(), whose.name.as_str()), (Some("7"), "Анна Ли"));
    assert!(matches!(before.fields.stage, Some(Stage::Refused { .. })), "{:?}", before.fields.stage);

    lead.contact.city = Some("Тверь".to_owned());
    lead.responsible = Some(Responsible { id: None, name: "Пётр Ушедший".to_owned() });
    let settled = vec!["title".to_owned(), "stage".to_owned()];
    let written = server.upsert(&config, LeadUpsert { settled, ..again(&lead, &left) }).expect("the record");
    let record = server.record("lead", id(&made));
    assert_eq!((&record["TITLE"], &record["STATUS_ID"]), (&json!("ours"), &json!("NEW")), "both were settled");
    let before: Before = serde_json::from_value(written.details["before"].clone()).expect("what stood there");
    assert_eq!(before.written, Some(vec!["stage".to_owned(), "title".to_owned()]), "Bitrix24 has nobody of that name");
    let whose = before.fields.responsible.expect("the hub may name somebody else");
    assert_eq!((whose.id.as_deref(), whose.name.as_str()), (Some("7"), "Анна Ли"));
}

#[test]
fn stages_follow_the_hub() {
    let server = Server::start();
    let mut config = server.config();
    let mut lead = lead("lead_a", "stages", &server.phone());
    let mut receipt = server.upsert(&config, first(&lead)).expect("a record");
    let number = id(&receipt).to_owned();
    let refused = |reason: &str| Stage::Refused { reason: Some(reason.to_owned()), return_at: None };
    for (stage, code) in
        [(refused("слишком дорого"), "UC_DEAR"), (Stage::Lead, "NEW"), (refused("other"), "JUNK"), (Stage::Client, "CONVERTED")]
    {
        lead.stage = stage.clone();
        receipt = server.upsert(&config, again(&lead, &receipt)).expect("moved");
        assert_eq!(server.record("lead", &number)["STATUS_ID"], code, "{stage:?}");
    }
    server.fake.by_hand("crm.lead.update", &json!({ "id": number, "fields": { "STATUS_ID": "IN_PROCESS" } }));
    receipt = server.upsert(&config, again(&lead, &receipt)).expect("kept");
    assert_eq!(server.record("lead", &number)["STATUS_ID"], "IN_PROCESS", "somebody took it back: the hub changed nothing since");
    config.stage_lead = "Квалифицирован".to_owned();
    lead.stage = Stage::Lead;
    server.upsert(&config, again(&lead, &receipt)).expect("moved");
    assert_eq!(server.record("lead", &number)["STATUS_ID"], "UC_QUAL");

    config.stage_lead = "No such stage".to_owned();
    let failure = server.upsert(&config, first(&common::lead("lead_b", "x", "+79120000077"))).expect_err("no such stage");
    assert_eq!((failure.code.as_str(), failure.retry, server.count("lead")), ("bitrix24.stage", Retry::Never, 1), "{}", failure.message);
    assert!(failure.message.contains("Квалифицирован"), "it says which there are: {}", failure.message);
}

#[test]
fn the_responsible_person_is_found_by_name_email_number_or_mapping() {
    let server = Server::start();
    let mut config = server.config();
    config.users.insert("Аня".to_owned(), "anna@company.example".to_owned());
    config.users.insert("Седьмая".to_owned(), "7".to_owned());
    let whose = |config: &Config, number: usize, name: &str| {
        let mut lead = lead(&format!("lead_{number}"), "whose", &server.phone());
        lead.responsible = Some(Responsible { id: None, name: name.to_owned() });
        let receipt = server.upsert(config, first(&lead)).expect("a record");
        server.record("lead", id(&receipt))["ASSIGNED_BY_ID"].clone()
    };
    let cases = [("анна ли", "7"), ("Ли Анна", "7"), ("Аня", "7"), ("Седьмая", "7"), ("Nobody", "1"), ("Пётр Ушедший", "1")];
    for (number, (name, user)) in cases.into_iter().enumerate() {
        assert_eq!(whose(&config, number, name), user, "{name}");
    }
    config.default_user = "Анна Ли".to_owned();
    assert_eq!(whose(&config, 90, "Nobody"), "7");
    server.fake.store().scopes = vec!["crm"];
    assert_eq!(whose(&config, 91, "Анна Ли"), "1", "a webhook that may not read people still writes leads");
}

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

fn last_of(events: &[Event], record: &str) -> RecordFields {
    let of = |it: &&Event| matches!(&it.body, EventBody::Record(it) if it.external_id == record);
    match events.iter().rfind(of).map(|it| it.body.clone()) {
        Some(EventBody::Record(it)) => it.fields,
        other => panic!("no event of {record}: {other:?}"),
    }
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

#[test]
fn a_deleted_record_comes_back_or_stops() {
    let server = Server::start();
    let mut config = server.config();
    let lead = lead("lead_a", "deleted", &server.phone());
    let made = server.upsert(&config, first(&lead)).expect("a record");
    server.fake.by_hand("crm.lead.add", &json!({ "fields": { "TITLE": "another" } }));
    server.fake.by_hand("crm.lead.delete", &json!({ "id": id(&made) }));
    config.deleted = Deleted::Stop;
    let failure = server.upsert(&config, again(&lead, &made)).expect_err("stopped");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.deleted", Retry::Never));
    config.deleted = Deleted::Recreate;
    let receipt = server.upsert(&config, again(&lead, &made)).expect("a record");
    assert_eq!(receipt.details["result"], "created");
    assert_ne!(id(&receipt), id(&made));
}

#[test]
fn a_lead_of_before_is_not_taken_for_a_deal() {
    let server = Server::start();
    let lead = lead("lead_a", "both", &server.phone());
    let made = server.upsert(&server.config(), first(&lead)).expect("a lead");
    server.fake.by_hand("crm.deal.add", &json!({ "fields": { "TITLE": "of somebody else" } }));
    let deal = server.upsert(&deals(&server), again(&lead, &made)).expect("a deal");
    assert_eq!((id(&made), id(&deal)), ("1", "2"), "deal 1 has the number of lead 1 and is another record");
    assert_eq!(server.record("deal", "1")["TITLE"], "of somebody else");
}

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

#[test]
fn a_bitrix24_in_trouble_is_asked_again_and_gets_no_doubles() {
    let server = Server::start();
    let config = server.config();
    let lead = lead("lead_a", "trouble", &server.phone());
    for (how, retry) in [
        (Misbehave::Status(429), Retry::AfterMs(1_000)),
        (Misbehave::Status(502), Retry::AfterMs(1_000)),
        (Misbehave::Exception("INTERNAL_SERVER_ERROR".to_owned()), Retry::Later),
        (Misbehave::Break, Retry::Later),
        (Misbehave::LoseAnswer, Retry::Later),
    ] {
        server.fake.misbehave("crm.lead.add", how.clone());
        let failure = server.upsert(&config, first(&lead)).expect_err("it misbehaves");
        assert_eq!(failure.retry, retry, "{how:?}: {}", failure.message);
    }
    server.upsert(&config, LeadUpsert { retried: true, ..first(&lead) }).expect("the record");
    assert_eq!(server.count("lead"), 1);
    server.fake.store().exhaust(Some("crm.duplicate.findbycomm"));
    let failure = server.upsert(&config, first(&common::lead("lead_b", "x", "+79120000099"))).expect_err("no time left");
    assert_eq!(
        (failure.code.as_str(), failure.retry),
        ("bitrix24.operating", Retry::AfterMs(60_000)),
        "no record is made without having looked"
    );
    assert_eq!(server.count("lead"), 1);
    *server.code.borrow_mut() = "wrong".to_owned();
    let failure = server.upsert(&config, first(&lead)).expect_err("refused");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.credential", Retry::Reauthorise));
}

#[test]
fn who_asks_too_often_is_told_to_wait() {
    let server = Server::start();
    let refused = (0..60).find_map(|_| server.with(|client| client.call("scope", &patchbay_sdk::json::Object::default())).err());
    let failure = refused.expect("fifty are the most");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.limit", Retry::AfterMs(2_000)));
    assert!(server.fake.counts().requests >= 51 && server.fake.counts().limited == 1);
}

#[test]
fn the_check_says_who_and_what() {
    let server = Server::start();
    let check = |config: &Config| server.with(|client| bitrix24::check::check(client, config));
    let report = check(&server.config()).expect("it works");
    assert_eq!(
        (&report["user"], &report["rights"], &report["record"]),
        (&json!("Иван Хозяинов"), &json!("crm, user_brief"), &json!("lead"))
    );
    assert!(report["stages"].to_string().contains("Квалифицирован"));
    let with = |change: fn(&mut Config)| {
        let mut config = server.config();
        change(&mut config);
        check(&config).expect_err("it does not work").code
    };
    assert_eq!(with(|it| it.stage_lead = "nowhere".to_owned()), "bitrix24.stage");
    assert_eq!(with(|it| it.default_user = "Nobody At All".to_owned()), "bitrix24.user");
    assert_eq!(with(|it| drop(it.sources.insert("form".to_owned(), "nowhere".to_owned()))), "bitrix24.source");
    assert_eq!(with(|it| (it.kind, it.pipeline) = (Kind::Deal, "9".to_owned())), "bitrix24.pipeline");
    server.fake.store().mode = 2;
    assert_eq!(with(|_| {}), "bitrix24.mode");
    server.fake.store().scopes = vec!["tasks"];
    let failure = check(&server.config()).expect_err("no right");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.scope", Retry::Reauthorise));
}
