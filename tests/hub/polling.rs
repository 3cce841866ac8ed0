//! What we ask for: the cursor moves with the events that it brought, and with nothing else.

use patchbay_tests::bodies::{self, API_KEY, BOT_TOKEN};
use patchbay_tests::database::Engine;
use patchbay_tests::fake::telegram::{FakeTelegram, Misbehave};
use patchbay_tests::hub::Hub;
use patchbay_tests::vendor::{Answer, Asked, Vendor};
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

/// A vendor with `events` messages, in pages of three; the cursor is the number of the next one.
fn pages(events: u64) -> impl Fn(&Asked) -> Answer + Send + Sync {
    move |asked| {
        if asked.path != "/poll" {
            return Answer::json(&json!({ "remote_id": "r" }));
        }
        let from = asked.document["cursor"].as_str().map_or(0, |it| it.parse::<u64>().unwrap());
        let to = (from + 3).min(events);
        let page: Vec<Value> = (from..to).map(|it| bodies::message(&format!("e-{it}"), "anna", &format!("text {it}"))).collect();
        Answer::json(&json!({ "events": page, "next_cursor": to.to_string(), "more": to < events }))
    }
}

#[tokio::test]
async fn a_source_that_is_asked_goes_on_where_it_stopped_when_the_hub_was_killed() {
    for engine in Engine::each() {
        let vendor = Vendor::start(pages(10));
        let mut hub = Hub::start(engine).await;
        let source = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY, "polls": true })).await;
        let count = async |hub: &Hub| hub.api().all("/interactions").await.len();
        until_equal("ten events are there", 10, async || count(&hub).await).await;
        hub.kill();
        let asked = vendor.asked().len();
        vendor.now(pages(14));
        hub.serve().await;
        until_equal("the four new ones are there", 14, async || count(&hub).await).await;

        let cursors: Vec<Value> =
            vendor.asked()[asked..].iter().filter(|it| it.path == "/poll").map(|it| it.document["cursor"].clone()).collect();
        assert_eq!(cursors[0], "10", "{cursors:?}");
        let sums = hub.api().sums(&source.id).await;
        assert_eq!(sums["duplicate"], 0, "{sums}");
        let kept = source.deliveries().await;
        assert!(kept.iter().all(|it| it["origin"] == "poll"), "{kept:?}");
    }
}

#[tokio::test]
async fn of_two_hubs_on_one_database_one_asks_and_the_other_goes_on_when_it_dies() {
    // SQLite is one hub's own.
    for engine in Engine::each().into_iter().filter(|it| *it == Engine::Postgres) {
        let vendor = Vendor::start(pages(10));
        let mut first = Hub::start(engine).await;
        let source = first.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY, "polls": true })).await;
        let second = first.beside().await;
        let count = async || second.api().all("/interactions").await.len();
        for events in [10, 40, 70] {
            vendor.now(pages(events));
            until_equal("they are there", usize::try_from(events).unwrap(), count).await;
        }
        first.kill();
        vendor.now(pages(100));
        until_equal("the second hub reads what came since", 100, count).await;

        // Two that ask at once get the same page twice.
        let sums = second.api().sums(&source.id).await;
        assert_eq!(sums["duplicate"], 0, "{sums}");
        let cursors: Vec<u64> = vendor
            .asked()
            .iter()
            .filter(|it| it.path == "/poll")
            .map(|it| it.document["cursor"].as_str().map_or(0, |it| it.parse().unwrap()))
            .collect();
        assert!(cursors.is_sorted(), "nobody goes back: {cursors:?}");
    }
}

#[tokio::test]
async fn telegrams_updates_are_confirmed_only_after_they_are_kept() {
    for engine in Engine::each() {
        let telegram = FakeTelegram::start(BOT_TOKEN);
        let mut hub = Hub::start(engine).await;
        telegram.misbehave("getUpdates", Misbehave::BadGateway);
        for number in 1..=5 {
            telegram.update(bodies::telegram(number, 900 + number % 2, &format!("text {number}")));
        }
        let bot = hub.connect("telegram", json!({ "token": BOT_TOKEN, "api_url": telegram.url() })).await;
        assert!(!bot.listens());
        until_equal("five messages are there", 5, async || hub.api().all("/interactions").await.len()).await;
        until_equal("they are confirmed", 0, async || telegram.waiting()).await;

        hub.kill();
        telegram.update(bodies::telegram(6, 900, "while you slept"));
        hub.serve().await;
        until_equal("the sixth is there", 6, async || hub.api().all("/interactions").await.len()).await;
        assert_eq!(hub.api().all("/contacts").await.len(), 2);
    }
}

