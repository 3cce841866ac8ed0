//! The sandbox: what a connector can reach outside of itself. Each ability granted, not asked for, and not granted.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::API_KEY;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::vendor::{Answer, Vendor};
use serde_json::{Value, json};

/// A vendor that repeats what it was told, credentials too.
fn echo() -> Vendor {
    Vendor::start(|asked| {
        let big = asked.path.strip_prefix("/big/").and_then(|it| it.parse::<usize>().ok());
        if let Some(bytes) = big {
            return Answer { body: vec![b'x'; bytes], ..Answer::status(200) };
        }
        let mut answer = Answer::json(&json!({ "path": asked.path, "headers": asked.headers }));
        if let Some(place) = asked.path.strip_prefix("/redirect/") {
            answer.status = 302;
            answer.headers.push(("location", place.replace("..", "//")));
        }
        if let Some(key) = asked.header("x-api-key") {
            answer.headers.push(("x-echo", key.to_owned()));
        }
        answer
    })
}

async fn connected(hub: &Hub, vendor: &Vendor) -> Connection {
    hub.connect("misbehaving", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await
}

async fn call(connection: &Connection, request: Value) -> Value {
    connection.post_to("/call", &request).await.expect(200)
}

#[tokio::test]
async fn only_endpoints_of_the_manifest_can_be_reached_and_the_refusal_says_what_would_allow_it() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let source = connected(&hub, &vendor).await;
    assert_eq!(call(&source, json!({ "endpoint": "vendor", "path": "/a" })).await["status"], 200);
    let refused = call(&source, json!({ "endpoint": "elsewhere", "path": "/a" })).await;
    assert_eq!([&refused["failure"]["code"], &refused["failure"]["retry"]], ["http.unknown_endpoint", "never"]);
    assert!(refused["failure"]["message"].as_str().unwrap().contains("[endpoints.elsewhere]"), "{refused}");
    assert_eq!(vendor.asked().len(), 1);
}

#[tokio::test]
async fn private_addresses_are_refused_however_they_are_written() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let port = vendor.url().rsplit(':').next().unwrap().to_owned();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        let new = json!({ "connector": "misbehaving", "config": { "base_url": format!("http://{host}:{port}"), "api_key": API_KEY } });
        let source = hub.connect_as(new).await;
        let refused = call(&source, json!({ "endpoint": "vendor", "path": "/", "timeout_ms": 1_000 })).await;
        assert_eq!([&refused["failure"]["code"], &refused["failure"]["retry"]], ["http.private_address", "never"], "{host}: {refused}");
    }
    assert!(vendor.asked().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_granted_network_can_be_reached_and_no_other() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let config = json!({ "base_url": vendor.url(), "api_key": API_KEY });
    let granted = hub.connect_as(json!({ "connector": "misbehaving", "config": config, "networks": ["127.0.0.0/8"] })).await;
    assert_eq!(call(&granted, json!({ "endpoint": "vendor" })).await["status"], 200);
    let other = hub.connect_as(json!({ "connector": "misbehaving", "config": config, "networks": ["10.0.0.0/8"] })).await;
    assert_eq!(call(&other, json!({ "endpoint": "vendor" })).await["failure"]["code"], "http.private_address");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let source = connected(&hub, &vendor).await;
    let answer = call(&source, json!({ "endpoint": "vendor", "path": "/redirect/http:..169.254.169.254/latest/meta-data" })).await;
    assert_eq!(answer["status"], 302);
    assert_eq!(vendor.asked().len(), 1);
}

#[tokio::test]
async fn headers_that_belong_to_the_host_cannot_be_set() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let source = connected(&hub, &vendor).await;
    for name in
        ["Host", "authorization", "Proxy-Authorization", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "x-api-KEY"]
    {
        let refused = call(&source, json!({ "endpoint": "vendor", "headers": [[name, "other"]] })).await;
        assert_eq!(refused["failure"]["code"], "http.request", "{name}: {refused}");
    }
    for header in [json!(["X-A", "b\r\nHost: evil"]), json!(["bad name", "x"])] {
        assert_eq!(call(&source, json!({ "endpoint": "vendor", "headers": [header] })).await["failure"]["code"], "http.request");
    }
    assert!(vendor.asked().is_empty());
    assert_eq!(call(&source, json!({ "endpoint": "vendor", "headers": [["X-Own", "fine"]] })).await["status"], 200);
    assert_eq!(vendor.asked()[0].header("x-own"), Some("fine"));
}

