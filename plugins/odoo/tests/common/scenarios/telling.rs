//! What an Odoo tells: changes, an import, who answers, and how it refuses.

use patchbay_schemas::event::RecordFields;
use patchbay_schemas::lead::Responsible;
use patchbay_schemas::manifest::IMPORT;
use patchbay_schemas::{Event, EventBody, Stage};
use patchbay_sdk::Retry;
use serde_json::{Value, json};

use super::super::{Server, first, id, lead};
use super::NOW;

fn of(events: &[Event], record: i64) -> Vec<&Event> {
    events.iter().filter(|it| matches!(&it.body, EventBody::Record(it) if it.external_id == record.to_string())).collect()
}

pub(super) fn last_of(events: &[Event], record: i64) -> RecordFields {
    match of(events, record).last().map(|it| it.body.clone()) {
        Some(EventBody::Record(it)) => it.fields,
        other => panic!("no event of {record}: {other:?}"),
    }
}

pub fn the_poll_tells_every_change_and_then_is_quiet(server: &Server) {
    let config = server.config();
    let start = server.poll(&config, None, 100, NOW);
    assert_eq!((start.events.len(), start.more), (0, false), "a connection begins now");
    let cursor = start.next_cursor.expect("a cursor");
    let phones: Vec<String> = (0..5).map(|_| server.phone()).collect();
    let vals: Vec<Value> = phones
        .iter()
        .map(|it| json!({ "name": "polled", "phone": it, "contact_name": "Пётр", "partner_name": "ИП", "email_from": "p@example.com" }))
        .collect();
    let ids = server.call("crm.lead", "create", json!({ "vals_list": vals }));
    let ids: Vec<i64> = ids.as_array().expect("ids").iter().filter_map(Value::as_i64).collect();
    server.call("crm.lead", "action_set_lost", json!({ "ids": [ids[1]], "lost_reason_id": 1 }));
    server.call("crm.lead", "action_set_won", json!({ "ids": [ids[2]] }));
    let (events, cursor) = server.round(&config, &cursor, 2, NOW);
    for record in &ids {
        assert_eq!(of(&events, *record).len(), 1, "each once, also on pages of two");
    }
    let fields = last_of(&events, ids[0]);
    assert_eq!((fields.title.as_deref(), &fields.stage), (Some("polled"), &Some(Stage::Lead)));
    assert_eq!(fields.responsible, Some(Responsible { id: Some("2".to_owned()), name: "Administrator".to_owned() }));
    let person = fields.person.expect("a person");
    assert_eq!(
        (person.name.display().as_deref(), person.company.as_deref(), person.identities[0].value.as_str()),
        (Some("Пётр"), Some("ИП"), phones[0].as_str())
    );
    let reason = Some("Too expensive".to_owned());
    assert_eq!(last_of(&events, ids[1]).stage, Some(Stage::Refused { reason, return_at: None }));
    assert_eq!(last_of(&events, ids[2]).stage, Some(Stage::Client));

    let (repeated, cursor) = server.round(&config, &cursor, 100, NOW);
    assert!(of(&repeated, ids[0]).iter().all(|it| events.iter().any(|old| old.id == it.id)), "what overlaps has the id that the hub saw");
    server.call("crm.lead", "write", json!({ "ids": [ids[0]], "vals": { "name": "renamed" } }));
    let (events, _) = server.round(&config, &cursor, 100, NOW);
    assert_eq!(last_of(&events, ids[0]).title.as_deref(), Some("renamed"));
}

/// What the records belong to, by record: of each the last word.
fn customers(events: &[Event]) -> std::collections::BTreeMap<String, Option<String>> {
    let record =
        |it: &Event| if let EventBody::Record(it) = &it.body { Some((it.external_id.clone(), it.person_ref.clone())) } else { None };
    events.iter().filter_map(record).collect()
}

