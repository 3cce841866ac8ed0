//! What goes out to a sink: order, retries, pauses, dead letters.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::{self, API_KEY};
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::{self, FakeOdoo, Misbehave};
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::vendor::{Answer, Asked, Vendor};
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

/// A vendor that takes every command and gives leads an id of its own.
fn willing() -> Vendor {
    Vendor::start(took)
}

fn took(asked: &Asked) -> Answer {
    Answer::json(&json!({ "remote_id": format!("r-{}", asked.document["idempotency_key"].as_str().unwrap_or_default()) }))
}

async fn sink(hub: &Hub, vendor: &Vendor) -> Connection {
    hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await
}

/// A source whose messages come from the body as they are, without being a sink's business.
async fn write(source: &Connection, handle: &str, text: &str) {
    let body = json!({ "id": format!("{handle}:{text}"), "text": text });
    let events = json!({ "events": [{ "id": body["id"], "payload": bodies::message("", handle, text)["payload"] }] });
    assert_eq!(source.post_to("/event", &events).await.status, 200);
}

fn texts(commands: &[Value], kind: &str) -> Vec<String> {
    let text = |it: &Value| it["payload"]["event"]["payload"]["text"].as_str().unwrap_or_default().to_owned();
    commands.iter().filter(|it| it["kind"] == kind).map(text).collect()
}

async fn state(hub: &Hub, connection: &Connection) -> Value {
    hub.api().get(&format!("/connections/{}", connection.id)).await["state"].clone()
}

#[tokio::test]
async fn a_paused_sink_collects_and_gets_everything_after_the_pause() {
    for engine in Engine::each() {
        let (mut hub, vendor) = (Hub::start(engine).await, willing());
        let sink = sink(&hub, &vendor).await;
        let source = hub.connect("misbehaving", json!({})).await;
        hub.api().post(&format!("/connections/{}/pause", sink.id), &Value::Null).await.expect(200);
        // A hub that runs takes the pause over within a second; one that starts has it from the beginning.
        hub.kill();
        hub.serve().await;
        for person in ["anna", "boris", "vera"] {
            write(&source, person, "while it sleeps").await;
        }
        assert_eq!(hub.api().sums(&sink.id).await["pending"], 6);
        assert!(vendor.commands().is_empty());

        hub.api().post(&format!("/connections/{}/resume", sink.id), &Value::Null).await.expect(200);
        hub.api().until_delivered().await;
        let arrived = texts(&vendor.commands(), "interaction.add");
        assert_eq!(arrived.iter().filter(|it| *it == "while it sleeps").count(), 3, "{arrived:?}");
    }
}

#[tokio::test]
async fn a_refused_credential_breaks_the_connection_and_a_new_one_mends_it() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let config = json!({ "base_url": crm.url(), "database": odoo::DATABASE, "api_key": "revoked-key-of-the-tests" });
        let sink = hub.connect("odoo", config).await;
        let form = hub.connect("webform", json!({})).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.status, 200);
        until("the connection is broken", async || state(&hub, &sink).await.to_string().contains("broken").then_some(())).await;
        assert_eq!(crm.store().created(), 0);

        // A second lead waits with the first one; nothing of it is lost or dead.
        assert_eq!(form.post(&bodies::form("f-2", "+7 912 000-00-02", "hello")).await.status, 200);
        let output = hub.cli_any(&["connection", "update", &sink.id, "--secrets-stdin"], &format!("api_key={}\n", odoo::KEY));
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !said.contains(odoo::KEY), "{said}");
        hub.api().until_delivered().await;
        assert_eq!(crm.store().created(), 2);
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!(sums["outbox_dead"], 0, "{sums}");
    }
}

