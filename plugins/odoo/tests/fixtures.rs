//! Recorded deliveries of automation rules, the manifest, and poll events: by outline, by schema, and repeated.

use odoo::config::Config;
use odoo::payload::Record;
use odoo::{hook, map};
use patchbay_sdk::Request;
use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::{Event, EventBody, Manifest, Outline, RecordAction, Timestamp};
use patchbay_testing::Schema;
use serde_json::{Value, json};

fn valid(event: &Event) {
    assert_eq!(Schema::event().faults(event), Vec::<String>::new(), "{event:?}");
}

fn request(path: &str, body: &str) -> Request {
    Request { method: "POST".to_owned(), path: path.to_owned(), body: body.as_bytes().to_vec(), ..Request::default() }
}

const ID_ONLY: (&str, &str) = (include_str!("../fixtures/id-only.json"), include_str!("../fixtures/id-only.expect.json"));
const RULE: (&str, &str) = (include_str!("../fixtures/automation-rule.json"), include_str!("../fixtures/automation-rule.expect.json"));

#[test]
fn recorded_deliveries_say_what_is_expected() {
    for (body, expected) in [ID_ONLY, RULE] {
        let expected: Value = serde_json::from_str(expected).expect("JSON");
        let events = hook::events(&request("", body)).expect("events");
        assert_eq!(events.len(), 1);
        valid(&events[0]);
        let mut outline = Outline::of(&events[0]);
        // The hub gets whole milliseconds.
        outline.occurred_at = outline.occurred_at.map(|it| Timestamp::from_millisecond(it.as_millisecond()).expect("it is in range"));
        let outline = serde_json::to_value(outline).expect("JSON");
        for field in ["kind", "external_user_id", "name", "phone", "email", "text", "direction", "occurred_at", "external_id", "entity"] {
            assert_eq!(outline[field], expected[0][field], "{field}");
        }
    }
}

#[test]
fn fifteen_posts_of_one_change_have_one_id_and_the_next_change_another() {
    let id = |body: &str| hook::events(&request("", body)).expect("events")[0].id.clone();
    let first = id(RULE.0);
    assert_eq!(first, id(&RULE.0.replace("#235", "#236")), "another rule about the same change");
    assert_ne!(first, id(&RULE.0.replace("23:50:06.326725", "23:50:06.400000")));
    assert_ne!(first, id(&RULE.0.replace("Webhook lead", "Renamed")));
}

#[test]
fn a_rule_on_deletion_tells_of_deletions() {
    let events = hook::events(&request("/deleted", ID_ONLY.0)).expect("events");
    let EventBody::Record(it) = &events[0].body else { panic!("a record") };
    assert_eq!((it.action, it.external_id.as_str()), (RecordAction::Deleted, "123"));
    assert_ne!(events[0].id, hook::events(&request("", ID_ONLY.0)).expect("events")[0].id);
}

#[test]
fn other_models_are_ignored_and_other_bodies_refused() {
    assert_eq!(hook::events(&request("", r#"{"_id": 1, "_model": "res.partner"}"#)).expect("ignored"), []);
    for body in ["{}", "[]", "not json", r#"{"_model": "crm.lead"}"#] {
        assert!(hook::events(&request("", body)).is_err(), "{body}");
    }
}

#[test]
fn the_manifest_is_valid_and_agrees_with_the_code() {
    let manifest: Manifest = toml::from_str(include_str!("../connector.toml")).expect("a manifest");
    assert_eq!(Schema::manifest().faults(&manifest), Vec::<String>::new());
    assert_eq!(manifest.secrets(), ["api_key"]);
    let defaults: serde_json::Map<String, Value> = manifest.config["properties"]
        .as_object()
        .expect("properties")
        .iter()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
        .collect();
    let written = Config::read(&Node::from(&Value::Object(defaults))).expect("a configuration");
    assert_eq!(format!("{written:?}"), format!("{:?}", Config::default()), "defaults stand in the manifest and in the code alike");
}

#[test]
fn stages_come_back_as_they_went_out() {
    let config = Config { stage_interest: "New".to_owned(), stage_lead: "Qualified".to_owned(), ..Config::default() };
    let stage = |record: Value| {
        let event = map::changed(&Record(record), None, None, "2026-11-22 01:42:33", &config);
        valid(&event);
        let EventBody::Record(it) = event.body else { panic!("a record") };
        it.fields.stage.map(|it| it.name())
    };
    let record = |status: &str, name: &str, active: bool, phone: Value| json!({ "id": 1, "active": active, "won_status": status, "stage_id": [1, name], "lost_reason_id": false, "phone": phone, "write_date": "2026-11-22 01:42:33" });
    assert_eq!(stage(record("pending", "New", true, json!("+7"))), Some("interest"));
    assert_eq!(stage(record("pending", "Qualified", true, json!(false))), Some("lead"));
    assert_eq!(stage(record("pending", "Proposition", true, json!("+7"))), Some("lead"), "an unnamed stage with somebody to reach");
    assert_eq!(stage(record("pending", "Proposition", true, json!(false))), Some("interest"));
    assert_eq!(stage(record("pending", "Proposition", false, json!(false))), None, "archived by hand says nothing");
    assert_eq!(stage(record("won", "Won", true, json!(false))), Some("client"));
    assert_eq!(stage(record("lost", "New", false, json!(false))), Some("refused"));
}
