//! Where vendors post to: the hub tells them, looks again, mends it, and takes it off when the connection goes.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::{self, BOT_TOKEN, WEBHOOK_SECRET};
use patchbay_tests::database::Engine;
use patchbay_tests::fake::telegram::{FakeTelegram, Misbehave};
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::wait::{until, until_equal};
use reqwest::Method;
use serde_json::{Value, json};

/// A hub that vendors on this machine reach.
fn public() -> Settings {
    Settings { public_url: "http://127.0.0.1:{port}".to_owned(), ..Settings::default() }
}

fn bot(telegram: &FakeTelegram) -> Value {
    json!({ "token": BOT_TOKEN, "mode": "webhook", "api_url": telegram.url() })
}

async fn registration(hub: &Hub, connection: &Connection) -> Value {
    hub.api().get(&format!("/connections/{}", connection.id)).await["registration"].clone()
}

/// Waits until Telegram posts to the connection, and the hub knows it.
async fn until_registered(hub: &Hub, telegram: &FakeTelegram, connection: &Connection) {
    until_equal("Telegram is told where to post", connection.url(), async || telegram.webhook().url).await;
    until("the hub has noted it", async || registration(hub, connection).await["registered"].as_bool().filter(|it| *it)).await;
}

async fn change(hub: &Hub, connection: &Connection, config: Value) {
    let path = format!("/connections/{}", connection.id);
    hub.api().ask(Method::PATCH, &path, Some(&json!({ "config": config }))).await.expect(200);
}