#[tokio::test]
async fn what_the_sink_refuses_for_good_is_a_dead_letter_that_can_be_redriven() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, willing());
        vendor.now(|_| Answer::failure("vendor.field", "never"));
        let sink = sink(&hub, &vendor).await;
        let source = hub.connect("misbehaving", json!({})).await;
        write(&source, "anna", "hello").await;
        let dead = until("both commands are dead", async || Some(hub.api().all("/dead-letters").await).filter(|it| it.len() == 2)).await;
        let upsert = dead.iter().find(|it| it["kind"] == "lead.upsert").unwrap();
        assert!(upsert["reason"].as_str().unwrap().starts_with("vendor.field"), "{upsert}");
        let asked = vendor.commands().len();

        vendor.now(took);
        for kind in ["lead.upsert", "interaction.add"] {
            let letter = dead.iter().find(|it| it["kind"] == kind).unwrap();
            let path = format!("/dead-letters/{}/redrive", letter["id"].as_str().unwrap());
            assert_eq!(hub.api().post(&path, &Value::Null).await.expect(200)["now"], "pending");
            hub.api().until_delivered().await;
        }
        let kinds: Vec<Value> = vendor.commands()[asked..].iter().map(|it| it["kind"].clone()).collect();
        assert_eq!(kinds, ["lead.upsert", "interaction.add"]);
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!([&sums["created"], &sums["delivered"], &sums["outbox_dead"]], [2, 2, 0], "{sums}");
    }
}

#[tokio::test]
async fn the_history_of_a_lead_arrives_in_its_order_even_when_every_other_call_fails() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, willing());
        let calls = AtomicU32::new(0);
        vendor.now(move |asked| match calls.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => Answer::failure("vendor.busy", "later"),
            1 => Answer::status(503),
            2 => Answer::failure("vendor.rate_limited", 30),
            _ => took(asked),
        });
        let _sink = sink(&hub, &vendor).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let wanted: Vec<String> = (0..8).map(|it| format!("message {it}")).collect();
        for text in &wanted {
            write(&source, "anna", text).await;
            write(&source, "boris", text).await;
        }
        hub.api().until_delivered().await;

        let mut taken: HashMap<String, Vec<String>> = HashMap::new();
        let mut seen = std::collections::HashSet::new();
        // Of each command the last try is the one that was taken.
        for command in vendor.commands().iter().rev().filter(|it| it["kind"] == "interaction.add") {
            if seen.insert(command["idempotency_key"].to_string()) {
                let person = command["payload"]["event"]["payload"]["conversation"]["key"].to_string();
                taken.entry(person).or_default().insert(0, command["payload"]["event"]["payload"]["text"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(taken.len(), 2);
        assert!(taken.values().all(|it| *it == wanted), "{taken:?}");
    }
}

#[tokio::test]
async fn one_stuck_lead_holds_up_nobody_else() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, willing());
        vendor.now(
            |asked| {
                if asked.document.to_string().contains("stuck") { Answer::failure("vendor.busy", "later") } else { took(asked) }
            },
        );
        let sink = sink(&hub, &vendor).await;
        let source = hub.connect("misbehaving", json!({})).await;
        // More stuck leads than the sink has places.
        for number in 0..6 {
            write(&source, &format!("stuck-{number}"), "stuck").await;
        }
        for number in 0..12 {
            write(&source, &format!("free-{number}"), "free").await;
        }
        until_equal("twelve histories arrive", 12, async || {
            texts(&vendor.commands(), "interaction.add").iter().filter(|it| *it == "free").count()
        })
        .await;
        assert!(hub.api().sums(&sink.id).await["pending"].as_i64().unwrap() >= 6, "the stuck ones still wait");
        vendor.now(took);
        hub.api().until_delivered().await;
        assert_eq!(hub.api().sums(&sink.id).await["outbox_dead"], 0);
    }
}

#[tokio::test]
async fn a_sink_that_is_down_is_given_up_after_the_configured_tries() {
    for engine in Engine::each() {
        let vendor = Vendor::start(|_| Answer::status(502));
        let hub = Hub::start_with(engine, &Settings { tries: 3, ..Settings::default() }).await;
        let _sink = sink(&hub, &vendor).await;
        let source = hub.connect("misbehaving", json!({})).await;
        write(&source, "anna", "hello").await;
        let dead =
            until("the lead is given up", async || hub.api().all("/dead-letters").await.into_iter().find(|it| it["kind"] == "lead.upsert"))
                .await;
        assert!(dead["reason"].as_str().unwrap().contains("3 tries"), "{dead}");
        let row = hub.api().get(&format!("/outbox/{}", dead["id"].as_str().unwrap())).await;
        assert_eq!(row["tries"].as_array().unwrap().len(), 3, "{row}");
        assert_eq!(vendor.commands().iter().filter(|it| it["kind"] == "lead.upsert").count(), 3);
    }
}

