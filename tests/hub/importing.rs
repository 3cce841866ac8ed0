//! The first connection to a full CRM: its people and open leads are there before they turn to us.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::{FakeOdoo, Misbehave, Moment};
use patchbay_tests::hub::Hub;
use patchbay_tests::odoo::Odoo;
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

use crate::intake::odoo_config;

/// Leads of the full CRM.
const LEADS: i64 = 2_000;

/// The phone of a person there.
fn phone(number: i64) -> String {
    format!("+7912300{number:04}")
}

/// A CRM in which 2,000 leads and as many customers stand; every tenth lead is lost.
fn full() -> FakeOdoo {
    let crm = FakeOdoo::start().unwrap();
    let row = |value: Value| value.as_object().cloned().unwrap();
    let mut store = crm.store();
    for number in 0..LEADS {
        let lost = number % 10 == 9;
        store.insert(
            "crm.lead",
            row(json!({ "name": format!("Deal {number}"), "contact_name": "Анна", "phone": phone(number),
                "active": !lost, "probability": if lost { 0 } else { 10 } })),
        );
        let partner = json!({ "name": format!("Customer {number}"), "email": format!("c{number}@example.com"), "is_company": false, "partner_share": true });
        store.insert("res.partner", row(partner));
    }
    drop(store);
    crm
}

fn place(sink: &Connection) -> String {
    format!("/connections/{}/import", sink.id)
}

/// How far it has come.
async fn seen(hub: &Hub, sink: &Connection) -> Value {
    hub.api().get(&place(sink)).await
}

#[tokio::test]
async fn an_import_that_was_killed_goes_on_and_the_first_message_of_a_person_joins_their_record() {
    for engine in Engine::each() {
        let crm = full();
        let mut hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let sink = hub.connect("odoo", odoo_config(&crm)).await;
        let made = crm.store().created();

        let begun = hub.api().post(&place(&sink), &Value::Null).await.expect(202);
        assert_eq!(begun["state"], "running", "{begun}");
        // The power goes while a page is under way, of which the hub does not know whether it came.
        until("some pages are there", async || (seen(&hub, &sink).await["records"].as_i64()? >= 300).then_some(())).await;
        let mut held = crm.hold("crm.lead/search_read", Moment::Worked);
        held.reached().await;
        hub.kill();
        drop(held);
        let kept = async |hub: &Hub| seen(hub, &sink).await;
        hub.serve().await;
        let there = kept(&hub).await;
        assert!(there["records"].as_i64() < Some(LEADS) && there["state"] == "running", "{there}");
        // Somebody writes while it goes on.
        assert_eq!(form.post(&bodies::form("f-live", "+79990000001", "live")).await.status, 200);
        let done = hub.cli_json(&["connection", "import", &sink.id]);
        assert_eq!((&done["state"], &done["expected"]), (&json!("done"), &json!(2 * LEADS)), "{done}");
        assert_eq!((&done["people"], &done["leads"]), (&json!(2 * LEADS), &json!(LEADS / 10 * 9)), "{done}");
        hub.api().until_delivered().await;
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!((crm.store().created(), &sums["created"]), (made + 1, &json!(2)), "only who wrote is told of: {sums}");

        // An open lead, and a person whose lead was lost.
        assert_eq!(form.post(&bodies::form("f-1", &phone(7), "How much is it?")).await.status, 200);
        assert_eq!(form.post(&bodies::form("f-2", &phone(9), "I thought about it")).await.status, 200);
        hub.api().until_delivered().await;
        let leads = hub.api().all("/leads").await;
        assert_eq!(leads.iter().filter(|it| it["title"] == "Deal 7").count(), 1);
        let notes: usize = crm.store().notes(8).len();
        assert_eq!(notes, 1, "the message stands with the record that was there");
        assert_eq!(crm.store().created(), made + 2, "whose lead was lost gets a new one, and nobody else");
        let hers = leads.iter().find(|it| it["title"] == "Deal 7").unwrap();
        assert_eq!(hers["responsible"]["name"], "Administrator", "her owner is found: {hers}");
    }
}

#[tokio::test]
async fn an_import_that_the_crm_refuses_stops_and_what_works_without_it_goes_on() {
    for engine in Engine::each() {
        let crm = full();
        let hub = Hub::start(engine).await;
        let sink = hub.connect("odoo", odoo_config(&crm)).await;
        let relay = hub.connect("webform", json!({})).await;
        let answer = hub.api().post(&place(&relay), &Value::Null).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        crm.misbehave("res.partner/search_count", Misbehave::Status(403));
        hub.api().post(&place(&sink), &Value::Null).await.expect(202);
        until_equal("it stops", json!("stopped"), async || seen(&hub, &sink).await["state"].clone()).await;
        let shown = hub.api().get(&format!("/connections/{}", sink.id)).await;
        assert!(shown["import"]["reason"].as_str().unwrap().contains("odoo.access"), "{shown}");
        assert_eq!(shown["state"], "active", "a right that only the import needs breaks nothing else");
        let done = hub.cli_json(&["connection", "import", &sink.id]);
        assert_eq!(done["state"], "done", "{done}");
    }
}

#[tokio::test]
async fn a_message_of_somebody_whom_odoo_knows_joins_the_record_that_is_there() {
    let odoo = Odoo::named();
    for engine in Engine::each() {
        let mut hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let phone = Odoo::phone();
        let phones: Vec<String> = (0..300).map(|it| format!("{}{it:03}", &phone[..9])).collect();
        let rows: Vec<Value> =
            phones.iter().map(|it| json!({ "name": format!("Deal {it}"), "contact_name": "Анна", "phone": it })).collect();
        odoo.call("crm.lead", "create", json!({ "vals_list": rows })).await;
        let sink = hub.connect("odoo", odoo.config()).await;
        hub.api().post(&place(&sink), &Value::Null).await.expect(202);
        until("some pages are there", async || (seen(&hub, &sink).await["records"].as_i64()? >= 100).then_some(())).await;
        hub.kill();
        hub.serve().await;
        let done = hub.cli_json(&["connection", "import", &sink.id]);
        assert_eq!(done["state"], "done", "{done}");
        assert_eq!(hub.api().sums(&sink.id).await["created"], 0, "nothing is written");

        assert_eq!(form.post(&bodies::form("f-1", &phones[299], "How much is it?")).await.status, 200);
        hub.api().until_delivered().await;
        let records = odoo.leads(&phones[299]).await;
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(records[0]["name"], format!("Deal {}", phones[299]));
        let notes = odoo.notes(records[0]["id"].as_i64().unwrap()).await;
        assert_eq!(notes.len(), 1, "{notes:?}");
    }
}