#[tokio::test]
async fn a_webhook_that_is_in_the_way_of_polling_is_told_and_polling_goes_on_once_it_is_gone() {
    let telegram = FakeTelegram::start(BOT_TOKEN);
    telegram.set_webhook("https://elsewhere.example");
    let hub = Hub::start(Engine::Sqlite).await;
    let bot = hub.connect("telegram", json!({ "token": BOT_TOKEN, "api_url": telegram.url() })).await;
    let tested = hub.api().post(&format!("/connections/{}/test", bot.id), &Value::Null).await.expect(200);
    assert!(tested.to_string().contains("deleteWebhook"), "{tested}");
    until("the failures are counted", async || (hub.api().metric("patchbay_poll_failures_total").await >= 1).then_some(())).await;
    assert!(hub.log().contains("webhook"), "the log says why");

    telegram.set_webhook("");
    telegram.update(bodies::telegram(1, 900, "finally"));
    until_equal("the message is there", 1, async || hub.api().all("/interactions").await.len()).await;
}

#[tokio::test]
async fn a_revoked_token_stops_the_questions_until_there_is_a_new_one() {
    for engine in Engine::each() {
        let telegram = FakeTelegram::start("123456789:AAnew-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        let hub = Hub::start(engine).await;
        let bot = hub.connect("telegram", json!({ "token": BOT_TOKEN, "api_url": telegram.url() })).await;
        let state = async || hub.api().get(&format!("/connections/{}", bot.id)).await["state"].to_string();
        until("the connection is broken", async || state().await.contains("broken").then_some(())).await;
        telegram.update(bodies::telegram(1, 900, "are you there?"));
        telegram.change_token(BOT_TOKEN);
        let change = json!({ "config": { "token": BOT_TOKEN } });
        hub.api().ask(reqwest::Method::PATCH, &format!("/connections/{}", bot.id), Some(&change)).await.expect(200);
        until_equal("the message is there", 1, async || hub.api().all("/interactions").await.len()).await;
    }
}

#[tokio::test]
async fn a_connector_that_is_to_be_asked_again_later_holds_up_no_command_and_a_vendor_that_wants_rest_does() {
    for engine in Engine::each() {
        let polls = |poll: fn() -> Answer| move |asked: &Asked| if asked.path == "/poll" { poll() } else { pages(0)(asked) };
        let vendor = Vendor::start(polls(|| Answer::failure("relay.not_yet", 3_600_000)));
        let hub = Hub::start(engine).await;
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY, "polls": true })).await;
        let path = format!("/connections/{}", sink.id);
        until("it was asked for what is new", async || vendor.asked().iter().find(|it| it.path == "/poll").map(drop)).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let written = json!({ "events": [{ "id": "1", "payload": bodies::message("", "anna", "hello")["payload"] }] });
        source.post_to("/event", &written).await.expect(200);
        hub.api().until_delivered().await;
        assert_eq!(hub.api().get(&path).await.get("hold"), None);
        assert_eq!(vendor.asked().iter().filter(|it| it.path == "/poll").count(), 1, "its own wait is kept");

        vendor.now(polls(|| Answer { headers: vec![("retry-after", "3600".to_owned())], ..Answer::status(429) }));
        // A connection that changes gets a new poller, which asks at once.
        hub.api().post(&format!("{path}/pause"), &Value::Null).await.expect(200);
        hub.api().post(&format!("{path}/resume"), &Value::Null).await.expect(200);
        let hold = until("it is held up", async || hub.api().get(&path).await.get("hold").cloned()).await;
        assert_eq!(hold["state"], "after", "{hold}");
    }
}
