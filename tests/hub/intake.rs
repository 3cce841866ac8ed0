//! What comes in: from the vendor's post to the lead and on to the CRM.

use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::{self, FakeOdoo};
use patchbay_tests::hub::Hub;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The configuration of the sink.
pub fn odoo_config(crm: &FakeOdoo) -> Value {
    json!({ "base_url": crm.url(), "database": odoo::DATABASE, "api_key": odoo::KEY })
}

/// The configuration of a bot that Telegram posts to.
pub fn webhook_config() -> Value {
    json!({ "token": bodies::BOT_TOKEN, "mode": "webhook", "webhook_secret": bodies::WEBHOOK_SECRET })
}

#[tokio::test]
async fn a_form_becomes_one_lead_and_reaches_the_crm_once_however_often_it_is_posted() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let hub = Hub::start(engine).await;
        let sink = hub.connect("odoo", odoo_config(&crm)).await;
        let form = hub.connect("webform", json!({})).await;
        let body = bodies::form("f-1", bodies::PHONE, "How much is it?");

        for _ in 0..3 {
            assert_eq!(form.post(&body).await.status, 200);
        }
        hub.api().until_delivered().await;

        let leads = hub.api().all("/leads").await;
        assert_eq!(leads.len(), 1, "{engine:?}");
        assert_eq!(leads[0]["stage"]["name"].as_str().or(leads[0]["stage"].as_str()), Some("lead"), "{}", leads[0]);
        let outcomes: Vec<Value> = form.deliveries().await.iter().map(|it| it["outcome"].clone()).collect();
        assert_eq!(outcomes, ["duplicate", "duplicate", "accepted"]);
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!(sums["outbox_dead"], 0, "{sums}");

        let store = crm.store();
        assert_eq!(store.created(), 1);
        let reference = format!("patchbay.{}", leads[0]["id"].as_str().unwrap());
        let record = store.external(&reference).expect("the CRM has it by our reference");
        assert_eq!(record["phone"], bodies::PHONE_E164);
        assert_eq!(store.notes(record["id"].as_i64().unwrap()).len(), 1);
    }
}

#[tokio::test]
async fn telegram_proves_itself_by_its_secret_and_nobody_else_leaves_a_trace() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let bot = hub.connect("telegram", webhook_config()).await;
        let body = || bodies::telegram(1, 77, "Hello").to_string();

        for headers in [&[][..], &[(bodies::TELEGRAM_HEADER, "guessed")], &[(bodies::TELEGRAM_HEADER, "")]] {
            assert_eq!(bot.deliver("", headers, body()).await.unwrap().status, 401);
        }
        assert!(bot.deliveries().await.is_empty());
        assert_eq!(hub.api().metric("patchbay_unverified_total").await, 3);
        assert_eq!(hub.api().metric("patchbay_deliveries_received_total").await, 0);

        let headers = [(bodies::TELEGRAM_HEADER, bodies::WEBHOOK_SECRET)];
        assert_eq!(bot.deliver("", &headers, body()).await.unwrap().status, 200);
        let interactions = hub.api().all("/interactions").await;
        assert_eq!(interactions.len(), 1);
        assert_eq!(interactions[0]["event"]["payload"]["text"], "Hello");
        let kept = &bot.deliveries().await[0];
        assert!(!kept.to_string().contains(bodies::WEBHOOK_SECRET), "{kept}");
    }
}

#[tokio::test]
async fn a_delivery_that_comes_many_times_at_once_counts_once() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let bot = hub.connect("telegram", webhook_config()).await;
        let mut posts = JoinSet::new();
        for number in 0..24 {
            let (bot, body) = (bot.clone(), bodies::telegram(1 + number % 3, 77, &format!("text {}", number % 3)).to_string());
            posts.spawn(async move { bot.deliver("", &[(bodies::TELEGRAM_HEADER, bodies::WEBHOOK_SECRET)], body).await.unwrap().status });
        }
        assert!(posts.join_all().await.into_iter().all(|it| it == 200));

        let sums = hub.api().sums(&bot.id).await;
        assert_eq!([&sums["received"], &sums["accepted"], &sums["duplicate"]], [24, 3, 21], "{sums}");
        assert_eq!(hub.api().all("/interactions").await.len(), 3);
        assert_eq!(hub.api().all("/leads").await.len(), 1);
        assert_eq!(hub.api().all("/contacts").await.len(), 1);
    }
}

#[tokio::test]
async fn one_person_on_two_channels_is_one_contact_with_one_timeline() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let bot = hub.connect("telegram", webhook_config()).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "Call me")).await.status, 200);
        let mut shared = bodies::telegram(1, 77, "");
        shared["message"].as_object_mut().unwrap().remove("text");
        shared["message"]["contact"] = json!({ "phone_number": "79123456789", "first_name": "Анна", "user_id": 77 });
        for body in [shared, bodies::telegram(2, 77, "It is me")] {
            let headers = [(bodies::TELEGRAM_HEADER, bodies::WEBHOOK_SECRET)];
            assert_eq!(bot.deliver("", &headers, body.to_string()).await.unwrap().status, 200);
        }

        let contacts = hub.api().all("/contacts").await;
        assert_eq!(contacts.len(), 1, "{contacts:?}");
        let contact = contacts[0]["id"].as_str().unwrap();
        assert_eq!(hub.api().all(&format!("/interactions?contact={contact}")).await.len(), 3);
        assert_eq!(hub.api().all("/leads").await.len(), 1);
    }
}

#[tokio::test]
async fn a_bad_event_is_set_aside_with_its_place_and_the_good_one_beside_it_goes_on() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let payload = json!({ "direction": "sideways", "message": {}, "person": {} });
        let events = json!([{ "id": "bad", "payload": payload }, { "id": "good", "text": "still here" }]);

        assert_eq!(source.post_to("/event", &json!({ "events": events })).await.status, 200);
        let interactions = hub.api().all("/interactions").await;
        assert_eq!(interactions.len(), 1);
        assert_eq!(interactions[0]["event"]["payload"]["text"], "still here");
        let dead = hub.api().all("/dead-letters").await;
        assert_eq!(dead.len(), 1, "{dead:?}");
        assert!(dead[0]["reason"].as_str().unwrap().contains("/payload/direction"), "{}", dead[0]);
        assert!(!dead[0]["reason"].as_str().unwrap().contains("sideways"), "values are personal data: {}", dead[0]);
    }
}
