//! A real Asterisk 22 and phones around it: each call is one interaction with the right result, by either interface.

use patchbay_tests::api::Connection;
use patchbay_tests::asterisk::Asterisk;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// Who calls whom, how the caller behaves, what becomes of it, and who of us had part in it.
const CALLS: [(&str, &str, &str, &str, Option<&str>); 9] = [
    ("+79001234501", "100", "uac.xml", "answered", Some("101")),
    ("+79001234502", "102", "uac-refused.xml", "missed", Some("102")),
    ("+79001234503", "102", "uac-cancel.xml", "missed", Some("102")),
    ("+79001234504", "103", "uac-busy.xml", "busy", Some("103")),
    ("+79001234505", "104", "uac.xml", "answered", Some("101")),
    ("+79001234506", "105", "uac-refused.xml", "missed", None),
    ("+79001234507", "200", "uac.xml", "answered", Some("101")),
    ("+79001234508", "201", "uac.xml", "missed", None),
    ("+79001234509", "301", "uac-waits.xml", "answered", None),
];
/// One test at a time: there is one PBX, with one phone on each port.
static PBX: Mutex<()> = Mutex::const_new(());
/// Whom one of us calls.
const CALLED: &str = "+79007654321";

async fn connected(hub: &Hub, asterisk: &Asterisk, interface: &str) -> Connection {
    let new = json!({ "connector": "asterisk", "name": interface, "config": asterisk.config(interface), "networks": ["127.0.0.1"] });
    let connection = hub.connect_as(new).await;
    let path = format!("/connections/{}", connection.id);
    until(&format!("the stream by {interface} stands"), async || {
        (hub.api().get(&path).await["stream"]["state"] == "connected").then_some(())
    })
    .await;
    connection
}

/// The calls that the connection of this name told of with this number.
async fn calls(hub: &Hub, interface: &str, number: &str) -> Vec<Value> {
    let all = hub.api().all("/interactions").await;
    let is = |it: &Value| it["event"]["payload"]["person"]["identities"][0]["value"] == number && it["connection"] == interface;
    all.into_iter().filter(is).collect()
}

#[tokio::test]
async fn each_of_ten_calls_is_one_interaction_with_the_right_result_by_either_interface() {
    let asterisk = Asterisk::named();
    let _turn = PBX.lock().await;
    let hub = Hub::start(Engine::Sqlite).await;
    hub.folder().install("asterisk", "asterisk");
    let connections = [("ari", connected(&hub, &asterisk, "ari").await), ("ami", connected(&hub, &asterisk, "ami").await)];
    let _phones = [
        asterisk.phone(5081, "uas").await,
        asterisk.phone(5082, "uas-ring.xml").await,
        asterisk.phone(5083, "uas-busy.xml").await,
        asterisk.phone(5070, "uas").await,
    ];
    for (number, extension, scenario, ..) in CALLS {
        asterisk.call(number, extension, scenario).await;
    }
    // One of us calls out: the phone of 101 rings, then the number is dialled.
    let place = "/channels?endpoint=PJSIP/101&extension=%2B79007654321&context=from-agents&priority=1&channelId=patchbay-tests";
    asterisk.ask(Method::POST, place).await;
    let speak = async || {
        let found = asterisk.ask(Method::GET, "/channels").await;
        let up = found.as_array()?.iter().filter(|it| it["state"] == "Up").count();
        (up == 2).then_some(())
    };
    until("both speak", speak).await;
    asterisk.ask(Method::DELETE, "/channels/patchbay-tests").await;

    let called = (CALLED, "", "", "answered", Some("101"));
    for (interface, connection) in &connections {
        for (number, extension, _, result, employee) in CALLS.into_iter().chain([called]) {
            let what = format!("{number} to `{extension}` by {interface}");
            let ended = async || {
                let found = calls(&hub, interface, number).await;
                found.iter().any(|it| it["event"]["payload"]["call"]["ended_at"].is_string()).then_some(found)
            };
            let found = until(&format!("{what}: the call is over"), ended).await;
            assert_eq!(found.len(), 1, "{what}: {found:#?}");
            let payload = &found[0]["event"]["payload"];
            assert_eq!(payload["call"]["result"], result, "{what}: {payload:#}");
            assert_eq!(payload["direction"], if number == CALLED { "out" } else { "in" }, "{what}: {payload:#}");
            if let Some(employee) = employee {
                assert_eq!(payload["author"]["id"], employee, "{what}: {payload:#}");
            }
            if extension == "100" {
                assert!(payload["call"]["recording"].as_str().is_some_and(|it| it.contains(".wav")), "{what}: {payload:#}");
            }
        }
        let sums = hub.api().sums(&connection.id).await;
        assert_eq!((sums["dead"].as_i64(), sums["refused"].as_i64()), (Some(0), Some(0)), "{interface}: {sums}");
    }
    assert!(!hub.log().contains(asterisk.password()), "the password stands in the log");
}

