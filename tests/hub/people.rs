//! People: what a sink is told of them.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::{self, FakeOdoo};
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until;
use serde_json::{Value, json};

/// Bodies of a record's notes that speak of how many people there are.
fn told(crm: &FakeOdoo, record: i64) -> Vec<String> {
    let store = crm.store();
    let bodies = store.notes(record).into_iter().map(|it| it["body"].as_str().unwrap().to_owned());
    bodies.filter(|it| it.contains("patchbay: ")).collect()
}

async fn contact_ids(hub: &Hub) -> Vec<String> {
    hub.api().all("/contacts").await.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_merge_and_its_taking_back_are_noted_with_both_records_and_each_links_to_the_other() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let config = json!({ "base_url": crm.url(), "database": odoo::DATABASE, "api_key": odoo::KEY });
        let _sink = hub.connect("odoo", config).await;
        let form = hub.connect("webform", json!({})).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.status, 200);
        assert_eq!(form.post(&bodies::form("f-2", "+7 912 000-00-02", "hello")).await.status, 200);
        hub.api().until_delivered().await;
        let records: Vec<i64> = crm.store().all("crm.lead").filter_map(|it| it["id"].as_i64()).collect();
        assert_eq!(records.len(), 2);

        let contacts = contact_ids(&hub).await;
        let _merged = hub.cli(&["contacts", "merge", &contacts[0], &contacts[1]]);
        hub.api().until_delivered().await;
        for (record, other) in [(records[0], records[1]), (records[1], records[0])] {
            let notes = told(&crm, record);
            assert_eq!(notes.len(), 1, "{notes:?}");
            assert!(
                notes[0].contains("are of one person") && notes[0].contains(&format!("{}/odoo/crm.lead/{other}\"", crm.url())),
                "{notes:?}"
            );
        }
        // By name: the CRM may have said something of the person since, which is a contact too.
        let youngest = contacts.iter().max().unwrap();
        hub.api().post(&format!("/contacts/{youngest}/unmerge"), &Value::Null).await.expect(200);
        hub.api().until_delivered().await;
        assert_eq!(contact_ids(&hub).await.len(), 2);
        for record in &records {
            let notes = told(&crm, *record);
            assert!(notes.len() == 2 && notes[1].contains("are of two people"), "{notes:?}");
        }
        assert_eq!(crm.store().all("crm.lead").count(), 2, "nothing was merged there");
    }
}

#[tokio::test]
async fn where_the_crm_merges_records_a_merge_that_is_taken_back_gives_the_other_person_a_record_again() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let config = json!({ "base_url": crm.url(), "database": odoo::DATABASE, "api_key": odoo::KEY, "merge": "opportunities" });
        let _sink = hub.connect("odoo", config).await;
        let form = hub.connect("webform", json!({})).await;
        let phones = ["+79120000001", "+79120000002"];
        for phone in phones {
            assert_eq!(form.post(&bodies::form(&format!("f-{phone}"), phone, "hello")).await.status, 200);
            // One after the other, so that the first record is the first person's.
            hub.api().until_delivered().await;
        }
        let records = || crm.store().all("crm.lead").filter_map(|it| it["id"].as_i64()).collect::<Vec<_>>();
        let said = |record: i64, text: &str| {
            crm.store().notes(record).into_iter().filter(|it| it["body"].as_str().is_some_and(|it| it.contains(text))).count()
        };
        let before = records();
        assert_eq!(before.len(), 2);

        let contacts = contact_ids(&hub).await;
        let _merged = hub.cli(&["contacts", "merge", &contacts[0], &contacts[1]]);
        hub.api().until_delivered().await;
        assert_eq!(records(), before[..1], "one person, one record");
        let one = before[0];
        assert_eq!(said(one, "hello"), 2);
        assert_eq!(form.post(&bodies::form("f-3", phones[1], "again")).await.status, 200);
        hub.api().until_delivered().await;
        assert_eq!((records(), said(one, "again")), (vec![one], 1), "what comes in goes into the record that is left");

        // By name: the CRM may have said something of the person since, which is a contact too.
        let youngest = contacts.iter().max().unwrap();
        hub.api().post(&format!("/contacts/{youngest}/unmerge"), &Value::Null).await.expect(200);
        hub.api().until_delivered().await;
        let after = records();
        assert!(after.len() == 2 && after[0] == one, "{after:?}");
        let phone = crm.store().get("crm.lead", after[1]).unwrap()["phone"].clone();
        assert_eq!((phone.as_str(), said(after[1], "hello"), said(after[1], "again")), (Some(phones[1]), 1, 1), "with what was said");
        for (record, other) in [(one, after[1]), (after[1], one)] {
            let notes = told(&crm, record);
            let parted = notes.last().unwrap();
            assert!(parted.contains("are of two people") && parted.contains(&format!("/odoo/crm.lead/{other}\"")), "{notes:?}");
        }
        // Each has their own again.
        assert_eq!(form.post(&bodies::form("f-4", phones[1], "once more")).await.status, 200);
        hub.api().until_delivered().await;
        assert_eq!((said(one, "once more"), said(after[1], "once more")), (0, 1));
    }
}

