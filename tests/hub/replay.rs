//! Stored deliveries, read again by the connector and the configuration that are there now.

use patchbay_tests::bodies::{self, API_KEY};
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::vendor::{Answer, Vendor};
use patchbay_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

fn numbers(done: &Value) -> [&Value; 4] {
    [&done["same"], &done["new"], &done["changed"], &done["gone"]]
}

#[tokio::test]
async fn a_mended_configuration_changes_what_was_read_and_adds_nothing_to_a_history() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, Vendor::start(|_| Answer::json(&json!({ "remote_id": "r-1" }))));
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
        let form = hub.connect("webform", json!({})).await;
        let path = format!("/connections/{}", form.id);
        for (id, phone) in [("f-1", bodies::PHONE), ("f-2", "+7 912 000-00-02")] {
            let mut body = bodies::form(id, phone, "hello");
            body["feld7"] = "Тула".into();
            assert_eq!(form.post(&body).await.status, 200);
        }
        hub.api().until_delivered().await;
        let asked = vendor.commands().len();
        let replay = async |apply: bool| hub.api().post(&format!("{path}/replay"), &json!({ "apply": apply })).await.expect(200);
        let done = replay(false).await;
        assert_eq!((numbers(&done), &done["differences"]), ([2, 0, 0, 0].map(|it| json!(it)).each_ref(), &json!([])), "{done}");

        let mapping = json!({ "config": { "mapping": { "city": ["feld7"] } } });
        hub.api().ask(Method::PATCH, &path, Some(&mapping)).await.expect(200);
        let done = replay(false).await;
        assert_eq!(numbers(&done), [0, 0, 2, 0].map(|it| json!(it)).each_ref(), "{done}");
        assert!(done["differences"][0]["places"].as_array().unwrap().contains(&json!("/person/city")), "{done}");
        assert!(!done.to_string().contains("Тула"), "a difference names places and no values");
        assert_eq!((vendor.commands().len(), hub.api().sums(&sink.id).await["pending"].clone()), (asked, json!(0)), "nothing was changed");

        // On the command line, one page after the other.
        let first = hub.cli_json(&["connection", "replay", &form.id, "--apply", "--limit", "1"]);
        assert_eq!((&first["deliveries"], &first["changed"]), (&json!(1), &json!(1)), "{first}");
        let second = hub.cli_json(&["connection", "replay", &form.id, "--apply", "--after", first["next"].as_str().unwrap()]);
        assert_eq!((&second["changed"], &second["next"]), (&json!(1), &Value::Null), "{second}");
        until("the sink heard of both leads", async || (vendor.commands().len() == asked + 2).then_some(())).await;
        hub.api().until_delivered().await;
        let kinds: Vec<Value> = vendor.commands()[asked..].iter().map(|it| it["kind"].clone()).collect();
        assert_eq!(kinds, ["lead.upsert", "lead.upsert"], "the history is not told again");
        for it in hub.api().all("/interactions").await {
            assert_eq!(it["event"]["payload"]["person"]["city"], "Тула", "{it}");
        }

        let done = replay(true).await;
        assert_eq!(numbers(&done), [2, 0, 0, 0].map(|it| json!(it)).each_ref(), "{done}");
        hub.api().until_delivered().await;
        assert_eq!(vendor.commands().len(), asked + 2, "what is the same asks for nothing");
        let sums = hub.api().sums(&form.id).await;
        assert_eq!([&sums["received"], &sums["accepted"]], [2, 2], "{sums}");
    }
}

#[tokio::test]
async fn a_newer_connector_finds_new_events_and_tells_them_once() {
    for engine in Engine::each() {
        let (mut hub, vendor) = (Hub::start(engine).await, Vendor::start(|_| Answer::json(&json!({ "remote_id": "r-1" }))));
        hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
        let source = hub.connect("misbehaving", json!({})).await;
        assert_eq!(source.post(&json!({ "id": "m-1", "text": "hello" })).await.status, 200);
        hub.api().until_delivered().await;
        let read_by = async || source.deliveries().await[0]["read_by"].clone();
        let first = read_by().await;
        assert_eq!(first["digest"], hub.api().get("/connectors/misbehaving").await["digest"], "{first}");
        let asked = vendor.commands().len();

        hub.kill();
        hub.folder().install("mended", "misbehaving");
        hub.serve().await;
        let path = format!("/connections/{}/replay", source.id);
        let done = hub.api().post(&path, &json!({})).await.expect(200);
        assert_eq!(numbers(&done), [0, 1, 0, 1].map(|it| json!(it)).each_ref(), "{done}");
        assert_eq!(hub.api().all("/interactions").await.len(), 1, "nothing was taken over");
        assert_eq!((read_by().await, &done["differences"][0]["before"]), (first.clone(), &first["version"]));
        let other = hub.cli_json(&["connection", "replay", &source.id, "--other-version"]);
        assert_eq!((&other["deliveries"], &other["read_by"]["digest"]), (&json!(1), &done["read_by"]["digest"]), "{other}");

        for again in [false, true] {
            let done = hub.api().post(&path, &json!({ "apply": true })).await.expect(200);
            let same = u32::from(again);
            assert_eq!(numbers(&done), [same, 1 - same, 0, 1].map(|it| json!(it)).each_ref(), "{done}");
            hub.api().until_delivered().await;
            assert_eq!(hub.api().all("/interactions").await.len(), 2, "the event that is read no more stays, the new one is there once");
        }
        let now = read_by().await;
        assert_eq!(now, hub.cli_json(&["connection", "replay", &source.id])["read_by"], "who took it over has read it");
        assert_ne!(now, first);
        let other = hub.cli_json(&["connection", "replay", &source.id, "--other-version"]);
        assert_eq!(other["deliveries"], 0, "{other}");
        let shown = hub.cli_json(&["delivery", "show", source.deliveries().await[0]["id"].as_str().unwrap()]);
        assert_eq!((&shown["read_by"], shown["events"].as_array().map(Vec::len)), (&now, Some(2)), "{shown}");
        let told = vendor.commands()[asked..].iter().filter(|it| it["kind"] == "interaction.add").count();
        assert_eq!(told, 1);
        let sums = hub.api().sums(&source.id).await;
        assert_eq!([&sums["received"], &sums["accepted"]], [1, 1], "{sums}");
    }
}