pub fn a_record_tells_whose_it_is_and_a_merge_of_customers_is_noticed(server: &Server) {
    let config = server.config();
    let partners = json!([{ "name": "Вера" }, { "name": "Вера В." }, { "name": "A firm", "is_company": true }]);
    let partners = server.call("res.partner", "create", json!({ "vals_list": partners }));
    let partners: Vec<i64> = partners.as_array().expect("ids").iter().filter_map(Value::as_i64).collect();
    let cursor = server.poll(&config, None, 100, NOW).next_cursor.expect("a cursor");
    let leads: Vec<Value> = partners.iter().map(|it| json!({ "name": "whose", "partner_id": it })).collect();
    let leads = server.call("crm.lead", "create", json!({ "vals_list": leads }));
    let leads: Vec<String> = leads.as_array().expect("ids").iter().filter_map(Value::as_i64).map(|it| it.to_string()).collect();
    let (events, cursor) = server.round(&config, &cursor, 2, NOW);
    let told = customers(&events);
    assert_eq!(told[&leads[0]].as_deref(), Some(partners[0].to_string().as_str()));
    assert_eq!(told[&leads[2]], None, "a firm is no person");

    // Without a touch of the record.
    let before = server.call("crm.lead", "read", json!({ "ids": [leads[1].parse::<i64>().expect("a number")], "fields": ["write_date"] }));
    let wizard = json!({ "vals_list": [{ "partner_ids": [[6, 0, partners[..2]]], "dst_partner_id": partners[0], "state": "selection" }] });
    let wizard = server.call("base.partner.merge.automatic.wizard", "create", wizard)[0].clone();
    server.call("base.partner.merge.automatic.wizard", "action_merge", json!({ "ids": [wizard] }));
    let after = server.call("crm.lead", "read", json!({ "ids": [leads[1].parse::<i64>().expect("a number")], "fields": ["write_date"] }));
    assert_eq!(before, after);
    let (events, _) = server.round(&config, &cursor, 2, NOW);
    assert_eq!(customers(&events)[&leads[1]].as_deref(), Some(partners[0].to_string().as_str()));
}

pub fn an_import_tells_all_leads_and_customers_page_by_page(server: &Server) {
    let config = server.config();
    let begun = server.poll(&config, Some(IMPORT), 1, NOW);
    assert!(begun.more, "customers are still to be read");
    let cursor: Value = serde_json::from_str(&begun.next_cursor.expect("a cursor")).expect("an object");
    let (phone, other) = (server.phone(), server.phone());
    // One that no other run made: Odoo keeps them.
    let name = format!("lead_{}", &phone[1..]);
    let ours = server.upsert(&config, first(&lead(&name, "ours", &phone))).expect("a record");
    let theirs = json!({ "name": "theirs", "phone": other, "contact_name": "Пётр" });
    let theirs = server.call("crm.lead", "create", json!({ "vals_list": [theirs] }))[0].as_i64().expect("an id");
    server.call("crm.lead", "action_set_lost", json!({ "ids": [theirs] }));
    let partner = json!({ "name": "Вера", "phone": server.phone(), "email": "vera@example.com", "city": "Tver" });
    let firm = json!({ "name": "A firm", "phone": server.phone(), "is_company": true });
    let partners = server.call("res.partner", "create", json!({ "vals_list": [partner, firm] }));

    // From just before these on, so that it does not matter what else is there.
    let ours: i64 = id(&ours).parse().expect("a number");
    let (mut cursor, mut events) = (json!({ "import": "leads", "after": ours - 1, "of": cursor["of"] }).to_string(), Vec::new());
    loop {
        let page = server.poll(&config, Some(&cursor), 2, NOW);
        assert!(page.events.len() <= 2, "no page is longer than asked for");
        let next = page.next_cursor.expect("a cursor");
        assert!(!page.more || next != cursor, "it goes on");
        let value: Value = serde_json::from_str(&next).expect("an object");
        events.extend(page.events);
        if !page.more {
            break;
        }
        let before = partners[0].as_i64().expect("an id") - 1;
        cursor = if value["import"] == "customers" && value["after"].as_i64() < Some(before) {
            json!({ "import": "customers", "after": before, "of": 0 }).to_string()
        } else {
            next
        };
    }
    let record = |wanted: i64| {
        events.iter().find_map(|it| match &it.body {
            EventBody::Record(it) if it.external_id == wanted.to_string() => Some(it.clone()),
            _ => None,
        })
    };
    assert_eq!(record(ours).expect("it is told").lead.as_deref(), Some(name.as_str()));
    let theirs = record(theirs).expect("a lost one is told");
    assert_eq!((theirs.lead, theirs.fields.stage.map(|it| it.is_open())), (None, Some(false)));
    let people: Vec<_> = events.iter().filter_map(|it| if let EventBody::Person(it) = &it.body { Some(it) } else { None }).collect();
    let vera = people.iter().find(|it| it.name.display().as_deref() == Some("Вера")).expect("the customer is told");
    assert_eq!((vera.identities.len(), vera.city.as_deref()), (2, Some("Tver")));
    assert!(people.iter().all(|it| it.name.display().as_deref() != Some("A firm")), "a company is nobody");
}

