//! The sandbox: sockets. Each limit obeyed and violated, each ability granted, not asked for, and not granted.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::API_KEY;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::line::LineServer;
use patchbay_tests::wait::until_equal;
use serde_json::{Value, json};

async fn connected(hub: &Hub, server: &LineServer) -> Connection {
    hub.connect("misbehaving", json!({ "line": server.address(), "api_key": API_KEY })).await
}

/// What the connector heard over a connection to the endpoint, step by step, or the failure that it met.
async fn talk(connection: &Connection, endpoint: &str, steps: Value) -> Value {
    connection.post_to("/line", &json!({ "endpoint": endpoint, "steps": steps })).await.expect(200)
}

fn code(said: &Value) -> [&str; 2] {
    [said["failure"]["code"].as_str().unwrap_or_default(), said["failure"]["retry"].as_str().unwrap_or_default()]
}

#[tokio::test]
async fn a_socket_leads_to_endpoints_of_the_manifest_and_nowhere_else() {
    let (hub, server) = (Hub::start(Engine::Sqlite).await, LineServer::echo());
    let source = connected(&hub, &server).await;
    let heard = talk(&source, "line", json!([{ "write": "hello\r\n" }, { "read": 100 }])).await;
    assert_eq!(heard["heard"], "hello\r\n");
    let refused = talk(&source, "elsewhere", json!([])).await;
    assert_eq!(code(&refused), ["socket.unknown_endpoint", "never"]);
    assert!(refused["failure"]["message"].as_str().unwrap().contains("[endpoints.elsewhere]"), "{refused}");
    // HTTP has its own way out, with its own rules.
    assert_eq!(code(&talk(&source, "vendor", json!([])).await), ["socket.address", "never"]);
}

#[tokio::test]
async fn a_socket_into_the_own_house_needs_a_grant() {
    let (hub, server) = (Hub::start(Engine::Sqlite).await, LineServer::echo());
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "169.254.169.254"] {
        let new = json!({ "connector": "misbehaving", "config": { "line": format!("{host}:{port}"), "api_key": API_KEY } });
        let refused = talk(&hub.connect_as(new).await, "line", json!([])).await;
        assert_eq!(code(&refused), ["socket.private_address", "never"], "{host}: {refused}");
        assert!(refused["failure"]["message"].as_str().unwrap().contains("--allow-network"), "{refused}");
    }
}

#[tokio::test]
async fn a_secret_goes_out_filled_in_and_comes_back_redacted_even_letter_by_letter() {
    let hub = Hub::start(Engine::Sqlite).await;
    for server in [LineServer::echo(), LineServer::stammer()] {
        let source = connected(&hub, &server).await;
        let steps = json!([{ "write": "LOGIN " }, { "secret": "api_key" }, { "write": " end\r\n" }, { "until": " end\r\n" }]);
        let heard = talk(&source, "line", steps).await;
        assert_eq!(heard["heard"], "LOGIN [redacted] end\r\n", "{heard}");
    }
    let source = connected(&hub, &LineServer::echo()).await;
    let missing = talk(&source, "line", json!([])).await;
    assert_eq!(code(&missing), ["socket.transport", "later"], "nobody listens there any more: {missing}");
}

#[tokio::test]
async fn a_server_that_knows_a_secret_really_got_it() {
    let hub = Hub::start(Engine::Sqlite).await;
    let server = LineServer::start(|mut stream| {
        use std::io::{BufRead as _, Write as _};
        let mut line = String::new();
        let mut lines = std::io::BufReader::new(stream.try_clone().unwrap());
        drop(lines.read_line(&mut line));
        let said: &[u8] = if line.trim() == API_KEY { b"welcome\r\n" } else { b"who are you\r\n" };
        drop(stream.write_all(said));
    });
    let source = connected(&hub, &server).await;
    let heard = talk(&source, "line", json!([{ "secret": "api_key" }, { "write": "\r\n" }, { "until": "\r\n" }])).await;
    assert_eq!(heard["heard"], "welcome\r\n");
    let unset = talk(&source, "line", json!([{ "secret": "no_such" }])).await;
    assert_eq!(code(&unset), ["socket.missing_secret", "reauthorise"]);
}