#[tokio::test]
async fn a_vendor_is_told_where_to_post_when_the_connection_is_made_and_to_stop_when_it_goes() {
    for engine in Engine::each() {
        let telegram = FakeTelegram::start(BOT_TOKEN);
        let hub = Hub::start_with(engine, &public()).await;
        // Nobody needs to invent the secret.
        let bot = hub.connect("telegram", bot(&telegram)).await;
        until_registered(&hub, &telegram, &bot).await;
        let webhook = telegram.webhook();
        assert_eq!((webhook.secret.len(), webhook.connections), (64, 40));
        assert!(webhook.updates.iter().any(|it| it == "message_reaction"), "{:?}", webhook.updates);

        telegram.update(bodies::telegram(1, 5, "hello"));
        telegram.post_updates().await;
        assert_eq!((telegram.waiting(), hub.api().all("/interactions").await.len()), (0, 1));
        let shown = hub.cli(&["connection", "show", &bot.id]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(
            shown.lines().any(|it| it.trim_start().starts_with("webhook ") && it.contains("registered, as the vendor said at")),
            "{shown}"
        );
        assert!(!shown.contains(&webhook.secret) && !hub.log().contains(&webhook.secret));

        let gone = hub.api().ask(Method::DELETE, &format!("/connections/{}", bot.id), None).await;
        assert_eq!((gone.status, telegram.webhook().url.as_str()), (204, ""), "{}", gone.text);
    }
}

#[tokio::test]
async fn a_webhook_that_points_elsewhere_or_brings_less_is_mended() {
    let telegram = FakeTelegram::start(BOT_TOKEN);
    let hub = Hub::start_with(Engine::Sqlite, &Settings { check_seconds: 1, ..public() }).await;
    let bot = hub.connect("telegram", bot(&telegram)).await;
    until_registered(&hub, &telegram, &bot).await;
    let secret = telegram.webhook().secret;
    for url in ["https://elsewhere.example/bot".to_owned(), String::new(), bot.url()] {
        telegram.set_webhook(&url);
        until_equal("it is mended", secret.clone(), async || telegram.webhook().secret).await;
        assert_eq!((telegram.webhook().url, telegram.webhook().updates.len()), (bot.url(), 22));
    }
}

#[tokio::test]
async fn a_connection_that_changes_is_told_anew_and_one_that_polls_takes_its_webhook_off() {
    for engine in Engine::each() {
        let telegram = FakeTelegram::start(BOT_TOKEN);
        let hub = Hub::start_with(engine, &public()).await;
        let bot = hub.connect("telegram", bot(&telegram)).await;
        until_registered(&hub, &telegram, &bot).await;
        change(&hub, &bot, json!({ "webhook_secret": WEBHOOK_SECRET })).await;
        until_equal("Telegram has the new secret", WEBHOOK_SECRET.to_owned(), async || telegram.webhook().secret).await;

        change(&hub, &bot, json!({ "mode": "polling" })).await;
        telegram.update(bodies::telegram(1, 5, "hello"));
        until_equal("the update was asked for", 1, async || hub.api().all("/interactions").await.len()).await;
        assert_eq!(telegram.webhook().url, "");
        until("nothing is registered", async || registration(&hub, &bot).await.is_null().then_some(())).await;
        change(&hub, &bot, json!({ "mode": "webhook" })).await;
        until_registered(&hub, &telegram, &bot).await;
    }
}

#[tokio::test]
async fn a_hub_without_a_public_address_works_on_and_says_what_is_missing() {
    let telegram = FakeTelegram::start(BOT_TOKEN);
    let hub = Hub::start(Engine::Sqlite).await;
    let refused = hub.api().post("/connections", &json!({ "connector": "telegram", "config": bot(&telegram) })).await.expect(422);
    assert!(refused.to_string().contains("webhook_secret"), "{refused}");
    let mut config = bot(&telegram);
    config["webhook_secret"] = WEBHOOK_SECRET.into();
    let bot = hub.connect("telegram", config).await;
    let reason = until("it is said", async || registration(&hub, &bot).await["reason"].as_str().map(str::to_owned)).await;
    assert!(reason.starts_with("hub.public_url: ") && reason.contains("patchbay.toml"), "{reason}");
    let tested = hub.cli_json(&["connection", "test", &bot.id]);
    assert!(tested["said"]["webhook"].as_str().unwrap().starts_with("not registered: hub.public_url"), "{tested}");
    // Whoever told Telegram by hand is served.
    telegram.set_webhook(&bot.url());
    let answer = bot.deliver("", &[(bodies::TELEGRAM_HEADER, WEBHOOK_SECRET)], bodies::telegram(1, 5, "hello").to_string()).await.unwrap();
    assert_eq!((answer.status, telegram.times_told()), (200, 0));
}

#[tokio::test]
async fn a_vendor_that_refuses_is_asked_again_and_a_test_of_the_connection_asks_at_once() {
    let telegram = FakeTelegram::start(BOT_TOKEN);
    let refusal = "Bad Request: bad webhook: IP address 127.0.0.1 is reserved";
    let hub = Hub::start_with(Engine::Sqlite, &Settings { check_seconds: 1, alerts: "look_seconds = 1\n".to_owned(), ..public() }).await;
    for _ in 0..100 {
        telegram.misbehave("setWebhook", Misbehave::BadRequest(refusal));
    }
    let bot = hub.connect("telegram", bot(&telegram)).await;
    let reason = until("it is said", async || registration(&hub, &bot).await["reason"].as_str().map(str::to_owned)).await;
    assert_eq!(reason, format!("telegram.bad_webhook: Telegram answered 400: {refusal}"));
    until("it is asked again", async || registration(&hub, &bot).await["failures"].as_i64().filter(|it| *it >= 2)).await;
    let alerts = async || hub.api().all("/alerts").await.into_iter().find(|it| it["kind"] == "unregistered");
    let alert = until("people hear of it", alerts).await;
    assert_eq!(alert["reason"], format!("the vendor could not be told where to post: {reason}"));
    telegram.behave();
    let tested = hub.cli_json(&["connection", "test", &bot.id]);
    assert!(tested["said"]["webhook"].as_str().unwrap().starts_with("registered, "), "{tested}");
    assert_eq!((telegram.webhook().url, telegram.times_told()), (bot.url(), 1));
}

#[tokio::test]
async fn a_connection_whose_vendor_is_down_goes_all_the_same_and_says_what_stays_there() {
    let telegram = FakeTelegram::start(BOT_TOKEN);
    let hub = Hub::start_with(Engine::Sqlite, &public()).await;
    let bot = hub.connect("telegram", bot(&telegram)).await;
    until_registered(&hub, &telegram, &bot).await;
    telegram.misbehave("getWebhookInfo", Misbehave::BadGateway);
    let gone = hub.api().ask(Method::DELETE, &format!("/connections/{}", bot.id), None).await.expect(200);
    assert!(gone["webhook"].as_str().unwrap().starts_with("telegram.unavailable: "), "{gone}");
    assert!(!hub.api().all("/connections").await.iter().any(|it| it["id"] == bot.id.as_str()));
}

#[tokio::test]
async fn what_the_vendor_says_of_its_last_delivery_is_shown() {
    let telegram = FakeTelegram::start(BOT_TOKEN);
    let mut hub = Hub::start_with(Engine::Sqlite, &Settings { check_seconds: 1, ..public() }).await;
    let bot = hub.connect("telegram", bot(&telegram)).await;
    until_registered(&hub, &telegram, &bot).await;
    hub.kill();
    telegram.update(bodies::telegram(1, 5, "hello"));
    telegram.post_updates().await;
    hub.serve().await;
    let trouble = until("it is shown", async || registration(&hub, &bot).await["trouble"].as_str().map(str::to_owned)).await;
    assert_eq!(trouble, "Connection refused");
    until("the connection runs", async || bot.is_running().then_some(())).await;
    telegram.post_updates().await;
    until("the trouble is over", async || registration(&hub, &bot).await["trouble"].is_null().then_some(())).await;
    assert_eq!(hub.api().all("/interactions").await.len(), 1);
}

#[tokio::test]
async fn a_hub_whose_public_address_changed_tells_it_when_it_starts() {
    let telegram = FakeTelegram::start(BOT_TOKEN);
    let mut hub = Hub::start_with(Engine::Sqlite, &public()).await;
    let bot = hub.connect("telegram", bot(&telegram)).await;
    until_registered(&hub, &telegram, &bot).await;
    hub.kill();
    let path = hub.folder().path().join("patchbay.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("public_url = \"http://127.0.0.1", "public_url = \"http://localhost")).unwrap();
    hub.serve().await;
    until_equal("Telegram posts there", bot.url().replace("127.0.0.1", "localhost"), async || telegram.webhook().url).await;
}

