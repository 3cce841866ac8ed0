//! What people must hear of: in the API, in /metrics, and by a signed webhook.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use patchbay_tests::bodies::{self, API_KEY, BOT_TOKEN};
use patchbay_tests::database::Engine;
use patchbay_tests::fake::telegram::FakeTelegram;
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::vendor::{Answer, Asked, Vendor};
use patchbay_tests::wait::{until, until_equal};
use ring::hmac;
use serde_json::{Value, json};

const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// As the standard has it: HMAC-SHA256 over id, time and body.
fn is_signed(asked: &Asked) -> bool {
    let header = |name: &str| asked.header(name).unwrap_or_default().to_owned();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(KEY).unwrap());
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), asked.body);
    let tag = header("webhook-signature").strip_prefix("v1,").and_then(|it| BASE64_STANDARD.decode(it).ok()).unwrap_or_default();
    hmac::verify(&key, signed.as_bytes(), &tag).is_ok()
}

fn of_type<'a>(told: &'a [Asked], kind: &str) -> Vec<&'a Asked> {
    told.iter().filter(|it| it.document["type"] == kind).collect()
}

#[tokio::test]
async fn a_refused_credential_is_told_until_it_is_heard_and_so_is_its_end() {
    for engine in Engine::each() {
        // Whoever is told does not listen at first.
        let (pager, vendor) = (Vendor::start(|_| Answer::status(500)), Vendor::start(|_| Answer::failure("vendor.key", "reauthorise")));
        let alerts = format!("url = \"{}\"\nsecret = \"whsec_{KEY}\"\nlook_seconds = 1\n", pager.url());
        let hub = Hub::start_with(engine, &Settings { alerts, ..Settings::default() }).await;
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let payload = bodies::message("", "anna", "hello")["payload"].clone();
        assert_eq!(source.post_to("/event", &json!({ "events": [{ "id": "1", "payload": payload }] })).await.status, 200);

        until("it is told twice", async || (of_type(&pager.asked(), "alert.opened").len() >= 2).then_some(())).await;
        pager.now(|_| Answer::status(204));
        let open = hub.api().get("/alerts").await["items"].clone();
        assert_eq!((&open[0]["kind"], &open[0]["connection"]), (&json!("authorisation"), &json!(sink.id)), "{open}");
        assert!(open[0]["reason"].as_str().unwrap().contains("vendor.key"), "{open}");
        assert_eq!(hub.api().metric("patchbay_alert").await, 1);
        let heard = pager.asked();
        let opened = of_type(&heard, "alert.opened");
        assert!(opened.iter().all(|it| is_signed(it) && it.header("webhook-id") == opened[0].header("webhook-id")), "{opened:?}");
        assert!(!opened[0].body.contains(&sink.id), "the address of a connection is a secret: {}", opened[0].body);

        vendor.now(|asked| Answer::json(&json!({ "remote_id": asked.document["idempotency_key"] })));
        hub.api().post(&format!("/connections/{}/resume", sink.id), &Value::Null).await.expect(200);
        until("its end is told", async || (!of_type(&pager.asked(), "alert.ended").is_empty()).then_some(())).await;
        until_equal("nothing is open", json!([]), async || hub.api().get("/alerts").await["items"].clone()).await;
        hub.api().until_delivered().await;
    }
}

#[tokio::test]
async fn a_command_that_waits_too_long_is_told_but_not_while_somebody_paused_its_connection() {
    for engine in Engine::each() {
        let vendor = Vendor::start(|_| Answer::failure("vendor.busy", 3_600_000));
        let alerts = "look_seconds = 1\nwaiting_minutes = 0\n".to_owned();
        let hub = Hub::start_with(engine, &Settings { alerts, ..Settings::default() }).await;
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let payload = bodies::message("", "anna", "hello")["payload"].clone();
        assert_eq!(source.post_to("/event", &json!({ "events": [{ "id": "1", "payload": payload }] })).await.status, 200);
        let kinds =
            async || hub.api().get("/alerts").await["items"].as_array().unwrap().iter().map(|it| it["kind"].clone()).collect::<Vec<_>>();
        until_equal("it waits too long", vec![json!("waiting")], kinds).await;
        hub.api().post(&format!("/connections/{}/pause", sink.id), &Value::Null).await.expect(200);
        until_equal("it waits because somebody wants it", Vec::new(), kinds).await;
    }
}

#[tokio::test]
async fn an_alert_is_written_into_a_conversation_once_and_so_is_its_end() {
    for engine in Engine::each() {
        let (telegram, vendor) = (FakeTelegram::start(BOT_TOKEN), Vendor::start(|_| Answer::failure("vendor.key", "reauthorise")));
        let alerts = "look_seconds = 1\nconversations = []\n".to_owned();
        let mut hub = Hub::start_with(engine, &Settings { alerts, ..Settings::default() }).await;
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
        let bot = crate::messages::bot(&hub, &telegram).await;
        let keeper = crate::messages::conversation(&hub, &bot, 901).await;
        hub.kill();
        let path = hub.folder().path().join("patchbay.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let missing = "cnv_01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let with = config.replace("conversations = []", &format!("conversations = [\"{missing}\", \"{keeper}\"]"));
        std::fs::write(&path, with).unwrap();
        hub.serve().await;

        let lines = |part: &str| -> Vec<String> {
            let sent = telegram.sent();
            sent.iter().filter_map(|it| it["text"].as_str()).filter(|it| it.contains(part)).map(str::to_owned).collect()
        };
        let told = until("it is told", async || lines("authorisation, since").pop()).await;
        assert!(told.contains("(relay): ") && told.contains("vendor.key"), "{told}");
        vendor.now(|asked| Answer::json(&json!({ "remote_id": asked.document["idempotency_key"] })));
        hub.api().post(&format!("/connections/{}/resume", sink.id), &Value::Null).await.expect(200);
        until("its end is told", async || lines("is well again").pop()).await;
        hub.api().until_delivered().await;
        assert_eq!((lines("authorisation, since").len(), lines("is well again").len()), (1, 1));
        // One that is not there holds nobody up, and is named where the keepers of the hub look.
        assert!(hub.log().contains(missing), "{}", hub.log());
    }
}