pub fn a_quiet_odoo_is_not_read_again_for_ever(server: &Server) {
    let config = server.config();
    let cursor = server.poll(&config, None, 100, NOW).next_cursor.expect("a cursor");
    let made = server.call("crm.lead", "create", json!({ "vals_list": [{ "name": "quiet" }] }))[0].as_i64().expect("an id");
    let (first, cursor) = server.round(&config, &cursor, 100, NOW);
    let (overlap, cursor) = server.round(&config, &cursor, 100, "2026-11-22T12:01:00Z");
    let (settled, cursor) = server.round(&config, &cursor, 100, "2026-11-22T12:03:00Z");
    let (quiet, _) = server.round(&config, &cursor, 100, "2026-11-22T12:04:00Z");
    assert_eq!(
        [&first, &overlap, &settled, &quiet].map(|it| of(it, made).len()),
        [1, 1, 1, 0],
        "a transaction may be two minutes late, not more"
    );
}

pub fn the_check_says_who_and_what(server: &Server) {
    let answer = server.with(|client| odoo::check::check(client, &server.config())).expect("it works");
    assert_eq!((&answer["version"], &answer["login"], &answer["user"]), (&json!("19.0"), &json!("admin"), &json!("Administrator")));
    let mut config = server.config();
    config.default_user = String::from("nobody at all");
    assert_eq!(server.with(|client| odoo::check::check(client, &config)).expect_err("no such user").code, "odoo.user");
}

pub fn a_bad_key_and_a_bad_database_wait_for_a_person(server: &Server) {
    for (key, database, code) in [("wrong", server.database.as_str(), "odoo.key"), (server.key.as_str(), "nodb", "odoo.database")] {
        let other = Server::new(&server.url, database, key);
        let failure = other.upsert(&other.config(), first(&lead("lead_1", "x", "+79120000000"))).expect_err("refused");
        assert_eq!((failure.code.as_str(), failure.retry), (code, Retry::Reauthorise), "{}", failure.message);
    }
}

/// Status and error name of the odd requests: the fake answers as the real one does.
pub fn odd_requests_get_odd_answers(server: &Server) {
    let cases = [
        ("crm.lead/read", json!({ "ids": [99_999_999], "fields": ["name"] }), 200, ""),
        ("crm.lead/write", json!({ "ids": [99_999_999], "vals": { "name": "x" } }), 404, "odoo.exceptions.MissingError"),
        ("crm.lead/action_set_won", json!({ "ids": [99_999_999] }), 404, "odoo.exceptions.MissingError"),
        ("crm.lead/message_post", json!({ "ids": [99_999_999], "body": "x" }), 404, "odoo.exceptions.MissingError"),
        ("crm.lead/message_post", json!({ "ids": [], "body": "x" }), 500, "builtins.ValueError"),
        ("crm.lead/create", json!({ "vals_list": [{ "nope": 1 }] }), 500, "builtins.ValueError"),
        ("crm.lead/search_read", json!({ "domain": [["nope", "=", 1]] }), 500, "builtins.ValueError"),
        ("crm.lead/read", json!({ "ids": [1], "fields": ["nope"] }), 500, "builtins.ValueError"),
        ("crm.lead/create", json!({ "vals_list": [{ "name": "x", "priority": "9" }] }), 500, "builtins.ValueError"),
        ("crm.lead/load", json!({ "fields": ["id", "nope"], "data": [["patchbay.x", "y"]] }), 500, "builtins.ValueError"),
        ("crm.lead/load", json!({ "fields": ["id"], "data": [["patchbay.nothing_there"]] }), 200, ""),
        ("crm.lead/load", json!({ "ids": [1], "fields": [], "data": [] }), 422, "werkzeug.exceptions.UnprocessableEntity"),
        ("crm.lead/write", json!({ "ids": [] }), 422, "werkzeug.exceptions.UnprocessableEntity"),
        ("crm.lead/no_such", json!({}), 404, "werkzeug.exceptions.NotFound"),
        ("no.model/search", json!({}), 404, "werkzeug.exceptions.NotFound"),
    ];
    for (path, body, status, name) in cases {
        let (answered, error) = server.raw(&format!("/json/2/{path}"), &body.to_string());
        assert_eq!((answered, error["name"].as_str().unwrap_or("")), (status, name), "{path} {body}");
    }
    assert_eq!(server.raw("/json/2/crm.lead/search", "{bad").0, 400);
    let tag = server.word("once");
    server.call("crm.tag", "name_create", json!({ "name": tag }));
    assert_eq!(server.raw("/json/2/crm.tag/name_create", &json!({ "name": tag }).to_string()).0, 422);
    let load = server.call(
        "crm.lead",
        "load",
        json!({ "fields": ["id", "name", "user_id"], "data": [["patchbay.nobody", "x", "No such person"]] }),
    );
    assert_eq!((&load["ids"], &load["messages"][0]["field"]), (&json!(false), &json!("user_id")));
}
