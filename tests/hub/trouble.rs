//! Connectors that fail on a delivery: it is kept apart, it can be tried again, and it cannot fill the disk.

use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_delivery_on_which_the_connector_traps_is_asked_for_again_and_kept_with_its_reason() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let source = hub.connect("misbehaving", json!({})).await;

        assert_eq!(source.post_to("/panic", &json!({ "id": "p", "text": "this kills it" })).await.status, 500);
        let dead = hub.api().all("/dead-letters").await;
        assert_eq!(dead.len(), 1);
        assert_eq!([&dead[0]["what"], &dead[0]["connection"]], ["delivery", source.id.as_str()]);
        assert!(dead[0]["reason"].as_str().unwrap().starts_with("connector.trap"), "{}", dead[0]);
        let id = dead[0]["id"].as_str().unwrap();
        let body = hub.api().ask(reqwest::Method::GET, &format!("/deliveries/{id}/body"), None).await;
        assert!(body.text.contains("this kills it"), "it is there byte for byte: {}", body.text);
        // Still broken: it stays dead, and the sums hold.
        assert_eq!(hub.api().post(&format!("/dead-letters/{id}/redrive"), &Value::Null).await.expect(200)["now"], "dead");
        assert_eq!(hub.api().all("/dead-letters").await.len(), 1);
    }
}

#[tokio::test]
async fn a_dead_delivery_is_redriven_through_the_connectors_next_version() {
    for engine in Engine::each() {
        let hub = Hub::start(engine).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let body = json!({ "id": "p", "text": "read me later" });
        assert_eq!(source.post_to("/panic", &body).await.status, 500);
        let dead = hub.api().all("/dead-letters").await;
        let id = dead[0]["id"].as_str().unwrap();

        hub.folder().install("mended", "misbehaving");
        let redriven = hub.cli_json(&["dead", "redrive", id]);
        assert_eq!(redriven[0]["now"], "accepted", "{redriven}");
        assert!(hub.api().all("/dead-letters").await.is_empty());
        let interactions = hub.api().all("/interactions").await;
        assert_eq!(interactions.len(), 1);
        assert!(interactions[0]["event"]["payload"]["text"].as_str().unwrap().contains("read me later"));
        let sums = hub.api().sums(&source.id).await;
        assert_eq!([&sums["received"], &sums["accepted"], &sums["dead"]], [1, 1, 0], "{sums}");
        // A second time there is nothing to redrive.
        assert_eq!(hub.cli_any(&["dead", "redrive", id], "").status.code(), Some(5));
    }
}

#[tokio::test]
async fn a_vendor_that_tries_until_it_works_leaves_no_dead_letter() {
    for engine in Engine::each() {
        let mut hub = Hub::start(engine).await;
        let source = hub.connect("misbehaving", json!({})).await;
        let body = json!({ "id": "p", "text": "read me in the end" });
        for _ in 0..3 {
            assert_eq!(source.post_to("/panic", &body).await.status, 500);
        }
        let dead = hub.api().all("/dead-letters").await;
        assert_eq!(dead.len(), 1, "one for all tries: {dead:?}");

        hub.kill();
        hub.folder().install("mended", "misbehaving");
        hub.serve().await;
        assert_eq!(source.post_to("/panic", &body).await.status, 200);
        assert!(hub.api().all("/dead-letters").await.is_empty());
        assert_eq!(hub.api().all("/interactions").await.len(), 1);
        let sums = hub.api().sums(&source.id).await;
        assert_eq!([&sums["received"], &sums["accepted"], &sums["duplicate"], &sums["dead"]], [4, 1, 3, 0], "{sums}");
        // Nothing is left to redrive.
        let path = format!("/dead-letters/{}/redrive", dead[0]["id"].as_str().unwrap());
        assert_eq!(hub.api().post(&path, &Value::Null).await.status, 404);
    }
}

#[tokio::test]
async fn a_stranger_cannot_fill_the_disk_with_what_no_connector_can_read() {
    const POSTS: u64 = 300;
    const QUOTA: u64 = 16 << 20;
    let hub = Hub::start(Engine::Sqlite).await;
    let source = hub.connect("misbehaving", json!({})).await;
    let filler = "x".repeat(63 << 10);
    let mut posts = JoinSet::new();
    for _ in 0..POSTS {
        let (source, body) = (source.clone(), filler.clone());
        posts.spawn(async move { source.deliver("", &[], body).await.unwrap().status });
        if posts.len() >= 16 {
            posts.join_next().await.unwrap().unwrap();
        }
    }
    posts.join_all().await;

    let sums = hub.api().sums(&source.id).await;
    assert_eq!([&sums["received"], &sums["refused"]], [POSTS, POSTS], "{sums}");
    let kept = source.deliveries().await.len() as u64;
    assert_eq!(sums["unkept"].as_u64().unwrap(), POSTS - kept, "what is not kept is counted");
    assert!(kept * (filler.len() as u64) <= QUOTA && kept > POSTS / 2, "{kept} kept");
    // What can be read is kept all the same.
    assert_eq!(source.post(&json!({ "id": "good", "text": "fine" })).await.status, 200);
    assert_eq!(hub.api().all("/interactions").await.len(), 1);
}

#[tokio::test]
async fn the_connectors_verdict_says_what_the_vendor_gets() {
    let hub = Hub::start(Engine::Sqlite).await;
    let source = hub.connect("misbehaving", json!({})).await;
    let fail = async |retry: Value| source.post_to("/fail", &json!({ "retry": retry })).await;

    assert_eq!(fail(json!("never")).await.status, 422);
    let after = fail(json!(7_000)).await;
    assert_eq!((after.status, after.header("retry-after")), (503, Some("7")));
    let later = fail(json!("later")).await;
    assert_eq!(later.status, 503);
    assert!(later.header("retry-after").is_some());
    let outcomes: Vec<Value> = source.deliveries().await.iter().map(|it| it["outcome"].clone()).collect();
    assert_eq!(outcomes, ["dead", "dead", "refused"]);
}
