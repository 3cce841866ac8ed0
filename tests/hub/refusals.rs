//! Bad input at the door: what the vendor gets, and what is kept of it.

use std::time::Duration;

use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::{Hub, Settings};
use patchbay_tests::vendor::{Answer, Vendor};
use patchbay_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_connection_that_never_was_and_one_that_was_removed_look_the_same() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let other = hub.connect("webform", json!({})).await;
        assert_eq!(hub.api().ask(Method::DELETE, &format!("/connections/{}", form.id), None).await.status, 204);
        until("the removed connection is closed", async || (!form.is_running()).then_some(())).await;

        let removed = form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await;
        // The same length and alphabet, but nobody's.
        let swapped: String = other.id.chars().rev().take(4).collect();
        let mut never = other.clone();
        never.id = format!("{}{swapped}", &other.id[..other.id.len() - 4]);
        let never = never.post(&bodies::form("f-1", bodies::PHONE, "hello")).await;
        assert_eq!(removed.status, 404);
        let without_ids = |it: &[(String, String)]| -> Vec<(String, String)> {
            it.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str())).cloned().collect()
        };
        assert_eq!(
            (removed.status, &removed.text, without_ids(&removed.headers)),
            (never.status, &never.text, without_ids(&never.headers))
        );
        assert_eq!(hub.api().outside("/in/what-is-this").await.unwrap().text, removed.text);
        assert!(other.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.is_success());
    }
}

#[tokio::test]
async fn a_body_over_the_limit_gets_413_whether_it_announces_its_length_or_not() {
    let hub = Hub::start(Engine::Sqlite).await;
    let source = hub.connect("misbehaving", json!({})).await;
    let text = |bytes: usize| json!({ "id": "a", "text": "x".repeat(bytes) }).to_string();

    assert_eq!(source.deliver("", &[], text(70_000)).await.unwrap().status, 413);
    // A stream is sent in chunks, without a length.
    assert_eq!(source.deliver("", &[], chunked(&text(70_000))).await.unwrap().status, 413);
    assert!(source.deliveries().await.is_empty());
    assert_eq!(source.deliver("", &[], text(60_000)).await.unwrap().status, 200);
    assert_eq!(source.deliver("", &[], chunked(&text(60_000))).await.unwrap().status, 200);
}

fn chunked(text: &str) -> reqwest::Body {
    struct Pieces(std::collections::VecDeque<axum::body::Bytes>);
    impl http_body::Body for Pieces {
        type Data = axum::body::Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Ready(self.0.pop_front().map(|it| Ok(http_body::Frame::data(it))))
        }
    }
    let pieces = text.as_bytes().chunks(8_192).map(axum::body::Bytes::copy_from_slice).collect();
    reqwest::Body::wrap(Pieces(pieces))
}

#[tokio::test]
async fn what_is_not_json_is_kept_as_refused_with_its_reason_and_answered_as_the_vendor_needs_it() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let bot = hub.connect("telegram", crate::intake::webhook_config()).await;

        assert_eq!(source.deliver("", &[], "{\"id\": ").await.unwrap().status, 422);
        let headers = [(bodies::TELEGRAM_HEADER, bodies::WEBHOOK_SECRET)];
        // Telegram would repeat anything but 2xx for a day and hold up the chat behind it.
        assert_eq!(bot.deliver("", &headers, "<xml/>").await.unwrap().status, 200);

        for connection in [source, bot] {
            let kept = connection.deliveries().await;
            assert_eq!(kept.len(), 1);
            assert_eq!(kept[0]["outcome"], "refused");
            assert!(kept[0]["reason"].as_str().is_some_and(|it| it.contains("body.")), "{}", kept[0]);
        }
        assert!(hub.api().all("/leads").await.is_empty());
    }
}

#[tokio::test]
async fn an_overloaded_hub_says_when_to_come_again_and_its_memory_stays_bounded() {
    const POSTS: usize = 300;
    let vendor = Vendor::start(|_| Answer::json(&json!({})).after(Duration::from_millis(300)));
    let settings = Settings { waiting_bytes: 512 << 10, ..Settings::default() };
    let hub = Hub::start_with(Engine::Sqlite, &settings).await;
    let source = hub.connect("misbehaving", json!({ "base_url": vendor.url() })).await;
    let quick = hub.connect("misbehaving", json!({})).await;
    assert_eq!(quick.post(&json!({ "id": "warm", "text": "up" })).await.status, 200);
    let before = hub.peak_memory();

    let mut posts = JoinSet::new();
    for number in 0..POSTS {
        let source = source.clone();
        let body = json!({ "endpoint": "vendor", "path": "/", "number": number, "filler": "x".repeat(60_000) }).to_string();
        posts.spawn(async move { source.deliver("/call", &[], body).await.unwrap() });
    }
    let answers = posts.join_all().await;
    let taken = answers.iter().filter(|it| it.status == 200).count();
    let turned: Vec<_> = answers.iter().filter(|it| it.status == 503).collect();
    assert_eq!(taken + turned.len(), POSTS, "{:?}", answers.iter().map(|it| it.status).collect::<Vec<_>>());
    assert!(taken >= 1 && !turned.is_empty(), "{taken} taken");
    assert!(turned.iter().all(|it| it.header("retry-after").is_some_and(|it| it.parse::<u64>().is_ok())));
    let grown = hub.peak_memory().saturating_sub(before);
    assert!(grown < 48 << 20, "{} MiB more for {POSTS} posts of 60 kB", grown >> 20);
    // Nothing was kept of what was turned away, and the hub goes on.
    let sums = hub.api().sums(&source.id).await;
    assert_eq!(sums["received"], taken, "{sums}");
    assert!(hub.api().metric("patchbay_overloaded_total").await >= 1);
    assert_eq!(quick.post(&json!({ "id": "after", "text": "all is well" })).await.status, 200);
}

#[tokio::test]
async fn a_wrong_configuration_value_is_named_with_what_was_found_and_what_is_allowed() {
    let hub = Hub::start(Engine::Sqlite).await;
    let ask = async |config: Value| {
        let answer = hub.api().post("/connections", &json!({ "connector": "misbehaving", "config": config })).await;
        answer.expect(422)
    };
    let problem = ask(json!({ "level": 12, "mode": "furious" })).await;
    let fault = |at: &str| problem["faults"].as_array().unwrap().iter().find(|it| it["at"] == at).cloned().unwrap_or_default();
    assert!(fault("/level")["problem"].as_str().unwrap().contains("12"), "{problem}");
    assert!(fault("/level")["allowed"].as_str().unwrap().contains("at most 9"), "{problem}");
    assert!(fault("/mode")["problem"].as_str().unwrap().contains("furious"), "{problem}");
    assert!(fault("/mode")["allowed"].as_str().unwrap().contains("calm"), "{problem}");
    let problem = ask(json!({ "leevl": 1 })).await;
    assert!(problem.to_string().contains("leevl"), "{problem}");

    let output = hub.cli_any(&["connection", "add", "misbehaving", "--set", "level=12"], "");
    assert_eq!(output.status.code(), Some(6), "a configuration that is not valid has its own exit code");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(["/level", "12", "at most 9"].iter().all(|it| said.contains(it)), "{said}");
    assert!(hub.api().all("/connections").await.is_empty());
}