#[tokio::test]
async fn a_sink_makes_a_record_when_its_connection_wants_it() {
    for engine in Engine::each() {
        let (crm, vendor) = (FakeOdoo::start().unwrap(), willing());
        let mut hub = Hub::start(engine).await;
        hub.connect("odoo", crate::intake::odoo_config(&crm)).await;
        let always = hub.connect("odoo", crate::intake::odoo_config(&crm)).await;
        set_delivery(&hub, &always, json!({ "new_record": "always" })).await;
        let told = sink(&hub, &vendor).await;
        set_delivery(&hub, &told, json!({ "new_record": "unless_known" })).await;
        let form = hub.connect("webform", json!({})).await;
        hub.kill();
        hub.serve().await;
        // Somebody in the CRM knows the person already.
        let by_hand = json!({ "vals_list": [{ "name": "by hand", "phone": bodies::PHONE }] });
        let create = reqwest::Client::new().post(format!("{}/json/2/crm.lead/create", crm.url())).bearer_auth(odoo::KEY);
        let made = create.header("x-odoo-database", odoo::DATABASE).json(&by_hand).send().await.unwrap();
        assert_eq!(made.status(), 200);
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.status, 200);
        hub.api().until_delivered().await;
        let upserts: Vec<Value> = vendor.commands().into_iter().filter(|it| it["kind"] == "lead.upsert").collect();
        assert_eq!(upserts[0]["payload"]["new_record"], "unless_known");
        let records = crm.store().all("crm.lead").count();
        assert_eq!(records, 2, "the one that always makes its own made one, the one that says nothing special joined the open one");
    }
}

async fn set_delivery(hub: &Hub, connection: &Connection, delivery: Value) {
    let path = format!("/connections/{}", connection.id);
    hub.api().ask(reqwest::Method::PATCH, &path, Some(&json!({ "delivery": delivery }))).await.expect(200);
}

#[tokio::test]
async fn a_vendor_that_names_a_time_is_left_alone_until_then_and_no_try_is_lost() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, willing());
        let limited = AtomicU32::new(0);
        // The first request of many at once is one too many.
        vendor.now(move |asked| match limited.fetch_add(1, Ordering::Relaxed) {
            0..4 => Answer { headers: vec![("retry-after", "2".to_owned())], ..Answer::status(429) },
            _ => took(asked),
        });
        let sink = sink(&hub, &vendor).await;
        // One failure that counts would be the end of a row.
        set_delivery(&hub, &sink, json!({ "tries": 1 })).await;
        let source = hub.connect("misbehaving", json!({})).await;
        for number in 0..12 {
            write(&source, &format!("person-{number}"), "hello").await;
        }
        let hold = until("it is held up", async || {
            let shown = hub.api().get(&format!("/connections/{}", sink.id)).await;
            shown.get("hold").cloned()
        })
        .await;
        assert_eq!(hold["state"], "after", "{hold}");
        assert!(hub.api().metric("patchbay_held_seconds").await <= 2);
        let asked = vendor.commands().len();
        assert!(asked <= 4, "what was under way and nothing more: {asked}");
        hub.api().until_delivered().await;
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!([&sums["delivered"], &sums["outbox_dead"]], [24, 0], "{sums}");
    }
}

