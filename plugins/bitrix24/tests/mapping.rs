//! A connection's field mapping, and what is planned, against the fake Bitrix24.

use bitrix24::client::{Ask, Client};
use bitrix24::config::{Config, Kind};
use patchbay_schemas::command::{FieldKind, FieldList, LeadUpsert};
use patchbay_schemas::lead::Responsible;
use patchbay_schemas::{Extra, Lead, Stage};
use patchbay_sdk::Retry;
use patchbay_sdk::http::Answer;
use patchbay_tests::fake::bitrix24::Misbehave;
use serde_json::{Value, json};

use crate::common::{Server, again, first, id, lead};

/// Without a pipeline of the connection's own.
fn deals(server: &Server) -> Config {
    Config { kind: Kind::Deal, ..server.config() }
}

fn fields(config: &Config, server: &Server) -> FieldList {
    let receipt = server.with(|client| bitrix24::fields::list(client, config)).expect("fields");
    serde_json::from_value(Value::Object(receipt.details)).expect("of the shape that receipt.json has")
}

/// An upsert with mapped fields.
fn mapping(upsert: LeadUpsert, fields: &Value) -> LeadUpsert {
    LeadUpsert { fields: fields.as_object().cloned().expect("an object"), ..upsert }
}

fn plan(server: &Server, config: &Config, upsert: &LeadUpsert) -> (Option<String>, Value) {
    let receipt = server.with(|client| bitrix24::plan::plan(client, config, upsert)).expect("a plan");
    (receipt.remote_id, receipt.details["plan"].clone())
}

/// What the plan says of a field: from and to.
fn change(plan: &Value, field: &str) -> Option<(Value, Value)> {
    let change = plan["changes"].as_array().expect("changes").iter().find(|it| it["field"] == field)?;
    Some((change["from"].clone(), change["to"].clone()))
}

fn everything() -> Value {
    json!({
        "UF_CRM_NOTE": "по звонку", "UF_CRM_ROOF": "плоская", "UF_CRM_COLOURS": ["Синий", 91], "UF_CRM_MEASURE": "2026-03-14T22:30:00Z",
        "UF_CRM_VISIT": "2026-03-14T09:26:53Z", "UF_CRM_VIP": true, "UF_CRM_BUDGET": 250_000.0, "UF_CRM_AREA": "120.50", "UF_CRM_FLOORS": 2,
        "UF_CRM_LINKS": ["https://a.example", "https://b.example"], "UF_CRM_SURVEYOR": "Анна Ли", "UF_CRM_INDUSTRY": "другое",
        "OPPORTUNITY": 250_000, "CURRENCY_ID": "usd", "OPENED": false, "WEB": "https://shop.example", "HONORIFIC": "г-жа", "POST": null,
        "BIRTHDATE": "1980-05-01",
    })
}

