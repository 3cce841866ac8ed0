//! A messenger, the hub and an open line of Bitrix24: what people write appears where operators answer, and their answers go back.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::BOT_TOKEN;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::bitrix24::{FakeBitrix24, TOKEN};
use patchbay_tests::fake::telegram::FakeTelegram;
use patchbay_tests::fake::whatsapp::FakeWhatsApp;
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bitrix24::authorise;
use crate::messages::{bot, conversation};

struct World {
    hub: Hub,
    crm: FakeBitrix24,
    telegram: FakeTelegram,
    sink: Connection,
    bot: Connection,
}

/// The hub is an application of Bitrix24 and a connector of its open line; a bot is there.
async fn connected(engine: Engine) -> World {
    let (mut hub, crm, telegram) = (Hub::start(engine).await, FakeBitrix24::start().expect("a free port"), FakeTelegram::start(BOT_TOKEN));
    hub.folder().install("bitrix24", "bitrix24");
    crm.store().scopes.push("imopenlines");
    let sink = hub.connect("bitrix24", crm.application()).await;
    let line = json!({ "config": { "open_line": "107", "hub_address": sink.url() } });
    hub.api().ask(Method::PATCH, &format!("/connections/{}", sink.id), Some(&line)).await.expect(200);
    authorise(&hub, &crm, &sink).await;
    let bot = bot(&hub, &telegram).await;
    // A hub that starts polls at once, and the poll sets the open line up.
    hub.kill();
    hub.serve().await;
    let is_bound = async || crm.counts().methods.iter().any(|it| it == "imconnector.connector.data.set").then_some(());
    until("the open line is set up", is_bound).await;
    World { hub, crm, telegram, sink, bot }
}

/// What operators see, as soon as so many messages are there.
async fn shown(crm: &FakeBitrix24, count: usize) -> Vec<Value> {
    until("the messages are in the open line", async || Some(crm.store().application.shown.clone()).filter(|it| it.len() == count)).await
}

#[tokio::test]
async fn an_operators_answer_reaches_the_person_who_asked_once_and_nobody_else() {
    for engine in Engine::each() {
        let World { hub, crm, telegram, sink, bot } = connected(engine).await;
        let (one, other) = (conversation(&hub, &bot, 901).await, conversation(&hub, &bot, 902).await);
        let shown = shown(&crm, 2).await;
        let chats: Vec<&Value> = shown.iter().map(|it| &it["chat"]["id"]).collect();
        assert!(chats.contains(&&json!(one)) && chats.contains(&&json!(other)), "{shown:?}");
        assert!(shown.iter().all(|it| it["message"]["text"] == "Hello"), "{shown:?}");
        assert_eq!(crm.store().all("comment").len(), 0, "the dialogue stands in the open line");

        crm.operator_answers(&one, "[b]Good day![/b] It is 100.", 2);
        let told = async || Some(sink.deliveries().await).filter(|it| it.iter().filter(|it| it["origin"] == "webhook").count() == 2);
        let told = until("Bitrix24 told it twice", told).await;
        let mut outcomes: Vec<&Value> = told.iter().filter(|it| it["origin"] == "webhook").map(|it| &it["outcome"]).collect();
        outcomes.sort_by_key(ToString::to_string);
        assert_eq!(outcomes, ["accepted", "duplicate"]);
        hub.api().until_delivered().await;
        let sent = telegram.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!((&sent[0]["chat_id"], &sent[0]["text"]), (&json!(901), &json!("Good day! It is 100.")));

        let timeline = hub.api().all(&format!("/interactions?conversation={one}")).await;
        let directions: Vec<&Value> = timeline.iter().map(|it| &it["event"]["payload"]["direction"]).collect();
        assert_eq!(directions, ["out", "in"]);
        assert_eq!(timeline[0]["contact"], timeline[1]["contact"]);
        assert_eq!(hub.api().all("/contacts").await.len(), 2, "an answer makes nobody new");
        assert_eq!(crm.store().application.shown.len(), 2, "what the operator wrote is not shown to the operator");

        let marked = crm.store().application.statuses.clone();
        let [(method, told)] = &marked[..] else { panic!("{marked:?}") };
        assert_eq!(method, "imconnector.send.status.delivery");
        assert_eq!((&told["message"]["id"][0], &told["chat"]["id"]), (&timeline[0]["id"], &json!(one)));
    }
}