#[tokio::test]
async fn a_vendor_that_is_down_is_left_alone_but_for_probes_and_gets_everything_when_it_is_back() {
    for engine in Engine::each() {
        let (hub, vendor, other) = (Hub::start(engine).await, Vendor::start(|_| Answer::status(502)), willing());
        let (down, up) = (sink(&hub, &vendor).await, sink(&hub, &other).await);
        // Ten failures of its own would be the end of a row, sixty that of all.
        set_delivery(&hub, &down, json!({ "tries": 10, "first_wait_ms": 50, "breaker_failures": 3, "breaker_longest_wait_ms": 50 })).await;
        let source = hub.connect("misbehaving", json!({})).await;
        for number in 0..6 {
            write(&source, &format!("person-{number}"), "hello").await;
        }
        let probes = async || {
            let shown = hub.api().get(&format!("/connections/{}", down.id)).await;
            shown["hold"]["probes"].as_i64().unwrap_or(-1)
        };
        let probed = async |wanted| until("the vendor is probed", async || Some(probes().await).filter(|it| *it >= wanted)).await;
        let first = probed(1).await;
        let before = vendor.commands().len();
        let last = probed(first + 60).await;
        let tries = vendor.commands().len() - before;
        assert!(tries <= usize::try_from(last - first).unwrap() + 1, "{tries} tries, {first} to {last} probes");
        assert!(hub.api().metric("patchbay_breaker_state").await >= 1);
        let shown = String::from_utf8(hub.cli(&["connection", "show", &down.id]).stdout).unwrap();
        assert!(shown.contains("seems to be down"), "{shown}");
        until_equal("the other sink has everything", 0, async || hub.api().sums(&up.id).await["pending"].as_i64().unwrap()).await;
        assert_eq!(hub.api().sums(&down.id).await["outbox_dead"], 0, "an outage kills no row");

        vendor.now(took);
        hub.api().until_delivered().await;
        let sums = hub.api().sums(&down.id).await;
        assert_eq!([&sums["pending"], &sums["outbox_dead"]], [0, 0], "{sums}");
        assert_eq!(hub.api().get(&format!("/connections/{}", down.id)).await.get("hold"), None);
        assert_eq!(hub.api().metric("patchbay_breaker_state").await, 0);
    }
}

#[tokio::test]
async fn whoever_resumes_a_connection_ends_its_wait() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let vendor = Vendor::start(|_| Answer { headers: vec![("retry-after", "3600".to_owned())], ..Answer::status(429) });
        let sink = sink(&hub, &vendor).await;
        let source = hub.connect("misbehaving", json!({})).await;
        write(&source, "anna", "hello").await;
        let path = format!("/connections/{}", sink.id);
        until("it is held up", async || hub.api().get(&path).await.get("hold").map(drop)).await;
        vendor.now(took);
        hub.api().post(&format!("{path}/resume"), &Value::Null).await.expect(200);
        hub.api().until_delivered().await;
        assert_eq!(hub.api().sums(&sink.id).await["delivered"], 2);
    }
}

#[tokio::test]
async fn a_delivery_setting_that_makes_no_sense_is_refused_by_name() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, willing());
    let sink = sink(&hub, &vendor).await;
    let path = format!("/connections/{}", sink.id);
    for (delivery, at) in [(json!({ "tries": 0 }), "/delivery/tries"), (json!({ "trys": 5 }), "/delivery/trys")] {
        let refused = hub.api().ask(reqwest::Method::PATCH, &path, Some(&json!({ "delivery": delivery }))).await.expect(422);
        assert_eq!(refused["faults"][0]["at"], at, "{refused}");
    }
    let update = ["connection", "update", &sink.id, "--no-test", "--delivery"];
    assert!(hub.cli_any(&[&update[..], &["tries=7"]].concat(), "").status.success());
    assert_eq!(hub.api().get(&path).await["delivery"], json!({ "tries": 7 }));
    assert_eq!(hub.cli_any(&[&update[..], &["first_wait_ms=soon"]].concat(), "").status.code(), Some(6));
    assert!(hub.cli_any(&[&update[..], &["tries="]].concat(), "").status.success());
    assert_eq!(hub.api().get(&path).await["delivery"], json!({}));
}

#[tokio::test]
async fn an_answer_that_is_lost_on_its_way_back_makes_no_second_record() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let _sink = hub.connect("odoo", crate::intake::odoo_config(&crm)).await;
        let form = hub.connect("webform", json!({})).await;
        for method in ["crm.lead/load", "crm.lead/message_post", "*"] {
            crm.misbehave(method, Misbehave::LoseAnswer);
        }
        crm.misbehave("*", Misbehave::Status(503));
        crm.misbehave("*", Misbehave::Break);
        for number in 0..4 {
            let phone = format!("+7 912 100-00-0{number}");
            assert_eq!(form.post(&bodies::form(&format!("f-{number}"), &phone, "hello")).await.status, 200);
        }
        hub.api().until_delivered().await;
        let store = crm.store();
        assert_eq!(store.created(), 4);
        for lead in store.all("crm.lead") {
            assert_eq!(store.notes(lead["id"].as_i64().unwrap()).len(), 1, "{lead:?}");
        }
    }
}
