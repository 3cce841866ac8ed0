//! What the connector and an Odoo must do together. Each runs against the fake and against the real one.

mod gone;
mod telling;

use odoo::client::RECORD_MISSING;
use patchbay_schemas::command::{Before, LeadUpsert, NewRecord};
use patchbay_schemas::lead::Responsible;
use patchbay_schemas::{Stage, Temperature};
use patchbay_sdk::Retry;
use serde_json::{Value, json};

pub use self::gone::*;
use self::telling::last_of;
pub use self::telling::*;
use super::{Server, again, first, id, lead, note};

const NOW: &str = "2026-11-22T12:00:00Z";

pub fn a_new_lead_arrives_with_all_that_is_known(server: &Server) {
    let (phone, title, tag, source) = (server.phone(), server.word("Запрос"), server.word("tag, hot"), server.word("newsletter"));
    let mut lead = lead(&format!("lead_{}", &phone[1..]), &title, &phone);
    let email = format!("Ivan.{}@Example.com", &phone[1..]);
    lead.contact.identities.push(patchbay_schemas::Identity::email(email.as_str()));
    lead.contact.company = Some("ООО «Ромашка»".to_owned());
    lead.contact.city = Some("Москва".to_owned());
    lead.temperature = Temperature::Hot;
    lead.tags = vec![tag.clone(), "vip <b>".to_owned()];
    lead.source.origin.utm =
        [("source", source.as_str()), ("medium", "cpc"), ("term", "a<b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    lead.source.origin.page = Some("https://example.com/?a=1&b=2".to_owned());
    let receipt = server.upsert(&server.config(), first(&lead)).expect("a record");
    assert_eq!(receipt.details["result"], "created");
    assert_eq!(receipt.details["url"], format!("{}/odoo/crm.lead/{}", server.url, id(&receipt)));
    let record = server.lead(id(&receipt));
    for (field, value) in [
        ("name", title.as_str()),
        ("contact_name", "Иван Петров"),
        ("phone", &phone),
        ("email_from", &email),
        ("partner_name", "ООО «Ромашка»"),
        ("city", "Москва"),
        ("priority", "2"),
    ] {
        assert_eq!(record[field], value, "{field}");
    }
    assert_eq!((&record["source_id"][1], &record["medium_id"][1], &record["campaign_id"]), (&json!(source), &json!("cpc"), &json!(false)));
    assert_eq!(record["tag_ids"].as_array().expect("tags").len(), 2, "a comma does not make two tags of one");
    assert_eq!(record["user_id"], false, "nobody answers for it, not the key's own user");
    assert_eq!(record["stage_id"][1], "New");
    let description = record["description"].as_str().expect("a description");
    assert!(
        description.contains("utm_term: a&lt;b") && description.contains("a=1&amp;b=2") && description.contains(&lead.id),
        "{description}"
    );
}

fn mapped(fields: &Value) -> patchbay_schemas::Extra {
    fields.as_object().cloned().expect("fields by name")
}

pub fn mapped_fields_are_written_instead_of_the_connectors_own(server: &Server) {
    let (config, phone, tag) = (server.config(), server.phone(), server.word("mapped"));
    let mut lead = lead(&format!("lead_{}", &phone[1..]), "own title", &phone);
    lead.contact.city = Some("Тверь".to_owned());
    lead.tags = vec!["not this one".to_owned()];
    let fields = json!({
        "name": "mapped title", "function": "директор", "expected_revenue": "250000.5", "date_deadline": "2026-12-01", "priority": 3,
        "stage_id": "Qualified", "tag_ids": [tag], "city": null, "user_id": "no such person", "nonsense": 1,
    });
    let made = server.upsert(&config, LeadUpsert { fields: mapped(&fields), ..first(&lead) }).expect("a record");
    let left_out = made.details["left_out"].to_string();
    assert!(left_out.contains("nonsense: Odoo has no such field") && left_out.contains("user_id: `no such person`"), "{left_out}");
    let record = server.lead(id(&made));
    for (field, value) in [("name", json!("mapped title")), ("function", json!("директор")), ("expected_revenue", json!(250_000.5))]
    {
        assert_eq!(record[field], value, "{field}");
    }
    assert_eq!((&record["date_deadline"], &record["priority"]), (&json!("2026-12-01"), &json!("3")));
    assert_eq!((&record["stage_id"][1], &record["city"], &record["user_id"]), (&json!("Qualified"), &json!(false), &json!(false)));
    assert_eq!(record["tag_ids"].as_array().expect("tags").len(), 1, "a mapped list stands for the lead's own tags");

    let number: i64 = id(&made).parse().expect("a number");
    server.call("crm.lead", "write", json!({ "ids": [number], "vals": { "function": "владелец", "expected_revenue": 1 } }));
    let mut fields = fields;
    fields["expected_revenue"] = json!(300_000);
    fields["stage_id"] = json!("Proposition");
    let updated = server.upsert(&config, LeadUpsert { fields: mapped(&fields), ..again(&lead, &made) }).expect("the record");
    let record = server.lead(id(&updated));
    assert_eq!(record["function"], "владелец", "what people changed stays while the mapping says the same");
    assert_eq!((record["expected_revenue"].as_f64(), &record["stage_id"][1]), (Some(300_000.0), &json!("Proposition")));
}

pub fn a_plan_says_what_would_be_written_and_writes_nothing(server: &Server) {
    let (config, phone, source) = (server.config(), server.phone(), server.word("planned"));
    let mut lead = lead(&format!("lead_{}", &phone[1..]), "planned", &phone);
    lead.source.origin.utm = [("source".to_owned(), source.clone())].into();
    lead.next_contact_at = Some("2026-12-01T09:00:00Z".parse().expect("a time"));
    let upsert = || LeadUpsert { fields: mapped(&json!({ "function": "директор" })), ..first(&lead) };
    let to = |plan: &Value, field: &str| {
        let change = plan["changes"].as_array().expect("changes").iter().find(|it| it["field"] == field);
        change.map(|it| (it["from"].clone(), it["to"].clone()))
    };
    let (record, plan) = server.plan(&config, upsert());
    assert_eq!((record, &plan["result"]), (None, &json!("create")));
    for (field, value) in
        [("name", "planned"), ("function", "директор"), ("source_id", &source), ("activity_ids", "2026-12-01 Next contact 09:00")]
    {
        assert_eq!(to(&plan, field), Some((Value::Null, json!(value))), "{plan}");
    }
    assert_eq!(server.count(&phone), 0, "nothing was made");
    let sources = server.call("utm.source", "name_search", json!({ "name": source, "operator": "=" }));
    assert_eq!(sources, json!([]), "not even a name");

    let made = server.upsert(&config, upsert()).expect("a record");
    assert_eq!(server.plan(&config, LeadUpsert { fields: upsert().fields, ..again(&lead, &made) }).1["result"], "leave");
    lead.stage = Stage::Client;
    lead.contact.city = Some("Тула".to_owned());
    let changed = LeadUpsert { fields: mapped(&json!({ "function": "владелец" })), ..again(&lead, &made) };
    let (record, plan) = server.plan(&config, changed.clone());
    assert_eq!((record, &plan["result"]), (made.remote_id.clone(), &json!("update")));
    assert_eq!(to(&plan, "function"), Some((json!("директор"), json!("владелец"))));
    assert_eq!(to(&plan, "city"), Some((Value::Null, json!("Тула"))));
    assert_eq!(to(&plan, "stage_id"), Some((json!("New"), json!("won"))));
    assert_eq!(server.lead(id(&made))["function"], "директор", "nothing was written");
    server.upsert(&config, changed).expect("the record");
    let record = server.lead(id(&made));
    assert_eq!((&record["function"], &record["city"], &record["won_status"]), (&json!("владелец"), &json!("Тула"), &json!("won")));
}

pub fn the_fields_to_choose_from_are_told(server: &Server) {
    let fields = server.fields();
    for (name, kind) in
        [("name", "text"), ("expected_revenue", "number"), ("date_deadline", "date"), ("tag_ids", "list"), ("user_id", "link")]
    {
        assert_eq!(fields[name]["type"], kind, "{name}");
    }
    assert_eq!(fields["name"]["required"], true);
    assert!(fields["priority"]["options"].as_array().expect("options").iter().any(|it| it["value"] == "2"), "{}", fields["priority"]);
    let stages = fields["stage_id"]["options"].as_array().expect("stages");
    assert!(stages.iter().any(|it| it["label"] == "Qualified"), "{stages:?}");
    assert!(!fields.contains_key("write_date") && !fields.contains_key("id"), "what cannot be written is not offered");
}

pub fn a_lost_answer_does_not_double_a_lead(server: &Server) {
    for new_record in [NewRecord::UnlessKnown, NewRecord::UnlessOpen, NewRecord::Always] {
        let config = server.config();
        let phone = server.phone();
        let lead = lead(&format!("lead_{}", &phone[1..]), &server.word("lost"), &phone);
        *server.lose.borrow_mut() = Some("crm.lead/load".to_owned());
        let failure = server.upsert(&config, LeadUpsert { new_record, ..first(&lead) }).expect_err("the answer is lost");
        assert_eq!(failure.retry, Retry::Later);
        assert_eq!(server.count(&phone), 1, "but the work was done");
        let receipt = server.upsert(&config, LeadUpsert { new_record, retried: true, ..first(&lead) }).expect("the record");
        assert_eq!(server.count(&phone), 1, "{new_record:?}");
        assert_eq!(server.lead(id(&receipt))["name"], lead.title);
    }
}

pub fn an_open_record_of_the_person_is_joined(server: &Server) {
    let phone = server.phone();
    let typed = format!("8 ({}) {}-{}", &phone[2..5], &phone[5..8], &phone[8..]);
    let vals = json!([{ "name": "by hand", "phone": typed, "contact_name": "Ваня" }]);
    let by_hand = server.call("crm.lead", "create", json!({ "vals_list": vals }))[0].as_i64().expect("an id");
    let mut lead = lead(&format!("lead_{}", &phone[1..]), "from the hub", &phone);
    lead.contact.city = Some("Тверь".to_owned());
    lead.tags = vec!["joined".to_owned()];
    let receipt = server.upsert(&server.config(), first(&lead)).expect("the record");
    assert_eq!((id(&receipt), &receipt.details["result"]), (by_hand.to_string().as_str(), &json!("found")));
    let record = server.lead(id(&receipt));
    assert_eq!((&record["name"], &record["contact_name"], &record["phone"]), (&json!("by hand"), &json!("Ваня"), &json!(typed)));
    assert_eq!(record["city"], "Тверь", "what was empty is filled");
    assert_eq!(record["source_id"][1], "form");
    assert_eq!(record["tag_ids"].as_array().expect("tags").len(), 1);

    let receipt = server.upsert(&server.config(), LeadUpsert { new_record: NewRecord::Always, ..first(&lead) }).expect("a record");
    assert_ne!(id(&receipt), by_hand.to_string());
    assert_eq!(server.count(&phone), 2);
}

pub fn a_closed_record_is_not_joined(server: &Server) {
    let phone = server.phone();
    let vals = json!([{ "name": "old", "phone": phone }, { "name": "older", "phone": phone }]);
    let ids = server.call("crm.lead", "create", json!({ "vals_list": vals }));
    server.call("crm.lead", "action_set_won", json!({ "ids": [ids[0]] }));
    server.call("crm.lead", "action_set_lost", json!({ "ids": [ids[1]] }));
    let receipt = server.upsert(&server.config(), first(&lead(&format!("lead_{}", &phone[1..]), "new", &phone))).expect("a record");
    assert_eq!(receipt.details["result"], "created");

    // Where nobody who is known gets a new record, the newest of all is joined: the open one, and once that is closed too, a closed one.
    let known = |number: u32| {
        let lead = lead(&format!("lead_{}k{number}", &phone[1..]), "again", &phone);
        let receipt = server.upsert(&server.config(), LeadUpsert { new_record: NewRecord::UnlessKnown, ..first(&lead) }).expect("a record");
        assert_eq!(receipt.details["result"], "found");
        id(&receipt).to_owned()
    };
    assert_eq!(known(1), id(&receipt));
    let made: i64 = id(&receipt).parse().expect("a number");
    server.call("crm.lead", "action_set_lost", json!({ "ids": [made] }));
    assert_eq!(known(2), id(&receipt));
    assert_eq!(server.lead(id(&receipt))["active"], false, "it stays closed");
    assert_eq!(server.count(&phone), 3);
}

pub fn what_people_changed_in_odoo_stays(server: &Server) {
    let (config, phone) = (server.config(), server.phone());
    let mut lead = lead(&format!("lead_{}", &phone[1..]), "first title", &phone);
    lead.tags = vec!["one".to_owned()];
    let made = server.upsert(&config, first(&lead)).expect("a record");
    let number: i64 = id(&made).parse().expect("a number");
    server.call("crm.lead", "write", json!({ "ids": [number], "vals": { "name": "better title", "contact_name": "Иван Иванович", "phone": false, "tag_ids": [[3, tag(server, "one")]] } }));
    lead.contact.city = Some("Омск".to_owned());
    lead.tags.push("two".to_owned());
    let receipt = server.upsert(&config, again(&lead, &made)).expect("the record");
    let record = server.lead(id(&receipt));
    assert_eq!(
        (&record["name"], &record["contact_name"], &record["phone"]),
        (&json!("better title"), &json!("Иван Иванович"), &json!(false))
    );
    assert_eq!(record["city"], "Омск", "what the hub learnt is written");
    assert!(record["tag_ids"].as_array().expect("tags").contains(&json!(tag(server, "two"))));

    lead.title = String::from("newer title");
    let receipt = server.upsert(&config, again(&lead, &receipt)).expect("the record");
    assert_eq!(server.lead(id(&receipt))["name"], "newer title", "what the hub changed since is written");

    server.asked.borrow_mut().clear();
    let receipt = server.upsert(&config, again(&lead, &receipt)).expect("the record");
    assert_eq!(receipt.details["changed"], false);
    assert_eq!(*server.asked.borrow(), ["crm.lead/read"], "nothing new costs one question");
}

pub fn a_field_that_is_settled_is_written_over_and_what_stood_there_is_told(server: &Server) {
    let (config, phone) = (server.config(), server.phone());
    let mut lead = lead(&format!("lead_{}", &phone[1..]), "ours", &phone);
    let made = server.upsert(&config, first(&lead)).expect("a record");
    assert!(!made.details.contains_key("before"), "nothing stood there");
    let number: i64 = id(&made).parse().expect("a number");
    server.call("crm.lead", "write", json!({ "ids": [number], "vals": { "name": "theirs", "city": "Омск" } }));
    server.call("crm.lead", "action_set_lost", json!({ "ids": [number] }));
    lead.contact.city = Some("Тверь".to_owned());
    let left = server.upsert(&config, again(&lead, &made)).expect("the record");
    assert_eq!(server.lead(id(&left))["name"], "theirs", "the hub has nothing new");
    let before: Before = serde_json::from_value(left.details["before"].clone()).expect("what stood there");
    assert_eq!((before.fields.title.as_deref(), before.written), (Some("theirs"), Some(vec![])));
    assert!(matches!(before.fields.stage, Some(Stage::Refused { .. })), "{:?}", before.fields.stage);

    let settled = vec!["title".to_owned(), "stage".to_owned()];
    let written = server.upsert(&config, LeadUpsert { settled, ..again(&lead, &left) }).expect("the record");
    let record = server.lead(id(&written));
    assert_eq!((&record["name"], &record["won_status"]), (&json!("ours"), &json!("pending")), "both were settled");
    let before: Before = serde_json::from_value(written.details["before"].clone()).expect("what stood there");
    assert_eq!(before.written, Some(vec!["title".to_owned(), "stage".to_owned()]));
    assert_eq!(record["city"], "Омск", "other fields that people changed are left alone");
}

fn tag(server: &Server, name: &str) -> i64 {
    server.call("crm.tag", "name_search", json!({ "name": name, "operator": "=" }))[0][0].as_i64().expect("a tag")
}

pub fn stages_follow_the_hub(server: &Server) {
    let (mut config, phone) = (server.config(), server.phone());
    let mut lead = lead(&format!("lead_{}", &phone[1..]), "stages", &phone);
    let made = server.upsert(&config, first(&lead)).expect("a record");
    let status = |receipt| {
        let record = server.lead(id(receipt));
        (
            record["won_status"].as_str().unwrap_or("").to_owned(),
            record["active"] == true,
            record["lost_reason_id"][1].as_str().unwrap_or("").to_owned(),
        )
    };
    lead.stage = Stage::Refused { reason: Some("Too expensive".to_owned()), return_at: None };
    let lost = server.upsert(&config, again(&lead, &made)).expect("lost");
    assert_eq!(status(&lost), ("lost".to_owned(), false, "Too expensive".to_owned()));
    lead.stage = Stage::Lead;
    let open = server.upsert(&config, again(&lead, &lost)).expect("open");
    assert_eq!(status(&open), ("pending".to_owned(), true, String::new()));
    lead.stage = Stage::Client;
    let won = server.upsert(&config, again(&lead, &open)).expect("won");
    assert_eq!(status(&won).0, "won");

    let number: i64 = id(&won).parse().expect("a number");
    server.call("crm.lead", "write", json!({ "ids": [number], "vals": { "stage_id": 1 } }));
    let kept = server.upsert(&config, again(&lead, &won)).expect("kept");
    assert_eq!(status(&kept).0, "pending", "somebody took it back in Odoo: the hub changed nothing since");

    config.stage_lead = String::from("Qualified");
    lead.stage = Stage::Lead;
    let moved = server.upsert(&config, again(&lead, &kept)).expect("moved");
    assert_eq!(server.lead(id(&moved))["stage_id"][1], "Qualified");

    let phone = server.phone();
    let mut other = super::lead(&format!("lead_{}", &phone[1..]), "born won", &phone);
    assert_eq!(server.lead(id(&server.upsert(&config, first(&other)).expect("a record")))["stage_id"][1], "Qualified");
    (other.id, other.stage) = (format!("{}x", other.id), Stage::Client);
    let other = LeadUpsert { new_record: NewRecord::Always, ..first(&other) };
    assert_eq!(status(&server.upsert(&config, other).expect("a record")).0, "won");
}

pub fn a_stage_that_odoo_does_not_have_is_an_error_of_the_configuration(server: &Server) {
    let (mut config, phone) = (server.config(), server.phone());
    config.stage_lead = String::from("No such stage");
    let lead = lead(&format!("lead_{}", &phone[1..]), "stage", &phone);
    let failure = server.upsert(&config, first(&lead)).expect_err("no such stage");
    assert_eq!((failure.code.as_str(), failure.retry), ("odoo.stage", Retry::Never), "{}", failure.message);
    assert_eq!(server.count(&phone), 0);
    let failure = server.with(|client| odoo::check::check(client, &config)).expect_err("no such stage");
    assert_eq!(failure.code, "odoo.stage");
}

pub fn the_responsible_person_is_found_by_login_name_or_mapping(server: &Server) {
    let (name, login) = (server.word("Анна Ли"), server.word("anna").replace(' ', "_"));
    let made = server.call("res.users", "create", json!({ "vals_list": [{ "name": name, "login": login }] }));
    let mut config = server.config();
    config.users.insert("Аня".to_owned(), login.clone());
    for (hub, wanted) in
        [(name.to_uppercase(), &made[0]), (login, &made[0]), ("Аня".to_owned(), &made[0]), ("Nobody".to_owned(), &json!(null))]
    {
        let phone = server.phone();
        let mut lead = lead(&format!("lead_{}", &phone[1..]), "whose", &phone);
        lead.responsible = Some(Responsible { id: Some("1".to_owned()), name: hub.clone() });
        let receipt = server.upsert(&config, first(&lead)).expect("a record");
        assert_eq!(server.lead(id(&receipt))["user_id"][0], *wanted, "{hub}");
    }
    config.default_user = String::from("admin");
    let phone = server.phone();
    let receipt = server.upsert(&config, first(&lead(&format!("lead_{}", &phone[1..]), "whose", &phone))).expect("a record");
    assert_eq!(server.lead(id(&receipt))["user_id"][0], 2);
}

pub fn notes_are_written_once_and_escaped(server: &Server) {
    let (config, phone) = (server.config(), server.phone());
    let made = server.upsert(&config, first(&lead(&format!("lead_{}", &phone[1..]), "notes", &phone))).expect("a record");
    let interaction = format!("int_{}", &phone[1..]);
    let mut note = note(id(&made), &interaction, "Здравствуйте <script>alert(1)</script>\nсколько & как?");
    *server.lose.borrow_mut() = Some("crm.lead/message_post".to_owned());
    server.add(&config, note.clone()).expect_err("the answer is lost");
    note.retried = true;
    let receipt = server.add(&config, note.clone()).expect("the note");
    assert_eq!(receipt.details["result"], "found");
    let number: i64 = id(&made).parse().expect("a number");
    let domain = json!([["model", "=", "crm.lead"], ["res_id", "=", number], ["message_id", "=", format!("<{interaction}@patchbay>")]]);
    let notes = server.call("mail.message", "search_read", json!({ "domain": domain, "fields": ["body", "date", "message_type"] }));
    assert_eq!(notes.as_array().expect("notes").len(), 1);
    assert_eq!((&notes[0]["date"], &notes[0]["message_type"]), (&json!("2026-11-20 10:11:12"), &json!("comment")));
    let body = notes[0]["body"].as_str().expect("a body");
    assert!(body.contains("<b>telegram: incoming message</b>"), "{body}");
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;<br>сколько &amp; как?"), "{body}");

    note.interaction_id = format!("{interaction}b");
    assert_eq!(server.add(&config, note.clone()).expect("a note").details["result"], "created");
    note.lead_remote_id = String::from("99999999");
    note.interaction_id = format!("{interaction}c");
    let failure = server.add(&config, note).expect_err("no such record");
    assert_eq!((failure.code.as_str(), failure.retry), (RECORD_MISSING, Retry::Never));
}

pub fn the_next_contact_is_one_activity(server: &Server) {
    let (mut config, phone) = (server.config(), server.phone());
    config.utc_offset = String::from("+03:00");
    let start = server.poll(&config, None, 100, NOW).next_cursor.expect("a cursor");
    let mut lead = lead(&format!("lead_{}", &phone[1..]), "next", &phone);
    lead.next_contact_at = Some("2026-11-30T22:30:00Z".parse().expect("a time"));
    let made = server.upsert(&config, first(&lead)).expect("a record");
    let number: i64 = id(&made).parse().expect("a number");
    let activities = || {
        let domain = json!([["res_model", "=", "crm.lead"], ["res_id", "=", number]]);
        server.call("mail.activity", "search_read", json!({ "domain": domain, "fields": ["date_deadline", "summary"] }))
    };
    assert_eq!((&activities()[0]["date_deadline"], &activities()[0]["summary"]), (&json!("2026-12-01"), &json!("Next contact 01:30")));
    let retried = LeadUpsert { retried: true, ..first(&lead) };
    server.upsert(&config, retried).expect("the record");
    lead.next_contact_at = Some("2026-12-02T09:00:00Z".parse().expect("a time"));
    let moved = server.upsert(&config, again(&lead, &made)).expect("the record");
    assert_eq!(activities().as_array().expect("activities").len(), 1);
    assert_eq!((&activities()[0]["date_deadline"], &activities()[0]["summary"]), (&json!("2026-12-02"), &json!("Next contact 12:00")));

    let (events, cursor) = server.round(&config, &start, 100, NOW);
    assert_eq!(last_of(&events, number).next_contact_at, lead.next_contact_at, "the poll knows the minute");

    let activity = activities()[0]["id"].clone();
    server.call("mail.activity", "write", json!({ "ids": [activity], "vals": { "date_deadline": "2026-12-05" } }));
    let (events, _) = server.round(&config, &cursor, 100, NOW);
    let wanted = Some("2026-12-05T09:00:00Z".parse().expect("a time"));
    assert_eq!(last_of(&events, number).next_contact_at, wanted, "somebody moved it in Odoo, the record itself did not change");

    server.call("mail.activity", "action_feedback", json!({ "ids": [activity] }));
    server.upsert(&config, again(&lead, &moved)).expect("the record");
    assert_eq!(activities(), json!([]), "done in Odoo, and nothing new in the hub: it does not come back");
}

pub fn a_batch_is_made_at_once_and_fails_one_by_one(server: &Server) {
    let config = server.config();
    let phones: Vec<String> = (0..6).map(|_| server.phone()).collect();
    let leads: Vec<_> = phones.iter().map(|it| lead(&format!("lead_{}", &it[1..]), "batch", it)).collect();
    server.asked.borrow_mut().clear();
    let results = server.upsert_all(&config, leads.iter().map(first).collect());
    assert!(results.iter().all(|it| it.as_ref().is_ok_and(|it| it.details["result"] == "created")), "{results:?}");
    assert_eq!(server.asked.borrow().iter().filter(|it| *it == "crm.lead/load").count(), 1);
    for (phone, result) in phones.iter().zip(&results) {
        assert_eq!(server.lead(id(result.as_ref().expect("a record")))["phone"], *phone, "each lead has its own record");
    }

    let phones: Vec<String> = (0..4).map(|_| server.phone()).collect();
    let mut leads: Vec<_> = phones.iter().map(|it| lead(&format!("lead_{}", &it[1..]), "batch", it)).collect();
    leads[1].title = String::new();
    let same = leads[2].contact.identities.clone();
    leads[3].contact.identities = same;
    let results = server.upsert_all(&config, leads.iter().map(first).collect());
    let failure = results[1].as_ref().expect_err("a record needs a title");
    assert_eq!((failure.code.as_str(), failure.retry), ("odoo.invalid", Retry::Never));
    assert_eq!(results[3].as_ref().expect("a record").details["result"], "found", "the same person twice in a batch is one record");
    assert_eq!(results[3].as_ref().expect("a record").remote_id, results[2].as_ref().expect("a record").remote_id);
    assert_eq!(server.count(&phones[0]), 1);
}