#[tokio::test]
async fn a_call_that_the_hub_starts_rings_first_with_us_and_then_outside_and_once_by_either_interface() {
    let asterisk = Asterisk::named();
    let _turn = PBX.lock().await;
    let hub = Hub::start(Engine::Sqlite).await;
    hub.folder().install("asterisk", "asterisk");
    let ari = connected(&hub, &asterisk, "ari").await;
    let ami = connected(&hub, &asterisk, "ami").await;
    let report = hub.api().post(&format!("/connections/{}/test", ami.id), &json!({})).await;
    assert!(report.text.contains("22."), "which Asterisk it is: {}", report.text);
    let _phones = [asterisk.phone(5081, "uas").await, asterisk.phone(5070, "uas").await];
    // Somebody calls and hangs up: now there is a conversation with the number.
    let number = "+79001234511";
    asterisk.call(number, "105", "uac-refused.xml").await;
    for connection in [&ari, &ami] {
        let with = async || {
            let all = hub.api().all("/conversations").await;
            let found = all.into_iter().find(|it| it["connection"] == connection.id.as_str() && it["key"] == "79001234511");
            Some(found?["id"].as_str()?.to_owned())
        };
        let conversation = until("the caller is known", with).await;
        let path = format!("/conversations/{conversation}/calls");
        let wanted = json!({ "number": CALLED, "extension": "101", "line": "74951234567", "author": { "name": "Olga" } });
        let outbox = hub.api().post(&path, &wanted).await.expect(202)["outbox"].as_str().expect("its id").to_owned();
        let channel = format!("patchbay-{outbox}");
        let speak = async || {
            let found = asterisk.ask(Method::GET, "/channels").await;
            let up = found.as_array()?.iter().filter(|it| it["state"] == "Up").count();
            (up == 2).then_some(found)
        };
        let channels = until("both speak", speak).await;
        assert!(channels.as_array().expect("a list").iter().any(|it| it["id"] == channel.as_str()), "{channels:#}");
        asterisk.ask(Method::DELETE, &format!("/channels/{channel}")).await;
        let ended = async || {
            let all = hub.api().all("/interactions").await;
            let is = |it: &Value| {
                it["event"]["payload"]["call"]["id"] == channel.as_str() && it["event"]["payload"]["call"]["ended_at"].is_string()
            };
            let found: Vec<Value> = all.into_iter().filter(is).collect();
            // Either connection hears of it.
            (found.len() == 2).then_some(found)
        };
        for it in until("the call is over", ended).await {
            let payload = &it["event"]["payload"];
            assert_eq!(
                [&payload["direction"], &payload["call"]["result"], &payload["author"]["id"]],
                ["out", "answered", "101"],
                "{payload:#}"
            );
            assert_eq!(payload["person"]["identities"][0]["value"], CALLED, "{payload:#}");
        }
        assert_eq!(hub.api().get(&format!("/outbox/{outbox}")).await["state"], "delivered");
        for (wanted, at) in
            [(json!({ "number": "+7 900" }), "/number"), (json!({ "extension": "1 2" }), "/extension"), (json!({ "line": "x" }), "/line")]
        {
            let refused = hub.api().post(&path, &wanted).await;
            assert_eq!((refused.status, refused.json()["faults"][0]["at"].as_str()), (422, Some(at)), "{}", refused.text);
        }
    }
    assert!(!hub.log().contains(asterisk.password()), "the password stands in the log");
}
