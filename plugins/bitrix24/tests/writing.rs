//! A lead becomes a record of the fake Bitrix24, with all that is known, once.

use bitrix24::config::Config;
use patchbay_schemas::command::{Before, LeadUpsert, NewRecord};
use patchbay_schemas::lead::Responsible;
use patchbay_schemas::{Identity, Stage};
use patchbay_sdk::Retry;
use patchbay_tests::fake::bitrix24::Misbehave;
use serde_json::json;

use crate::common::{Server, again, deals, first, id, lead, values};

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
        let always = server
            .upsert(&config, LeadUpsert { new_record: NewRecord::Always, ..first(&crate::common::lead("lead_b", "x", "+79120000001")) });
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
    let failure = server.upsert(&config, first(&crate::common::lead("lead_b", "x", "+79120000077"))).expect_err("no such stage");
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