#[tokio::test]
async fn of_two_hubs_on_one_database_one_tells_the_vendor_and_the_other_goes_on_when_it_dies() {
    // SQLite is one hub's own.
    for engine in Engine::each().into_iter().filter(|it| *it == Engine::Postgres) {
        let telegram = FakeTelegram::start(BOT_TOKEN);
        let settings = Settings { public_url: "http://hub.example".to_owned(), ..Settings::default() };
        let mut first = Hub::start_with(engine, &settings).await;
        let second = first.beside_with(&settings).await;
        let mut connections = Vec::new();
        for _ in 0..5 {
            connections.push(first.connect("telegram", bot(&telegram)).await);
        }
        // One bot has one webhook: whoever is told last has it, and each was told once.
        let all =
            async |hub: &Hub| hub.api().all("/connections").await.iter().filter(|it| it["registration"]["registered"] == true).count();
        until_equal("all are registered", 5, async || all(&second).await).await;
        assert_eq!(telegram.times_told(), 5);
        first.kill();
        change(&second, &connections[0], json!({ "webhook_secret": WEBHOOK_SECRET })).await;
        until_equal("the other one tells it", WEBHOOK_SECRET.to_owned(), async || telegram.webhook().secret).await;
        until("and notes it", async || registration(&second, &connections[0]).await["registered"].as_bool().filter(|it| *it)).await;
        assert_eq!(telegram.times_told(), 6);
    }
}
