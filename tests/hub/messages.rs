//! Messages that we send: into the conversation that they belong to, once.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::{self, BOT_TOKEN};
use patchbay_tests::database::Engine;
use patchbay_tests::fake::telegram::{FakeTelegram, Misbehave};
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until;
use serde_json::{Value, json};

pub async fn bot(hub: &Hub, telegram: &FakeTelegram) -> Connection {
    let mut config = crate::intake::webhook_config();
    config["api_url"] = telegram.url().into();
    hub.connect("telegram", config).await
}

/// Somebody writes to the bot; their conversation.
pub async fn conversation(hub: &Hub, bot: &Connection, chat: i64) -> String {
    let body = bodies::telegram(chat, chat, "Hello").to_string();
    let answer = bot.deliver("", &[(bodies::TELEGRAM_HEADER, bodies::WEBHOOK_SECRET)], body).await.unwrap();
    assert_eq!(answer.status, 200);
    let conversations = hub.api().all("/conversations").await;
    let found = conversations.iter().find(|it| it["key"] == chat.to_string().as_str()).expect("a private chat is a conversation");
    found["id"].as_str().unwrap().to_owned()
}

async fn send(hub: &Hub, conversation: &str, message: &Value) -> String {
    let answer = hub.api().post(&format!("/conversations/{conversation}/messages"), message).await.expect(202);
    answer["outbox"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_message_reaches_the_chat_once_and_stands_in_the_timeline() {
    for engine in Engine::each() {
        let (hub, telegram) = (Hub::start(engine).await, FakeTelegram::start(BOT_TOKEN));
        let bot = bot(&hub, &telegram).await;
        let conversation = conversation(&hub, &bot, 501).await;
        telegram.misbehave("sendMessage", Misbehave::TooMany(1));
        telegram.misbehave("sendMessage", Misbehave::BadGateway);

        let first = send(&hub, &conversation, &json!({ "text": "Good day! What can we do for you?" })).await;
        let buttons = json!([[{ "text": "Call me", "choice": "call" }]]);
        send(&hub, &conversation, &json!({ "text": "Shall we call?", "buttons": buttons })).await;
        hub.api().until_delivered().await;

        let sent = telegram.sent();
        let texts: Vec<&str> = sent.iter().filter_map(|it| it["text"].as_str()).collect();
        assert_eq!(texts, ["Good day! What can we do for you?", "Shall we call?"]);
        assert!(sent.iter().all(|it| it["chat_id"] == 501));
        assert_eq!(sent[1]["reply_markup"]["inline_keyboard"][0][0]["callback_data"], "call");
        let row = hub.api().get(&format!("/outbox/{first}")).await;
        assert_eq!(row["state"], "delivered");
        let timeline = hub.api().all(&format!("/interactions?conversation={conversation}")).await;
        let directions: Vec<&Value> = timeline.iter().map(|it| &it["event"]["payload"]["direction"]).collect();
        assert_eq!(directions, ["out", "out", "in"]);
        // What we send is no delivery.
        assert_eq!(hub.api().sums(&bot.id).await["received"], 1);
    }
}

#[tokio::test]
async fn a_message_to_somebody_who_blocked_the_bot_is_a_dead_letter_and_others_get_theirs() {
    for engine in Engine::each() {
        let (hub, telegram) = (Hub::start(engine).await, FakeTelegram::start(BOT_TOKEN));
        let bot = bot(&hub, &telegram).await;
        let (blocked, open) = (conversation(&hub, &bot, 601).await, conversation(&hub, &bot, 602).await);
        telegram.block(601);

        let id = send(&hub, &blocked, &json!({ "text": "are you there?" })).await;
        send(&hub, &open, &json!({ "text": "welcome" })).await;
        let dead =
            until("the message is dead", async || hub.api().all("/dead-letters").await.into_iter().find(|it| it["id"] == id.as_str()))
                .await;
        assert!(dead["reason"].as_str().unwrap().starts_with("telegram.blocked"), "{dead}");
        hub.api().until_delivered().await;
        assert_eq!(telegram.sent().len(), 1);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_refused_before_it_waits() {
    let (hub, telegram) = (Hub::start(Engine::Sqlite).await, FakeTelegram::start(BOT_TOKEN));
    let bot = bot(&hub, &telegram).await;
    let conversation = conversation(&hub, &bot, 701).await;
    let path = format!("/conversations/{conversation}/messages");
    for message in [json!({}), json!({ "text": "  " }), json!({ "txt": "hello" }), json!({ "text": 5 })] {
        let answer = hub.api().post(&path, &message).await;
        assert_eq!(answer.status, 422, "{message}: {}", answer.text);
    }
    assert!(hub.api().all("/outbox").await.is_empty());
    // Conversations of connectors that only report have no way back.
    let source = hub.connect("misbehaving", json!({})).await;
    assert_eq!(source.post(&json!({ "id": "m", "text": "hello" })).await.status, 200);
    let conversations = hub.api().all("/conversations").await;
    let mute = conversations.iter().find(|it| it["connection"] == source.id.as_str()).unwrap();
    let path = format!("/conversations/{}/messages", mute["id"].as_str().unwrap());
    assert_eq!(hub.api().post(&path, &json!({ "text": "hello" })).await.status, 409);
}

#[tokio::test]
async fn a_message_that_is_asked_for_again_under_the_same_key_is_sent_once() {
    for engine in Engine::each() {
        let (hub, telegram) = (Hub::start(engine).await, FakeTelegram::start(BOT_TOKEN));
        let bot = bot(&hub, &telegram).await;
        let (one, other) = (conversation(&hub, &bot, 801).await, conversation(&hub, &bot, 802).await);
        let ask = async |conversation: &str, key: &str, text: &str| {
            let path = format!("/conversations/{conversation}/messages");
            hub.api().post_with(&path, &[("idempotency-key", key)], &json!({ "text": text })).await
        };
        let first = ask(&one, "\"order-17\"", "We have your order").await.expect(202);
        // The answer was lost on the way: the caller asks again, quoted or not, also after it was sent.
        assert_eq!(ask(&one, "order-17", "We have your order").await.expect(202), first);
        hub.api().until_delivered().await;
        assert_eq!(ask(&one, "order-17", "We have your order").await.expect(202), first);
        for (conversation, text) in [(&one, "We have lost your order"), (&other, "We have your order")] {
            let refused = ask(conversation, "order-17", text).await;
            assert_eq!((refused.status, refused.json()["code"].as_str()), (422, Some("request.idempotency_key")), "{}", refused.text);
        }
        for wrong in ["", "two words", &"k".repeat(256), "\"\""] {
            let refused = ask(&one, wrong, "We have your order").await;
            assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("request.header")), "{}", refused.text);
        }
        ask(&one, &"k".repeat(255), "Another one").await.expect(202);
        hub.api().until_delivered().await;
        let texts: Vec<String> = telegram.sent().iter().filter_map(|it| it["text"].as_str().map(str::to_owned)).collect();
        assert_eq!(texts, ["We have your order", "Another one"]);
    }
}
