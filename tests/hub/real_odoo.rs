//! Both ways with a real Odoo: what comes in by two channels is one record there, and what people do there comes back.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::odoo::Odoo;
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

use crate::mapping;

/// A hub whose sink began to listen for changes: what was there before is not told.
async fn connected(engine: Engine, odoo: &Odoo) -> (Hub, Connection) {
    let hub = Hub::start(engine).await;
    let sink = hub.connect("odoo", odoo.config()).await;
    let path = format!("/connections/{}", sink.id);
    until("the sink was asked for the first time", async || hub.api().get(&path).await["cursor"].as_str().map(drop)).await;
    (hub, sink)
}

/// Has the hub ask at once instead of within half a minute: a connection that was changed is asked anew.
async fn ask_now(hub: &Hub, sink: &Connection) {
    for step in ["pause", "resume"] {
        hub.api().post(&format!("/connections/{}/{step}", sink.id), &Value::Null).await.expect(200);
    }
}

/// What the hub shows of a lead.
async fn lead(hub: &Hub, id: &str) -> Value {
    hub.api().get(&format!("/leads/{id}")).await
}

/// The person's form, with a phone of their own.
async fn fill_in(form: &Connection, id: &str, phone: &str, message: &str) {
    assert_eq!(form.post(&bodies::form(id, phone, message)).await.status, 200);
}

#[tokio::test]
async fn a_form_and_a_message_of_one_person_are_one_record_of_odoo_with_its_history() {
    let (odoo, telegram_header) = (Odoo::named(), (bodies::TELEGRAM_HEADER, bodies::WEBHOOK_SECRET));
    for engine in Engine::each() {
        let (hub, sink) = connected(engine, &odoo).await;
        let form = hub.connect("webform", json!({})).await;
        let bot = hub.connect("telegram", crate::intake::webhook_config()).await;
        let phone = Odoo::phone();

        fill_in(&form, "f-1", &phone, "How much is it?").await;
        let mut shared = bodies::telegram(1, 77, "");
        shared["message"].as_object_mut().unwrap().remove("text");
        shared["message"]["contact"] = json!({ "phone_number": phone, "first_name": "Анна", "user_id": 77 });
        for body in [shared, bodies::telegram(2, 77, "It is me, call me <b>today</b>")] {
            // Posted twice, as vendors do: nothing of it is there twice.
            for _ in 0..2 {
                assert_eq!(bot.deliver("", &[telegram_header], body.to_string()).await.unwrap().status, 200);
            }
        }
        hub.api().until_delivered().await;

        let records = odoo.leads(&phone).await;
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(records[0]["phone"], phone);
        let notes = odoo.notes(records[0]["id"].as_i64().unwrap()).await;
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].contains("How much is it?"), "{notes:?}");
        assert!(notes[2].contains("It is me, call me &lt;b&gt;today&lt;/b&gt;"), "what people write is no HTML: {notes:?}");
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!([&sums["outbox_dead"], &sums["pending"]], [0, 0], "{sums}");
        assert!(!hub.log().contains(odoo.key()), "the key stands in the log");
    }
}

#[tokio::test]
async fn what_people_do_in_odoo_comes_back_by_the_poll() {
    let odoo = Odoo::named();
    let second = odoo.second_user().await;
    for engine in Engine::each() {
        let (hub, sink) = connected(engine, &odoo).await;
        let form = hub.connect("webform", json!({})).await;
        let (won, lost, given) = (Odoo::phone(), Odoo::phone(), Odoo::phone());
        let mut ids = Vec::new();
        for (number, phone) in [&won, &lost, &given].into_iter().enumerate() {
            fill_in(&form, &format!("f-{number}"), phone, "hello").await;
            ids.push(hub.api().all("/leads").await[0]["id"].as_str().unwrap().to_owned());
        }
        hub.api().until_delivered().await;
        let before = lead(&hub, &ids[2]).await;
        let created = hub.api().sums(&sink.id).await["created"].clone();

        let record = async |phone: &str| json!([odoo.leads(phone).await[0]["id"]]);
        odoo.call("crm.lead", "action_set_won", json!({ "ids": record(&won).await })).await;
        odoo.call("crm.lead", "action_set_lost", json!({ "ids": record(&lost).await })).await;
        odoo.call("crm.lead", "write", json!({ "ids": record(&given).await, "vals": { "user_id": second } })).await;
        ask_now(&hub, &sink).await;

        until_equal("the one that was won is a client", json!("client"), async || lead(&hub, &ids[0]).await["stage"]["name"].clone()).await;
        until_equal("the one that was lost is refused", json!("refused"), async || lead(&hub, &ids[1]).await["stage"]["name"].clone())
            .await;
        until_equal("somebody else answers", json!("Second Seller"), async || lead(&hub, &ids[2]).await["responsible"]["name"].clone())
            .await;
        let after = lead(&hub, &ids[2]).await;
        for field in ["title", "stage", "next_contact_at", "contact"] {
            assert_eq!(after[field], before[field], "nobody changed it: {field}");
        }
        let told: Vec<Value> = sink.deliveries().await.iter().map(|it| it["origin"].clone()).collect();
        assert!(!told.is_empty() && told.iter().all(|it| it == "poll"), "{told:?}");
        // What Odoo said is not said to Odoo again.
        assert_eq!(hub.api().sums(&sink.id).await["created"], created);

        // Whoever turns to us again after a no is a new lead, here and there.
        fill_in(&form, "f-again", &lost, "I thought about it").await;
        hub.api().until_delivered().await;
        let records = odoo.leads(&lost).await;
        assert_eq!(records.iter().map(|it| it["won_status"].clone()).collect::<Vec<_>>(), ["lost", "pending"], "{records:?}");
        assert!(!hub.log().contains(odoo.key()), "the key stands in the log");
    }
}

#[tokio::test]
async fn a_plan_tells_odoo_nothing_and_the_write_does_what_was_planned() {
    let odoo = Odoo::named();
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let sink = hub.connect("odoo", odoo.config()).await;
        let form = hub.connect("webform", json!({})).await;
        let path = format!("/connections/{}", sink.id);
        let (status, saved) = mapping::put(&hub, &sink, &mapping::mapping("План")).await;
        assert_eq!(status, 200, "{saved}");
        hub.api().post(&format!("{path}/pause"), &Value::Null).await.expect(200);
        let phone = Odoo::phone();
        mapping::fill_in(&form, "f-1", &phone, "1500").await;
        let plan = hub.api().post(&format!("{path}/plan"), &json!({})).await.expect(200);
        assert_eq!(plan["sums"], json!({ "create": 1 }), "{plan}");
        assert_eq!(mapping::change(&plan["items"][0], "function"), Some((Value::Null, json!("директор"))), "{plan}");
        assert_eq!(odoo.leads(&phone).await, [Value::Null; 0], "nothing was written");

        hub.api().post(&format!("{path}/resume"), &Value::Null).await.expect(200);
        hub.api().until_delivered().await;
        let record = odoo.leads(&phone).await[0].clone();
        assert_eq!(record["name"], format!("План {phone}"));
        let plan = hub.api().post(&format!("{path}/plan"), &json!({})).await.expect(200);
        assert_eq!(plan["sums"], json!({ "leave": 1 }), "{plan}");
        let changed = json!({ "mapping": { "fields": { "expected_revenue": "int(form.budget) * 2" } } });
        let plan = hub.api().post(&format!("{path}/plan"), &changed).await.expect(200);
        assert_eq!(mapping::change(&plan["items"][0], "expected_revenue"), Some((json!(1_500.0), json!(3_000))), "{plan}");
    }
}