#[tokio::test]
async fn what_a_call_reads_in_sum_has_a_limit() {
    let hub = Hub::start(Engine::Sqlite).await;
    for (bytes, refused) in [(65_536, false), (65_537, true)] {
        let server = LineServer::start(move |mut stream| {
            use std::io::Write as _;
            drop(stream.write_all(&vec![b'x'; bytes]));
        });
        let source = connected(&hub, &server).await;
        let heard = talk(&source, "line", json!([{ "drain": true }])).await;
        let expected = if refused { ["socket.response_too_large", "never"] } else { ["", ""] };
        assert_eq!((code(&heard), heard["bytes"].as_u64()), (expected, Some(65_536)), "{bytes}");
    }
}

#[tokio::test]
async fn a_call_has_four_connections_at_most_and_they_end_with_it() {
    let (hub, server) = (Hub::start(Engine::Sqlite).await, LineServer::echo());
    let source = connected(&hub, &server).await;
    for (open, expected) in [(4, ["", ""]), (5, ["socket.too_many", "never"])] {
        // The connector forgets them: it never ends one itself.
        let said = source.post_to("/line", &json!({ "endpoint": "line", "keep": open, "steps": [] })).await.expect(200);
        assert_eq!(code(&said), expected, "{said}");
        until_equal("every connection is closed", 0, async || server.open()).await;
    }
    // One that is kept from an earlier call is over, and the connector lives to tell.
    let stale = talk(&source, "line", json!([{ "stale": true }])).await;
    assert_eq!(code(&stale), ["socket.ended", "never"], "{stale}");
}

#[tokio::test]
async fn a_silent_server_is_a_time_out_after_which_reading_goes_on_and_never_outlasts_the_call() {
    let (hub, server) = (Hub::start(Engine::Sqlite).await, LineServer::echo());
    let source = connected(&hub, &server).await;
    let silent = talk(&source, "line", json!([{ "read": 10, "timeout_ms": 50 }])).await;
    assert_eq!(code(&silent), ["socket.timeout", "later"]);
    let goes_on = talk(&source, "line", json!([{ "silence_ms": 50 }, { "write": "hello\r\n" }, { "until": "\r\n" }])).await;
    assert_eq!(goes_on["heard"], "hello\r\n", "{goes_on}");
    // A wait for longer than the call has ends before the call does.
    let patient = talk(&source, "line", json!([{ "read": 10, "timeout_ms": 3_600_000 }])).await;
    assert_eq!(code(&patient), ["socket.timeout", "later"]);
    // But waits without end do not outlast it.
    let cut = source.post_to("/line", &json!({ "endpoint": "line", "steps": [{ "wait_for_ever": true }] })).await;
    assert_eq!(cut.status, 500, "{}", cut.text);
    until_equal("the connection is closed", 0, async || server.open()).await;
}

#[tokio::test]
async fn reads_without_end_stop_at_the_limit_of_host_calls() {
    let hub = Hub::start(Engine::Sqlite).await;
    let server = LineServer::start(|mut stream| {
        use std::io::Write as _;
        while stream.write_all(b"more and more ").is_ok() {}
    });
    let source = connected(&hub, &server).await;
    let cut = source.post_to("/line", &json!({ "endpoint": "line", "steps": [{ "read_letters": 1_000_000 }] })).await;
    assert_eq!(cut.status, 500, "{}", cut.text);
    let reason = source.deliveries().await[0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("limits.host_calls"), "{reason}");
}

#[tokio::test]
async fn tls_is_begun_by_the_connector_only_where_the_manifest_says_so() {
    let (hub, server) = (Hub::start(Engine::Sqlite).await, LineServer::echo());
    let source = connected(&hub, &server).await;
    assert_eq!(code(&talk(&source, "line", json!([{ "tls": true }])).await), ["socket.no_starttls", "never"]);
    // An answer that stands in front of TLS would be taken for one that came through it.
    let early = talk(&source, "upgraded", json!([{ "write": "ab" }, { "read": 1 }, { "tls": true }])).await;
    assert_eq!(code(&early), ["socket.before_tls", "never"]);
    // The server speaks no TLS: it sends the greeting back.
    assert_eq!(code(&talk(&source, "upgraded", json!([{ "tls": true }])).await), ["socket.transport", "later"]);
}
