//! Field mapping, what would be written, and sinks that come late.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::{self, API_KEY};
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::FakeOdoo;
use patchbay_tests::hub::Hub;
use patchbay_tests::vendor::{Answer, Vendor};
use patchbay_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

use crate::intake::odoo_config;

/// A form with a field that only the vendor knows.
pub async fn fill_in(form: &Connection, id: &str, phone: &str, budget: &str) {
    let mut body = bodies::form(id, phone, "hello");
    body["budget"] = budget.into();
    assert_eq!(form.post(&body).await.status, 200);
}

/// A mapping with a title, a condition, a table, and something that is never there.
pub fn mapping(title: &str) -> Value {
    json!({ "fields": {
        "name": format!("'{title} ' + contact.phone"),
        "expected_revenue": { "value": "double(form.budget)", "when": "has(form.budget)" },
        "function": { "value": "lead.stage.name", "table": { "lead": "директор" } },
        "city": "contact.city",
    } })
}

/// Saves a mapping: status and answer.
pub async fn put(hub: &Hub, sink: &Connection, document: &Value) -> (u16, Value) {
    let answer = hub.api().ask(Method::PUT, &format!("/connections/{}/mapping", sink.id), Some(&json!({ "document": document }))).await;
    (answer.status, answer.json())
}

/// What the plan says of one lead's record, by field.
pub fn change(lead: &Value, field: &str) -> Option<(Value, Value)> {
    let change = lead["changes"].as_array().expect("changes").iter().find(|it| it["field"] == field)?;
    Some((change["from"].clone(), change["to"].clone()))
}

#[tokio::test]
async fn a_mapping_is_checked_previewed_saved_and_written() {
    for engine in Engine::each() {
        let (crm, hub) = (FakeOdoo::start().unwrap(), Hub::start(engine).await);
        let sink = hub.connect("odoo", odoo_config(&crm)).await;
        let form = hub.connect("webform", json!({})).await;
        let path = format!("/connections/{}", sink.id);

        let fields = hub.api().get(&format!("{path}/fields")).await;
        assert!(
            fields["fields"].as_array().unwrap().iter().any(|it| it["name"] == "expected_revenue" && it["type"] == "number"),
            "{fields}"
        );
        let wrong = json!({ "fields": { "functon": "contact.name", "city": "contact.town", "expected_revenue": "contact.name" } });
        let (status, problem) = put(&hub, &sink, &wrong).await;
        assert_eq!((status, &problem["code"]), (422, &json!("connection.mapping")), "{problem}");
        assert_eq!(
            problem["faults"],
            json!([{ "at": "/fields/city", "problem": "there is no `contact.town`", "allowed": problem["faults"][0]["allowed"] }])
        );
        let typed = json!({ "fields": { "functon": "contact.name", "expected_revenue": "contact.name" } });
        let (_, problem) = put(&hub, &sink, &typed).await;
        let faults = problem["faults"].to_string();
        assert!(faults.contains("/fields/functon") && faults.contains("function"), "the field that was meant is offered: {faults}");
        assert!(faults.contains("/fields/expected_revenue") && faults.contains("a number"), "{faults}");
        assert_eq!(hub.api().get(&format!("{path}/mapping")).await["versions"], json!([]), "nothing of it was saved");

        // Nobody has a mapping yet: the preview tries one, and the plan shows the whole.
        hub.api().post(&format!("{path}/pause"), &Value::Null).await.expect(200);
        fill_in(&form, "f-1", bodies::PHONE, "250000").await;
        let lead = hub.api().all("/leads").await[0]["id"].as_str().unwrap().to_owned();
        let preview =
            hub.api().post(&format!("{path}/mapping/preview"), &json!({ "lead": lead, "document": mapping("Заявка") })).await.expect(200);
        assert_eq!((&preview["fields"]["expected_revenue"], &preview["fields"]["city"]), (&json!(250_000.0), &Value::Null), "{preview}");
        assert_eq!(change(&preview["with"], "function"), Some((Value::Null, json!("директор"))), "{preview}");
        assert_eq!((change(&preview["without"], "function"), &preview["with"]["result"]), (None, &json!("create")));

        let (status, saved) = put(&hub, &sink, &mapping("Заявка")).await;
        assert_eq!((status, &saved["versions"][0]["version"]), (200, &json!(1)), "{saved}");
        let plan = hub.api().post(&format!("{path}/plan"), &json!({})).await.expect(200);
        assert_eq!(plan["sums"], json!({ "create": 1 }), "{plan}");
        assert_eq!(crm.store().created(), 0, "a plan writes nothing");

        hub.api().post(&format!("{path}/resume"), &Value::Null).await.expect(200);
        hub.api().until_delivered().await;
        let written = |field: &str| crm.store().all("crm.lead").next().expect("a record")[field].clone();
        assert!(written("name").as_str().unwrap().starts_with("Заявка +7"), "{}", written("name"));
        assert_eq!((written("expected_revenue"), written("function")), (json!(250_000.0), json!("директор")));

        // A changed mapping: first what it would change, then it is saved on the command line, and the next write takes it.
        let plan = hub.api().post(&format!("{path}/plan"), &json!({})).await.expect(200);
        assert_eq!(plan["sums"], json!({ "leave": 1 }), "{plan}");
        let file = hub.folder().path().join("mapping.toml");
        std::fs::write(&file, "[fields]\nname = \"'Запрос ' + contact.phone\"\nexpected_revenue = \"int(form.budget) * 2\"\n").unwrap();
        let file = file.to_str().unwrap();
        let plan = hub.cli_json(&["sync", "plan", &sink.id, "--mapping", file]);
        assert_eq!(plan["sums"], json!({ "update": 1 }), "{plan}");
        assert_eq!(change(&plan["items"][0], "expected_revenue"), Some((json!(250_000.0), json!(500_000))), "{plan}");
        assert_eq!(hub.cli_json(&["mapping", "check", &sink.id, "--file", file])["faults"], json!([]));
        assert_eq!(hub.cli_json(&["mapping", "set", &sink.id, "--file", file])["version"], 2);
        let shown = String::from_utf8(hub.cli(&["mapping", "show", &sink.id]).stdout).unwrap();
        assert!(shown.contains("'Запрос ' + contact.phone"), "{shown}");
        let shown = hub.cli_json(&["mapping", "show", &sink.id, "--version", "1"]);
        assert_eq!(shown["document"], mapping("Заявка"));
        let people = String::from_utf8(hub.cli(&["mapping", "preview", &sink.id, &lead]).stdout).unwrap();
        assert!(people.contains("WITH THE MAPPING") && people.contains("500000"), "{people}");
        until("the hub has the new mapping", async || {
            let plan = hub.api().post(&format!("{path}/plan"), &json!({})).await.expect(200);
            (plan["sums"] == json!({ "update": 1 })).then_some(())
        })
        .await;
        // The running hub looks once a second; whoever comes after that is written by the new mapping.
        until("somebody is written by the new mapping", async || {
            let number = patchbay_tests::files::unique();
            fill_in(&form, &format!("f-{number}"), &format!("+7 913 {}", 1_000_000 + number), "250000").await;
            hub.api().until_delivered().await;
            let store = crm.store();
            let record = store.all("crm.lead").find(|it| it["name"].as_str().is_some_and(|it| it.starts_with("Запрос")))?;
            (record["expected_revenue"].as_f64() == Some(500_000.0)).then_some(())
        })
        .await;
        assert!(written("name").as_str().unwrap().starts_with("Заявка"), "a mapping alone writes nothing");
    }
}