#[test]
fn fields_are_listed_with_what_they_take_and_what_there_is_to_choose() {
    let server = Server::start();
    let list = fields(&server.config(), &server);
    assert_eq!(server.asked.borrow().len(), 1, "all of it is one request");
    let field = |name: &str| list.fields.iter().find(|it| it.name == name);
    for (name, kind, label) in [
        ("UF_CRM_NOTE", FieldKind::Text, "Примечание"),
        ("UF_CRM_ROOF", FieldKind::Choice, "Кровля"),
        ("UF_CRM_COLOURS", FieldKind::List, "Цвета"),
        ("UF_CRM_MEASURE", FieldKind::Date, "День замера"),
        ("UF_CRM_VISIT", FieldKind::Datetime, "Визит"),
        ("UF_CRM_VIP", FieldKind::Boolean, "Важный"),
        ("UF_CRM_BUDGET", FieldKind::Text, "Бюджет"),
        ("UF_CRM_FLOORS", FieldKind::Integer, "Этажей"),
        ("OPPORTUNITY", FieldKind::Number, "Сумма"),
        ("OPENED", FieldKind::Boolean, "Доступен для всех"),
        ("ASSIGNED_BY_ID", FieldKind::Link, "Ответственный"),
        ("WEB", FieldKind::List, "Сайт"),
    ] {
        let field = field(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!((field.kind, field.label.as_str()), (kind, label), "{name}");
    }
    for name in ["ID", "DATE_CREATE", "CONTACT_ID", "ORIGIN_ID", "PHONE", "UF_CRM_PLAN", "UF_CRM_PARTNER"] {
        assert!(field(name).is_none(), "{name} is not for a mapping");
    }
    let options = |name: &str| -> Vec<(String, String)> {
        field(name).expect(name).options.iter().map(|it| (it.value.clone(), it.label.clone())).collect()
    };
    let pair = |value: &str, label: &str| (value.to_owned(), label.to_owned());
    assert_eq!(options("UF_CRM_ROOF"), [pair("79", "Скатная"), pair("80", "Плоская")]);
    assert_eq!(options("UF_CRM_INDUSTRY")[0], pair("IT", "Информационные технологии"));
    assert_eq!(options("CURRENCY_ID")[0], pair("RUB", "Российский рубль"));
    assert_eq!(options("ASSIGNED_BY_ID"), [pair("1", "Иван Хозяинов"), pair("7", "Анна Ли")], "who has left is not offered");
    assert!(options("STATUS_ID").contains(&pair("UC_QUAL", "Квалифицирован")) && options("SOURCE_ID").contains(&pair("CALL", "Звонок")));

    let wholesale = Config { pipeline: "2".to_owned(), ..deals(&server) };
    let list = fields(&wholesale, &server);
    let options = |name: &str| list.fields.iter().find(|it| it.name == name).expect(name).options.clone();
    assert_eq!(options("CATEGORY_ID").iter().map(|it| it.label.as_str()).collect::<Vec<_>>(), ["Опт", "Общая"]);
    assert_eq!(options("STAGE_ID")[0].value, "C2:NEW", "the stages of this connection's pipeline");
    let contact = list.fields.iter().find(|it| it.name == "contact:UF_CRM_ROOF").expect("the contact's fields too");
    assert_eq!((contact.label.as_str(), contact.options.len()), ("Contact: Кровля", 2));
    assert!(list.fields.iter().all(|it| it.name != "contact:CATEGORY_ID"), "contacts have no pipelines");
}

#[test]
fn a_hook_that_may_not_read_people_still_lists_the_fields() {
    let server = Server::start();
    server.fake.store().scopes = vec!["crm"];
    let list = fields(&server.config(), &server);
    let responsible = list.fields.iter().find(|it| it.name == "ASSIGNED_BY_ID").expect("the field");
    assert_eq!(responsible.options, []);
}

#[test]
fn mapped_values_are_written_as_bitrix24_stores_them() {
    let server = Server::start();
    let config = server.config();
    let receipt = server.upsert(&config, mapping(first(&lead("lead_a", "wish", &server.phone())), &everything())).expect("a record");
    assert!(!receipt.details.contains_key("left_out"), "{:?}", receipt.details);
    assert_eq!(server.asked.borrow().len(), 3, "one request more, for what the values name");
    let record = server.record("lead", id(&receipt));
    for (field, value) in [
        ("UF_CRM_NOTE", json!("по звонку")),
        ("UF_CRM_ROOF", json!("80")),
        ("UF_CRM_COLOURS", json!(["92", "91"])),
        ("UF_CRM_MEASURE", json!("2026-03-15T03:00:00+03:00")),
        ("UF_CRM_VISIT", json!("2026-03-14T12:26:53+03:00")),
        ("UF_CRM_VIP", json!(true)),
        ("UF_CRM_BUDGET", json!("250000|RUB")),
        ("UF_CRM_AREA", json!("120.50")),
        ("UF_CRM_FLOORS", json!("2")),
        ("UF_CRM_LINKS", json!(["https://a.example", "https://b.example"])),
        ("UF_CRM_SURVEYOR", json!("7")),
        ("UF_CRM_INDUSTRY", json!("OTHER")),
        ("OPPORTUNITY", json!("250000.00")),
        ("CURRENCY_ID", json!("USD")),
        ("OPENED", json!("N")),
        ("HONORIFIC", json!("HNR_RU_2")),
        ("BIRTHDATE", json!("1980-05-01T03:00:00+03:00")),
    ] {
        assert_eq!(record[field], value, "{field}");
    }
    assert_eq!((&record["WEB"][0]["VALUE"], &record["WEB"][0]["VALUE_TYPE"]), (&json!("https://shop.example"), &json!("WORK")));
    assert_eq!(record.get("POST"), None, "null leaves the field alone");

    server.asked.borrow_mut().clear();
    let known = mapping(again(&lead("lead_a", "wish", "+79120000001"), &receipt), &everything());
    let again = server.upsert(&config, known.clone()).expect("the record");
    assert_eq!((&again.details["changed"], server.asked.borrow().len()), (&json!(false), 1), "nothing new costs one request");
    let forgotten = LeadUpsert { known: Extra::new(), ..known };
    let compared = server.upsert(&config, forgotten).expect("the record");
    assert_eq!(compared.details["changed"], json!(false), "what comes back in another notation is the same");
}

#[test]
fn a_mapped_field_goes_before_the_connectors_own_and_keeps_to_the_same_rules() {
    let server = Server::start();
    let mut config = server.config();
    config.users.insert("Аня".to_owned(), "anna@company.example".to_owned());
    let mut wish = lead("lead_a", "of the hub", &server.phone());
    wish.responsible = Some(Responsible { id: None, name: "Иван Хозяинов".to_owned() });
    let fields = |title: &str, roof: &str| json!({ "TITLE": title, "STATUS_ID": "Квалифицирован", "ASSIGNED_BY_ID": "Аня", "SOURCE_ID": "Звонок", "COMMENTS": "short", "UF_CRM_ROOF": roof, "UF_CRM_COLOURS": ["Красный"] });
    let made = server.upsert(&config, mapping(first(&wish), &fields("mapped", "79"))).expect("a record");
    let record = || server.record("lead", id(&made));
    for (field, value) in
        [("TITLE", "mapped"), ("STATUS_ID", "UC_QUAL"), ("ASSIGNED_BY_ID", "7"), ("SOURCE_ID", "CALL"), ("COMMENTS", "short")]
    {
        assert_eq!(record()[field], value, "{field}");
    }
    let theirs = json!({ "TITLE": "of people", "UF_CRM_ROOF": "80", "UF_CRM_COLOURS": ["93"], "ASSIGNED_BY_ID": "1" });
    server.fake.by_hand("crm.lead.update", &json!({ "id": id(&made), "fields": theirs }));
    wish.stage = Stage::Client;
    let kept = server.upsert(&config, mapping(again(&wish, &made), &fields("mapped", "79"))).expect("the record");
    assert_eq!((&record()["TITLE"], &record()["UF_CRM_ROOF"]), (&json!("of people"), &json!("80")), "the hub has nothing new");
    assert_eq!((&record()["STATUS_ID"], &record()["ASSIGNED_BY_ID"]), (&json!("UC_QUAL"), &json!("1")), "the mapping says where it stands");
    let mut changed = fields("mapped anew", "Скатная");
    changed["UF_CRM_COLOURS"] = json!(["Синий"]);
    let settled = vec!["responsible".to_owned()];
    let upsert = LeadUpsert { settled, ..mapping(again(&wish, &kept), &changed) };
    let written = server.upsert(&config, upsert).expect("the record");
    assert_eq!((&record()["TITLE"], &record()["UF_CRM_ROOF"]), (&json!("mapped anew"), &json!("79")), "the mapped value changed since");
    assert_eq!(record()["UF_CRM_COLOURS"], json!(["93", "92"]), "what several stand in is added to");
    assert_eq!(record()["ASSIGNED_BY_ID"], "7", "people were overruled");
    assert_eq!(written.details["before"]["written"], json!(["responsible", "title"]));
}

#[test]
fn what_has_no_place_in_its_field_is_left_out_and_the_lead_is_written() {
    let server = Server::start();
    for (field, value, why) in [
        ("UF_CRM_ROOF", json!("Круглая"), "none of its choices"),
        ("UF_CRM_MEASURE", json!("завтра"), "no day"),
        ("UF_CRM_VISIT", json!("2026-03-14"), "no moment"),
        ("UF_CRM_VIP", json!("может быть"), "neither true nor false"),
        ("UF_CRM_BUDGET", json!("много"), "no amount"),
        ("UF_CRM_FLOORS", json!(1.5), "no whole number"),
        ("UF_CRM_FLOORS", json!([1, 2]), "a single value"),
        ("UF_CRM_SURVEYOR", json!("Никто Такой"), "nobody who works there"),
        ("STATUS_ID", json!("Нигде"), "none of its choices"),
        ("UF_CRM_PARTNER", json!("C_1"), "cannot be mapped"),
        ("UF_CRM_GONE", json!("x"), "no such field"),
        ("PHONE", json!("+79120000009"), "no such field"),
        ("DATE_CREATE", json!("2026-03-14T09:26:53Z"), "cannot be mapped"),
    ] {
        let phone = server.phone();
        let upsert = mapping(first(&lead(&format!("lead_{}", &phone[1..]), "wish", &phone)), &json!({ field: value }));
        let receipt = server.upsert(&server.config(), upsert).expect("a record");
        let left_out = receipt.details["left_out"][0].as_str().expect("a reason");
        assert!(left_out.starts_with(field) && left_out.contains(why), "{left_out}");
        assert_eq!(server.record("lead", id(&receipt))["TITLE"], "wish");
    }
}

#[test]
fn a_value_is_not_left_out_because_something_broke_just_now() {
    let server = Server::start();
    let upsert = mapping(first(&lead("lead_a", "wish", &server.phone())), &json!({ "UF_CRM_INDUSTRY": "IT", "UF_CRM_BUDGET": 300 }));
    let broken = |ask: Ask| {
        let about_currency = String::from_utf8_lossy(&ask.body).contains("crm.currency.base.get");
        if !about_currency {
            return server.send(&ask);
        }
        let error = json!({ "error": "INTERNAL_SERVER_ERROR", "error_description": "Internal server error" });
        let body = json!({ "result": { "result": { "lists": [] }, "result_error": { "currency": error } } });
        Ok(Answer { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() })
    };
    let failure = bitrix24::upsert::upsert(Client::new(&broken), &server.config(), &upsert).expect_err("it is asked again");
    assert_eq!((failure.retry, server.count("lead")), (Retry::Later, 0));
    let receipt = server.upsert(&server.config(), upsert).expect("a record");
    assert_eq!(server.record("lead", id(&receipt))["UF_CRM_BUDGET"], "300|RUB");
}

#[test]
fn a_deal_goes_into_the_mapped_pipeline_and_its_contact_has_mapped_fields() {
    let server = Server::start();
    let config = deals(&server);
    let fields = |note: &str| json!({ "CATEGORY_ID": "опт", "UF_CRM_ROOF": "Плоская", "contact:UF_CRM_NOTE": note, "contact:POST": "директор", "contact:NAME": "Пётр" });
    let mut wish = lead("lead_a", "wish", &server.phone());
    let made = server.upsert(&config, mapping(first(&wish), &fields("новый"))).expect("a deal");
    let (deal, contact) = (server.record("deal", id(&made)), server.record("contact", "1"));
    assert_eq!((&deal["CATEGORY_ID"], &deal["STAGE_ID"], &deal["UF_CRM_ROOF"]), (&json!("2"), &json!("C2:NEW"), &json!("80")));
    assert_eq!((&contact["NAME"], &contact["UF_CRM_NOTE"], &contact["POST"]), (&json!("Пётр"), &json!("новый"), &json!("директор")));
    assert_eq!(contact.get("UF_CRM_ROOF"), None);

    server.fake.by_hand("crm.contact.update", &json!({ "id": "1", "fields": { "POST": "владелец" } }));
    let changed = server.upsert(&config, mapping(again(&wish, &made), &fields("постоянный"))).expect("the deal");
    let contact = server.record("contact", "1");
    assert_eq!((&contact["UF_CRM_NOTE"], &contact["POST"]), (&json!("постоянный"), &json!("владелец")));

    // The mapping sends new deals elsewhere by now: this one stays, and is won in its own pipeline.
    wish.stage = Stage::Client;
    let elsewhere = mapping(again(&wish, &changed), &json!({ "CATEGORY_ID": 0 }));
    server.upsert(&config, elsewhere).expect("the deal");
    assert_eq!(server.record("deal", id(&made))["STAGE_ID"], "C2:WON");

    let other = lead("lead_b", "another", "+79120000001");
    let second =
        server.upsert(&config, mapping(first(&other), &json!({ "CATEGORY_ID": "Нет такой", "contact:UF_CRM_FLOORS": 3 }))).expect("a deal");
    let reason = second.details["left_out"][0].as_str().expect("a reason");
    assert!(reason.contains("no pipeline"), "{reason}");
    assert_eq!(server.record("deal", id(&second))["CATEGORY_ID"], "0");
    assert_eq!(server.record("contact", "1")["UF_CRM_FLOORS"], "3", "what was empty in a known contact is filled");
}

#[test]
fn mapped_leads_go_together_as_they_go_alone() {
    use patchbay_schemas::command::{Command, CommandBody};
    let (apart, server) = (Server::start(), Server::start());
    let commands: Vec<Command> = (0..8)
        .map(|number| {
            let upsert = mapping(first(&lead(&format!("lead_{number}"), "wish", &server.phone())), &everything());
            Command { idempotency_key: format!("key {number}"), body: CommandBody::LeadUpsert(Box::new(upsert)) }
        })
        .collect();
    let run = |server: &Server, commands: &[Command]| {
        let config = Config { base_url: "https://company.example".to_owned(), ..server.config() };
        bitrix24::together::execute_all(&|ask| server.send(&ask), &config, commands)
    };
    let together = run(&server, &commands);
    let one_by_one: Vec<_> = commands.iter().flat_map(|it| run(&apart, std::slice::from_ref(it))).collect();
    assert_eq!((server.asked.borrow().len(), apart.asked.borrow().len()), (3, 24));
    let roofs = |server: &Server| server.fake.store().all("lead").iter().map(|it| it["UF_CRM_ROOF"].clone()).collect::<Vec<_>>();
    assert_eq!(roofs(&server), vec![json!("80"); 8]);
    for (one, other) in together.iter().zip(&one_by_one) {
        assert_eq!(one.as_ref().expect("a record").details["wrote"], other.as_ref().expect("a record").details["wrote"]);
    }
}

#[test]
fn a_plan_says_what_would_be_written_and_writes_nothing() {
    let server = Server::start();
    for config in [server.config(), Config { pipeline: "2".to_owned(), ..deals(&server) }] {
        let phone = server.phone();
        let table = config.kind.name();
        let mut wish: Lead = lead(&format!("lead_{}", &phone[1..]), "planned", &phone);
        wish.contact.company = Some("ООО «Ромашка»".to_owned());
        wish.responsible = Some(Responsible { id: None, name: "Анна Ли".to_owned() });
        wish.next_contact_at = Some("2026-11-30T22:30:00Z".parse().expect("a time"));
        let fields = json!({ "UF_CRM_ROOF": "80", "UF_CRM_SURVEYOR": "Анна Ли", "OPPORTUNITY": 5 });
        let (before, deals) = (server.count(table), table == "deal");
        let (record, planned) = plan(&server, &config, &mapping(first(&wish), &fields));
        assert_eq!((record, &planned["result"], planned.get("url")), (None, &json!("create"), None));
        let of_person = |field: &str| if deals { format!("contact:{field}") } else { field.to_owned() };
        for (field, value) in [
            ("TITLE".to_owned(), "planned"),
            (of_person("NAME"), "Иван Петров"),
            (of_person("PHONE"), phone.as_str()),
            (if deals { "company:TITLE".to_owned() } else { "COMPANY_TITLE".to_owned() }, "ООО «Ромашка»"),
            ("ASSIGNED_BY_ID".to_owned(), "Анна Ли"),
            ("SOURCE_ID".to_owned(), "CRM-форма"),
            ("UF_CRM_ROOF".to_owned(), "Плоская"),
            ("UF_CRM_SURVEYOR".to_owned(), "Анна Ли"),
            ("OPPORTUNITY".to_owned(), "5"),
            ("todo".to_owned(), "Next contact 2026-11-30T22:30:00Z"),
        ] {
            assert_eq!(change(&planned, &field), Some((Value::Null, json!(value))), "{field}: {planned}");
        }
        for field in ["ORIGIN_ID", "CONTACT_ID", "COMPANY_ID"] {
            assert_eq!(change(&planned, field), None, "{field}");
        }
        assert_eq!((server.count(table), server.count("contact"), server.count("activity")), (before, 0, usize::from(deals)));

        let made = server.upsert(&config, mapping(first(&wish), &fields)).expect("a record");
        let known = again(&wish, &made);
        assert_eq!(plan(&server, &config, &mapping(known.clone(), &fields)).1["result"], "leave");
        wish.title = "renamed".to_owned();
        wish.stage = Stage::Client;
        wish.contact.identities.push(patchbay_schemas::Identity::phone("+79120000088"));
        let fields = json!({ "UF_CRM_ROOF": "Скатная", "UF_CRM_SURVEYOR": "Анна Ли", "OPPORTUNITY": 5 });
        let (record, planned) = plan(&server, &config, &mapping(again(&wish, &made), &fields));
        assert_eq!((record.as_deref(), &planned["result"]), (Some(id(&made)), &json!("update")));
        assert_eq!(planned["url"], config.link(id(&made).parse().expect("a number")));
        assert_eq!(change(&planned, "TITLE"), Some((json!("planned"), json!("renamed"))));
        assert_eq!(change(&planned, "UF_CRM_ROOF"), Some((json!("Плоская"), json!("Скатная"))));
        let stages = if deals {
            ("Знакомство", "Оплачена")
        } else {
            ("Не обработан", "Качественный лид")
        };
        assert_eq!(change(&planned, config.kind.stage_field()), Some((json!(stages.0), json!(stages.1))));
        assert_eq!(change(&planned, &of_person("PHONE")), Some((json!(phone), json!(format!("{phone}, +79120000088")))));
        assert_eq!(server.record(table, id(&made))["TITLE"], "planned", "nothing was written");
        if !deals {
            // The next round is about deals.
            for it in ["lead", "contact"] {
                assert_eq!(server.count(it), usize::from(it == "lead"));
            }
        }
    }
}

#[test]
fn a_plan_that_cannot_be_made_fails_as_the_write_would() {
    let server = Server::start();
    let wish = lead("lead_a", "wish", &server.phone());
    let nowhere = Config { stage_lead: "nowhere".to_owned(), ..server.config() };
    let upsert = first(&wish);
    let failure = server.with(|client| bitrix24::plan::plan(client, &nowhere, &upsert)).expect_err("there is no such stage");
    assert_eq!(failure.code, "bitrix24.stage");
    server.fake.misbehave("batch", Misbehave::Status(502));
    assert!(server.with(|client| bitrix24::plan::plan(client, &server.config(), &upsert)).is_err());
}