/// People of the CRM merge these two records, and its rule on deletion tells of the one that is gone.
async fn merge_there(crm: &FakeOdoo, sink: &Connection, kept: i64, gone: i64) {
    let merge = reqwest::Client::new().post(format!("{}/json/2/crm.lead/merge_opportunity", crm.url())).bearer_auth(odoo::KEY);
    let merge = merge.header("X-Odoo-Database", odoo::DATABASE).json(&json!({ "ids": [kept, gone] }));
    assert!(merge.send().await.unwrap().status().is_success());
    assert!(crm.store().get("crm.lead", gone).is_none());
    let deleted = json!({ "_id": gone, "_model": "crm.lead", "_action": "deleted(#1)", "id": gone });
    assert_eq!(sink.post_to("/deleted", &deleted).await.status, 200);
}

#[tokio::test]
async fn records_of_two_people_that_sellers_merge_raise_a_question_whose_answer_joins_the_people_or_parts_the_records() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let sink = hub.connect("odoo", crate::intake::odoo_config(&crm)).await;
        let form = hub.connect("webform", json!({})).await;
        let phones = ["+79120000001", "+79120000002", "+79120000003"];
        for phone in phones {
            assert_eq!(form.post(&bodies::form(&format!("f-{phone}"), phone, "hello")).await.status, 200);
            // One after the other, so that records and people are in one order.
            hub.api().until_delivered().await;
        }
        let records = || crm.store().all("crm.lead").filter_map(|it| it["id"].as_i64()).collect::<Vec<_>>();
        let before = records();
        let asked = async |what: &str| {
            let merged = |it: &Value| it["asked_by"] == "merged_record";
            let question = until(what, async || hub.api().all("/questions").await.into_iter().find(merged)).await;
            assert!(question["because"].as_str().is_some_and(|it| it.ends_with(" shows both under one record")), "{question}");
            question
        };

        merge_there(&crm, &sink, before[0], before[1]).await;
        let question = asked("somebody is asked about the first two").await;
        assert_eq!(contact_ids(&hub).await.len(), 3, "nobody is joined by it");
        let told = hub.cli(&["contacts", "duplicates"]);
        assert!(String::from_utf8_lossy(&told.stdout).contains("shows both under one record"), "{told:?}");
        let path = format!("/questions/{}/answer", question["id"].as_str().unwrap());
        hub.api().post(&path, &json!({ "answer": "yes" })).await.expect(200);
        let people = contact_ids(&hub).await;
        assert_eq!(people.len(), 2);
        let why = hub.api().get(&format!("/contacts/{}/why", people[1])).await;
        assert!(why["merges"][0]["because"].as_str().is_some_and(|it| it.contains("under one record")), "{why}");
        hub.api().until_delivered().await;

        merge_there(&crm, &sink, before[0], before[2]).await;
        let question = asked("somebody is asked about the third").await;
        let _no = hub.cli(&["contacts", "answer", question["id"].as_str().unwrap(), "no"]);
        hub.api().until_delivered().await;
        assert_eq!(contact_ids(&hub).await.len(), 2);
        let after = records();
        assert!(after.len() == 2 && after[0] == before[0], "each person has a record: {after:?}");
        let own = crm.store().get("crm.lead", after[1]).unwrap()["phone"].clone();
        let said = crm.store().notes(after[1]).into_iter().filter(|it| it["body"].as_str().is_some_and(|it| it.contains("hello"))).count();
        assert_eq!((own.as_str(), said), (Some(phones[2]), 1), "with what was said");
    }
}