#[tokio::test]
async fn an_operator_sees_that_an_answer_will_not_arrive_at_once_or_later_and_that_it_was_read() {
    for engine in Engine::each() {
        let World { hub, crm, telegram, sink, bot } = connected(engine).await;
        let blocked = conversation(&hub, &bot, 901).await;
        shown(&crm, 1).await;
        telegram.block(901);
        crm.operator_answers(&blocked, "Good day!", 1);
        let note = shown(&crm, 2).await.remove(1);
        assert_eq!(note["chat"]["id"], json!(blocked));
        let text = note["message"]["text"].as_str().expect("a text");
        assert!(text.starts_with("Not delivered: “Good day!”\ntelegram.blocked"), "{text}");

        let whatsapp = FakeWhatsApp::start();
        hub.folder().install("whatsapp", "whatsapp");
        let number = hub.connect("whatsapp", whatsapp.config()).await;
        whatsapp.write(&number, "79123456789", "wamid.1", "Hello", 0).await;
        let chat = shown(&crm, 3).await[2]["chat"]["id"].as_str().expect("a chat").to_owned();
        for (words, status) in [("It is 100.", "read"), ("Are you there?", "failed")] {
            crm.operator_answers(&chat, words, 1);
            let of = |it: &Value| it["text"]["body"] == words;
            let sent = until("it was sent", async || whatsapp.sent().into_iter().find(of)).await;
            hub.api().until_delivered().await;
            let told = json!({ "id": sent["id"], "status": status, "timestamp": "1760000100", "recipient_id": "79123456789",
                "errors": [{ "code": 131_047, "title": "Re-engagement message" }] });
            assert_eq!(whatsapp.deliver(&number, json!({ "statuses": [told] })).await.status, 200);
            hub.api().until_delivered().await;
        }
        let marked: Vec<String> = crm.store().application.statuses.iter().map(|it| it.0.replace("imconnector.send.status.", "")).collect();
        assert_eq!(marked, ["delivery", "delivery", "reading", "delivery"], "each when it was sent, the first one again when it was read");
        let note = shown(&crm, 4).await.remove(3);
        let text = note["message"]["text"].as_str().expect("a text");
        assert!(note["chat"]["id"] == json!(chat) && text.starts_with("Not delivered: “Are you there?”\n131047"), "{note}");

        let dead: Vec<Value> = hub.api().all("/dead-letters").await.into_iter().map(|it| it["kind"].clone()).collect();
        assert_eq!(dead, ["message.send"], "what the operator was told is no trouble of its own");
        let sums = hub.api().sums(&sink.id).await;
        assert_eq!((&sums["outbox_dead"], &sums["pending"]), (&json!(0), &json!(0)));
    }
}

#[tokio::test]
async fn an_answer_waits_while_the_messenger_is_away_and_outlives_a_kill() {
    for engine in Engine::each() {
        let World { mut hub, crm, telegram, sink, bot } = connected(engine).await;
        let one = conversation(&hub, &bot, 901).await;
        shown(&crm, 1).await;
        hub.api().post(&format!("/connections/{}/pause", bot.id), &Value::Null).await.expect(200);
        crm.operator_answers(&one, "Good day!", 1);
        until("it is in the outbox", async || {
            hub.api().all("/outbox?state=pending").await.into_iter().find(|it| it["kind"] == "message.send")
        })
        .await;
        hub.kill();
        hub.serve().await;
        assert_eq!(telegram.sent().len(), 0);
        hub.api().post(&format!("/connections/{}/resume", bot.id), &Value::Null).await.expect(200);
        hub.api().until_delivered().await;
        assert_eq!(telegram.sent().len(), 1);
        assert_eq!(hub.api().sums(&sink.id).await["outbox_dead"], 0);
    }
}

#[tokio::test]
async fn an_answer_into_a_conversation_that_is_not_there_is_a_dead_letter() {
    let World { hub, crm, telegram, sink, bot } = connected(Engine::Sqlite).await;
    conversation(&hub, &bot, 901).await;
    shown(&crm, 1).await;
    let body = format!(
        "event=ONIMCONNECTORMESSAGEADD&data[MESSAGES][0][im][message_id]=1&data[MESSAGES][0][message][text]=Hello\
         &data[MESSAGES][0][chat][id]=cnv_01JPA3Q6X3R8M5N2T7V9W0Y1ZH&ts=1773759161&auth[application_token]={TOKEN}"
    );
    let answer = sink.deliver("", &[("content-type", "application/x-www-form-urlencoded")], body).await.expect("an answer");
    assert_eq!(answer.status, 200, "it is kept: Bitrix24 need not tell it again");
    let dead = hub.api().all("/dead-letters").await;
    let why = "there is no conversation cnv_01JPA3Q6X3R8M5N2T7V9W0Y1ZH in this workspace";
    assert!(!dead.is_empty() && dead.iter().all(|it| it["reason"].as_str().is_some_and(|it| it.contains(why))), "{dead:?}");
    hub.api().until_delivered().await;
    assert_eq!(telegram.sent().len(), 0);
}
