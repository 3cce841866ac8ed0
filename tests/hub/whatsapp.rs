//! WhatsApp: the real connector in the real hub, beside a Graph API that is strict and misbehaves.

use patchbay_tests::api::Connection;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::whatsapp::{FakeWhatsApp, Misbehave, VERIFY_TOKEN, sign};
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::wait::{until, until_equal};
use reqwest::Method;
use serde_json::{Value, json};

const ANNA: &str = "79123456789";

async fn connected(engine: Engine) -> (Hub, FakeWhatsApp, Connection) {
    let (hub, whatsapp) = (Hub::start(engine).await, FakeWhatsApp::start());
    hub.folder().install("whatsapp", "whatsapp");
    let connection = hub.connect("whatsapp", whatsapp.config()).await;
    (hub, whatsapp, connection)
}

async fn conversation(hub: &Hub) -> String {
    let conversations = hub.api().all("/conversations").await;
    assert_eq!(conversations.len(), 1, "{conversations:?}");
    assert_eq!(conversations[0]["key"], ANNA);
    conversations[0]["id"].as_str().unwrap().to_owned()
}

async fn send(hub: &Hub, conversation: &str, message: &Value) -> String {
    let answer = hub.api().post(&format!("/conversations/{conversation}/messages"), message).await.expect(202);
    answer["outbox"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_challenge_is_given_back_to_whoever_knows_the_verify_token() {
    let (hub, _whatsapp, connection) = connected(Engine::Sqlite).await;
    let ask = async |token: &str| {
        let path = format!("/in/{}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}", connection.id);
        hub.api().outside(&path).await.expect("the hub answers")
    };
    let right = ask(VERIFY_TOKEN).await;
    assert_eq!((right.status, right.text.as_str()), (200, "1158201444"));
    let wrong = ask("guessed").await;
    assert_eq!(wrong.status, 401);
    assert!(!wrong.text.contains("1158201444"));
}

#[tokio::test]
async fn meta_is_told_the_callback_address_and_hears_its_challenge() {
    for engine in Engine::each() {
        let settings = Settings { public_url: "http://127.0.0.1:{port}".to_owned(), ..Settings::default() };
        let (hub, whatsapp) = (Hub::start_with(engine, &settings).await, FakeWhatsApp::start());
        hub.folder().install("whatsapp", "whatsapp");
        // Somebody else's address, and nobody needs to invent the verify token.
        whatsapp.set_callback("https://elsewhere.example/");
        let connection = hub.connect("whatsapp", whatsapp.registering()).await;
        until_equal("Meta posts to the connection", Some(connection.url()), async || whatsapp.callback().map(|it| it.0)).await;
        let (_, token) = whatsapp.callback().expect("an address");
        assert_eq!(token.len(), 64);
        let path = format!("/connections/{}", connection.id);
        until("the hub knows it", async || hub.api().get(&path).await["registration"]["registered"].as_bool().filter(|it| *it)).await;
        assert_eq!(whatsapp.write(&connection, ANNA, "wamid.1", "hello", 0).await.status, 200);
        assert_eq!(hub.api().all("/interactions").await.len(), 1);
        assert!(!hub.log().contains(&token));

        let gone = hub.api().ask(Method::DELETE, &path, None).await;
        assert_eq!((gone.status, whatsapp.callback()), (204, None), "{}", gone.text);
    }
}

#[tokio::test]
async fn only_what_meta_signed_is_taken() {
    let (hub, _whatsapp, connection) = connected(Engine::Sqlite).await;
    let body = r#"{"object":"whatsapp_business_account","entry":[]}"#;
    let post = async |signature: &str| {
        let headers = [("content-type", "application/json"), ("x-hub-signature-256", signature)];
        connection.deliver("", &headers, body).await.expect("the hub answers").status
    };
    assert_eq!(post(&sign(body)).await, 200);
    for wrong in [sign(&body.replace("[]", "[1]")), sign(body).trim_start_matches("sha256=").to_owned(), "sha256=".to_owned()] {
        assert_eq!(post(&wrong).await, 401, "{wrong}");
    }
    // The token of the challenge opens nothing else.
    let path = format!("/in/{}?hub.verify_token={VERIFY_TOKEN}", connection.id);
    let address = path.trim_start_matches(&format!("/in/{}", connection.id)).to_owned();
    assert_eq!(connection.deliver(&address, &[("content-type", "application/json")], body).await.unwrap().status, 401);
    assert_eq!(hub.api().sums(&connection.id).await["received"], 1);
}

#[tokio::test]
async fn a_customer_writes_and_is_answered_once_though_meta_repeats_and_refuses() {
    for engine in Engine::each() {
        let (hub, whatsapp, connection) = connected(engine).await;
        assert_eq!(whatsapp.write(&connection, ANNA, "wamid.A1", "Здравствуйте! Сколько стоит?", 1).await.status, 200);
        let sums = hub.api().sums(&connection.id).await;
        assert_eq!([&sums["accepted"], &sums["duplicate"]], [&json!(1), &json!(1)]);
        assert_eq!(hub.api().all("/leads").await.len(), 1);

        let conversation = conversation(&hub).await;
        whatsapp.misbehave(Misbehave::Error(429, 130_429));
        whatsapp.misbehave(Misbehave::BadGateway);
        send(&hub, &conversation, &json!({ "text": "Добрый день! 990 ₽", "reply_to": "wamid.A1" })).await;
        let choices: Vec<Value> = (1..=5).map(|it| json!([{ "text": format!("Вариант {it}"), "choice": format!("v{it}") }])).collect();
        send(&hub, &conversation, &json!({ "text": "Выберите", "buttons": choices })).await;
        let template =
            json!({ "kind": "other", "extra": { "type": "template", "name": "order_ready", "language": "ru", "parameters": ["7"] } });
        send(&hub, &conversation, &json!({ "attachment": template })).await;
        hub.api().until_delivered().await;

        let sent = whatsapp.sent();
        let kinds: Vec<&str> = sent.iter().filter_map(|it| it["type"].as_str()).collect();
        assert_eq!(kinds, ["text", "interactive", "template"]);
        assert!(sent.iter().all(|it| it["to"] == ANNA));
        assert_eq!(sent[0]["context"]["message_id"], "wamid.A1");
        let status = |state: &str| json!({ "id": sent[0]["id"], "status": state, "timestamp": "1760000100", "recipient_id": ANNA });
        let statuses = json!([status("read"), status("sent"), status("delivered")]);
        assert_eq!(whatsapp.deliver(&connection, json!({ "statuses": statuses })).await.status, 200);
        let timeline = hub.api().all(&format!("/interactions?conversation={conversation}")).await;
        assert_eq!(timeline.len(), 4);
    }
}

#[tokio::test]
async fn a_closed_window_and_a_template_that_is_not_there_are_dead_letters_that_say_so() {
    let (hub, whatsapp, connection) = connected(Engine::Sqlite).await;
    whatsapp.write(&connection, ANNA, "wamid.A1", "hello", 1).await;
    let conversation = conversation(&hub).await;
    let dead = async |id: &str| {
        until("the message is dead", async || hub.api().all("/dead-letters").await.into_iter().find(|it| it["id"] == id)).await
    };
    whatsapp.misbehave(Misbehave::Error(400, 131_047));
    let late = send(&hub, &conversation, &json!({ "text": "are you there?" })).await;
    let late = dead(&late).await;
    assert!(late["reason"].as_str().unwrap().starts_with("whatsapp.window_closed"), "{late}");
    let template = json!({ "kind": "other", "extra": { "type": "template", "name": "unknown", "language": "ru" } });
    let unknown = send(&hub, &conversation, &json!({ "attachment": template })).await;
    let unknown = dead(&unknown).await;
    assert!(unknown["reason"].as_str().unwrap().starts_with("whatsapp.template"), "{unknown}");
    assert!(whatsapp.sent().is_empty());
}

#[tokio::test]
async fn the_check_names_the_number_and_asks_for_a_new_token() {
    let (hub, whatsapp, connection) = connected(Engine::Sqlite).await;
    let path = format!("/connections/{}/test", connection.id);
    let report = hub.api().post(&path, &json!({})).await;
    assert!(report.text.contains("+7 495 123-45-67") && report.text.contains("GREEN"), "{}", report.text);
    whatsapp.revoke();
    let report = hub.api().post(&path, &json!({})).await;
    assert!(report.text.contains("whatsapp.token"), "{}", report.text);
}