#[tokio::test]
async fn a_rule_that_fails_for_one_lead_costs_a_field_and_not_the_lead() {
    for engine in Engine::each() {
        let (crm, hub) = (FakeOdoo::start().unwrap(), Hub::start(engine).await);
        let sink = hub.connect("odoo", odoo_config(&crm)).await;
        let form = hub.connect("webform", json!({})).await;
        let (status, saved) = put(&hub, &sink, &mapping("Заявка")).await;
        assert_eq!(status, 200, "{saved}");
        fill_in(&form, "f-1", bodies::PHONE, "много").await;
        hub.api().until_delivered().await;
        let lead = hub.api().all("/leads").await[0]["id"].as_str().unwrap().to_owned();
        let record = crm.store().all("crm.lead").next().expect("the record is there").clone();
        assert_eq!((&record["function"], record["expected_revenue"].as_f64().unwrap_or(0.0)), (&json!("директор"), 0.0));
        let preview = hub.cli_json(&["mapping", "preview", &sink.id, &lead]);
        assert!(preview["failed"]["expected_revenue"].as_str().is_some_and(|it| it.contains("double")), "{preview}");
        assert!(!hub.log().contains("много"), "no value of a lead stands in the log");
        assert_eq!(hub.api().metric("patchbay_mapping_failures_total").await, 1);
    }
}

#[tokio::test]
async fn a_connector_that_cannot_plan_or_be_mapped_says_so() {
    let engine = Engine::each().remove(0);
    let (hub, vendor) = (Hub::start(engine).await, Vendor::start(|_| Answer::json(&json!({ "remote_id": "r" }))));
    let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
    let refused = hub.api().post(&format!("/connections/{}/plan", sink.id), &json!({})).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("lead.plan"), "{}", refused.text);
    let (status, refused) = put(&hub, &sink, &json!({ "fields": { "anything": "lead.title" } })).await;
    assert_eq!(status, 409, "what it would pass over in silence is not taken: {refused}");
    assert!(refused["detail"].as_str().unwrap().contains("fields.list"), "{refused}");
}

#[tokio::test]
async fn a_sink_that_is_added_later_gets_a_lead_before_its_history() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, Vendor::start(|_| Answer::json(&json!({ "remote_id": "r-1" }))));
        let source = hub.connect("misbehaving", json!({})).await;
        let say = async |text: &str| {
            let events = json!({ "events": [{ "id": text, "payload": bodies::message("", "anna", text)["payload"] }] });
            assert_eq!(source.post_to("/event", &events).await.status, 200);
        };
        say("before").await;
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
        for text in ["after", "and after"] {
            say(text).await;
            hub.api().until_delivered().await;
        }
        let kinds: Vec<Value> = vendor.commands().iter().map(|it| it["kind"].clone()).collect();
        assert_eq!(kinds, ["lead.upsert", "interaction.add", "interaction.add"]);
        assert_eq!(vendor.commands()[1]["payload"]["lead_remote_id"], "r-1");
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!([&sums["created"], &sums["delivered"], &sums["outbox_dead"]], [3, 3, 0], "{sums}");
    }
}
