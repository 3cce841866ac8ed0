//! What people do with persons and records in the CRM comes back, and goes on to the other CRM.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::{self, FakeOdoo};
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

use crate::intake::odoo_config;

const OTHER: &str = "+79123000077";

/// The hub asks the sink at once for what is new there.
async fn ask(hub: &Hub, sink: &Connection) {
    for turn in ["pause", "resume"] {
        hub.api().post(&format!("/connections/{}/{turn}", sink.id), &Value::Null).await.expect(200);
    }
}

async fn connected(hub: &Hub, crm: &FakeOdoo) -> Connection {
    let sink = hub.connect("odoo", odoo_config(crm)).await;
    let path = format!("/connections/{}", sink.id);
    until("the sink was asked for the first time", async || hub.api().get(&path).await["cursor"].as_str().map(drop)).await;
    sink
}

/// Name and phone of the first record.
fn record(crm: &FakeOdoo) -> (Value, Value) {
    let record = crm.store().get("crm.lead", 1).cloned().unwrap();
    (record["contact_name"].clone(), record["phone"].clone())
}

#[tokio::test]
async fn a_name_and_a_phone_that_a_seller_corrects_in_one_crm_are_shown_here_and_reach_the_other() {
    for engine in Engine::each() {
        let (theirs, other) = (FakeOdoo::start().unwrap(), FakeOdoo::start().unwrap());
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let (sink, _) = (connected(&hub, &theirs).await, connected(&hub, &other).await);
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "How much is it?")).await.status, 200);
        hub.api().until_delivered().await;
        let lead = hub.api().all("/leads").await[0].clone();
        let before = record(&other);
        assert_eq!(before, record(&theirs));

        // What the hub wrote itself comes back, and is nobody's word.
        ask(&hub, &sink).await;
        let typed = json!({ "contact_name": "Анна", "phone": "8 912 300-00-77" });
        assert!(theirs.store().update("crm.lead", 1, typed.as_object().cloned().unwrap()));
        ask(&hub, &sink).await;
        until_equal("the other CRM has both", (json!("Анна"), json!(OTHER)), async || record(&other)).await;
        hub.api().until_delivered().await;
        assert_eq!(record(&theirs), (json!("Анна"), json!("8 912 300-00-77")), "theirs stays as they typed it");
        let why = hub.api().get(&format!("/contacts/{}/why", lead["contact"]["id"].as_str().unwrap())).await;
        let sources = why["sources"].as_array().unwrap();
        assert_eq!(sources.len(), 2, "the record that was only written says nothing: {sources:?}");
        assert_eq!((&sources[1]["connector"], &sources[1]["record_of"]), (&json!("odoo"), &lead["id"]));

        // They were wrong: what was there before is shown again, since the form still says so.
        let emptied = json!({ "contact_name": false, "phone": false });
        assert!(theirs.store().update("crm.lead", 1, emptied.as_object().cloned().unwrap()));
        ask(&hub, &sink).await;
        until_equal("the other CRM has what the form said", before, async || record(&other)).await;
        hub.api().until_delivered().await;
    }
}

#[tokio::test]
async fn a_record_that_people_delete_stays_deleted_until_the_person_turns_to_us_again() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let sink = connected(&hub, &crm).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "How much is it?")).await.status, 200);
        hub.api().until_delivered().await;
        let lead = hub.api().all("/leads").await[0]["id"].as_str().unwrap().to_owned();
        let why = async || hub.api().get(&format!("/leads/{lead}/why")).await["records"].clone();
        assert!(why().await[0]["deleted_at"].is_null());

        crm.store().remove("crm.lead", 1);
        let deleted = json!({ "_id": 1, "_model": "crm.lead", "_action": "deleted(#1)", "id": 1 });
        assert_eq!(sink.post_to("/deleted", &deleted).await.status, 200);
        until("the lead says so", async || why().await[0]["deleted_at"].as_str().map(drop)).await;
        let told = hub.cli(&["lead", "show", &lead]);
        assert!(String::from_utf8_lossy(&told.stdout).contains("record 1 in"), "{told:?}");
        // What changes here is no reason to make it again.
        let path = format!("/leads/{lead}/stage");
        hub.api().ask(reqwest::Method::PUT, &path, Some(&json!({ "name": "client" }))).await.expect(200);
        hub.api().ask(reqwest::Method::PUT, &path, Some(&json!({ "name": "lead" }))).await.expect(200);
        hub.api().until_delivered().await;
        assert_eq!(crm.store().all("crm.lead").count(), 0);

        assert_eq!(form.post(&bodies::form("f-2", bodies::PHONE, "Are you there?")).await.status, 200);
        hub.api().until_delivered().await;
        assert_eq!(crm.store().all("crm.lead").count(), 1, "they wrote again");
        let records = why().await;
        assert_eq!((records.as_array().map(Vec::len), records[0]["deleted_at"].is_null()), (Some(1), true), "{records}");
    }
}

#[tokio::test]
async fn a_record_that_was_deleted_behind_the_hubs_back_is_noticed_by_the_next_write_and_not_made_again() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        connected(&hub, &crm).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "How much is it?")).await.status, 200);
        hub.api().until_delivered().await;
        let lead = hub.api().all("/leads").await[0]["id"].as_str().unwrap().to_owned();
        crm.store().remove("crm.lead", 1);
        let path = format!("/leads/{lead}/stage");
        hub.api().ask(reqwest::Method::PUT, &path, Some(&json!({ "name": "client" }))).await.expect(200);
        hub.api().until_delivered().await;
        assert_eq!(crm.store().all("crm.lead").count(), 0);
        assert!(hub.api().get(&format!("/leads/{lead}/why")).await["records"][0]["deleted_at"].is_string());
    }
}

#[tokio::test]
async fn a_record_that_people_merged_into_another_is_followed_when_its_deletion_is_told() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let sink = connected(&hub, &crm).await;
        let head = json!({ "name": "head", "stage_id": 3, "description": "<p>theirs</p>" });
        let head = crm.store().insert("crm.lead", head.as_object().cloned().unwrap());
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "How much is it?")).await.status, 200);
        hub.api().until_delivered().await;
        let lead = hub.api().all("/leads").await[0]["id"].as_str().unwrap().to_owned();
        let ours = hub.api().get(&format!("/leads/{lead}/why")).await["records"][0]["id"].as_str().unwrap().to_owned();
        let merge = reqwest::Client::new().post(format!("{}/json/2/crm.lead/merge_opportunity", crm.url())).bearer_auth(odoo::KEY);
        let merge = merge.header("X-Odoo-Database", odoo::DATABASE).json(&json!({ "ids": [head, ours.parse::<i64>().unwrap()] }));
        assert!(merge.send().await.unwrap().status().is_success());
        let deleted = json!({ "_id": ours.parse::<i64>().unwrap(), "_model": "crm.lead", "_action": "deleted(#1)", "id": 2 });
        assert_eq!(sink.post_to("/deleted", &deleted).await.status, 200);
        let record = async || {
            let records = hub.api().get(&format!("/leads/{lead}/why")).await["records"].clone();
            (records[0]["id"].clone(), records[0]["deleted_at"].is_null())
        };
        until_equal("the lead has the record that is left", (json!(head.to_string()), true), async || record().await).await;
        hub.api().until_delivered().await;
        assert_eq!(crm.store().all("crm.lead").count(), 1);
    }
}