#[tokio::test]
async fn no_path_leads_away_from_the_endpoint() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let source = connected(&hub, &vendor).await;
    for (endpoint, path) in [
        ("vendor", "@evil.example/"),
        ("vendor", ":80@evil.example/"),
        ("vendor", ".evil.example/"),
        ("vendor", "0/"),
        ("nested", "/../secret"),
        ("nested", "/%2e%2e/secret"),
        ("nested", "/a/../../secret"),
        ("nested", "\\..\\secret"),
        ("nested", "-twin/"),
    ] {
        let refused = call(&source, json!({ "endpoint": endpoint, "path": path })).await;
        assert_eq!(refused["failure"]["code"], "http.request", "{endpoint} {path}: {refused}");
    }
    assert!(vendor.asked().is_empty(), "{:?}", vendor.asked());
    for (endpoint, path, arrives) in [
        ("nested", "/a/../b?c=d", "/nested/b?c=d"),
        ("nested", "//evil.example/", "/nested//evil.example/"),
        ("vendor", "//evil.example/", "//evil.example/"),
        ("nested", "", "/nested"),
    ] {
        assert_eq!(call(&source, json!({ "endpoint": endpoint, "path": path })).await["status"], 200, "{endpoint} {path}");
        assert_eq!(vendor.asked().last().unwrap().path, arrives);
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_and_one_within_it_is_read() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let source = connected(&hub, &vendor).await;
    assert_eq!(call(&source, json!({ "endpoint": "vendor", "path": "/big/65536" })).await["bytes"], 65_536);
    let refused = call(&source, json!({ "endpoint": "vendor", "path": "/big/65537" })).await;
    assert_eq!(refused["failure"]["code"], "http.response_too_large", "{refused}");
    let refused = call(&source, json!({ "endpoint": "vendor", "path": "/big/50000000" })).await;
    assert_eq!(refused["failure"]["code"], "http.response_too_large", "{refused}");
}

#[tokio::test]
async fn a_secret_reaches_the_vendor_and_never_the_connector_though_the_vendor_repeats_it() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let source = connected(&hub, &vendor).await;
    let answer = call(&source, json!({ "endpoint": "vendor", "path": "/echo" })).await;
    assert_eq!(vendor.asked()[0].header("x-api-key"), Some(API_KEY), "the host placed it");
    assert!(!answer.to_string().contains(API_KEY), "{answer}");
    assert_eq!(answer.to_string().matches("[redacted]").count(), 2, "in a header and in the body: {answer}");

    let known = source.post_to("/secrets", &json!({ "name": "api_key", "presented": API_KEY })).await.expect(200);
    assert_eq!(known["equals"], true);
    assert!(!known["config"].as_str().unwrap().contains(API_KEY) && known["digest"].as_array().is_some_and(|it| it.len() == 32));
    let known = source.post_to("/secrets", &json!({ "name": "api_key", "presented": "guessed" })).await.expect(200);
    assert_eq!(known["equals"], false);
    let known = source.post_to("/secrets", &json!({ "name": "other", "presented": "" })).await.expect(200);
    assert_eq!(known["equals"], false, "a secret that is not set equals nothing");
    assert!(known["refused"].as_str().unwrap().contains("other"), "{known}");
    // What leaves the hub over the API holds no secret either.
    let shown = hub.api().get(&format!("/connections/{}", source.id)).await;
    assert!(!shown.to_string().contains(API_KEY) && shown["secrets"][0] == "api_key", "{shown}");
}

#[tokio::test]
async fn a_secret_that_a_connector_logs_or_reports_is_blacked_out() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, echo());
    let source = connected(&hub, &vendor).await;
    source.post_to("/log", &json!({ "words": format!("look: {API_KEY}") })).await.expect(200);
    let answer = source.post_to("/fail", &json!({ "retry": "never", "message": format!("the key was {API_KEY}") })).await;
    assert_eq!(answer.status, 422);
    assert!(!answer.text.contains(API_KEY), "{}", answer.text);
    let log = hub.log();
    assert!(log.contains("[redacted]") && !log.contains(API_KEY));
    assert!(!source.deliveries().await[0]["reason"].as_str().unwrap().contains(API_KEY));
}

#[tokio::test]
async fn state_is_kept_within_its_quota_and_belongs_to_one_connection() {
    for engine in Engine::each() {
        let mut hub = Hub::start(engine).await;
        let (one, other) = (hub.connect("misbehaving", json!({})).await, hub.connect("misbehaving", json!({})).await);
        let set = async |connection: &Connection, body: Value| connection.post_to("/state/set", &body).await.expect(200);
        let get = async |connection: &Connection, key: &str| {
            connection.post_to("/state/get", &json!({ "key": key })).await.expect(200)["value"].clone()
        };

        assert_eq!(set(&one, json!({ "key": "a", "value": "mine" })).await["set"], true);
        assert_eq!(get(&one, "a").await, "mine");
        assert_eq!(get(&other, "a").await, Value::Null);
        assert_eq!(set(&other, json!({ "key": "a", "value": "theirs" })).await["set"], true);
        assert_eq!(get(&one, "a").await, "mine");

        assert_eq!(set(&one, json!({ "key": "b", "bytes": 900 })).await["set"], true);
        let refused = set(&one, json!({ "key": "c", "bytes": 200 })).await;
        assert_eq!([&refused["failure"]["code"], &refused["failure"]["retry"]], ["state.quota", "never"], "{refused}");
        assert_eq!(set(&other, json!({ "key": "c", "bytes": 200 })).await["set"], true, "each has a quota of its own");
        assert_eq!(set(&one, json!({ "key": "b", "bytes": 10 })).await["set"], true);
        assert_eq!(set(&one, json!({ "key": "c", "bytes": 200 })).await["set"], true, "what was replaced is free again");
        for key in [String::new(), "k".repeat(257)] {
            assert_eq!(set(&one, json!({ "key": key, "bytes": 1 })).await["failure"]["code"], "state.key");
        }
        hub.kill();
        hub.serve().await;
        assert_eq!(get(&one, "a").await, "mine", "it outlives the process");
    }
}
