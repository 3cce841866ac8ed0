//! What those who keep the hub running ask.

use super::*;

#[tokio::test]
async fn the_hub_says_whether_it_is_up_and_ready() {
    let world = World::open().await;
    let up = world.ask(None, "GET", "/healthz", None).await;
    assert_eq!((up.status, up.bytes.as_slice()), (StatusCode::OK, b"ok\n".as_slice()));
    assert_eq!(world.ask(None, "GET", "/readyz", None).await.json(), json!({ "ready": true }));
    world.app.hub.store.close().await;
    let answer = world.ask(None, "GET", "/readyz", None).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.json()["reason"].as_str().unwrap().contains("database"));
    assert_eq!(world.ask(None, "GET", "/healthz", None).await.status, StatusCode::OK);
    assert_eq!(world.ask(None, "GET", "/metrics", None).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_metrics_show_the_sums_and_no_address() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    let answer = world.ask(None, "GET", "/metrics", None).await;
    let text = String::from_utf8(answer.bytes).unwrap();
    let id = world.connection.to_string();
    let (short, sink) = (&id[..18], &world.sink.to_string()[..18]);
    for line in [
        format!("patchbay_deliveries_received_total{{connection=\"{short}\"}} 1"),
        format!("patchbay_deliveries_total{{connection=\"{short}\",outcome=\"accepted\"}} 1"),
        format!("patchbay_outbox_total{{connection=\"{sink}\",state=\"created\"}} 2"),
        format!("patchbay_outbox_pending{{connection=\"{sink}\"}} 2"),
        format!("patchbay_connection_up{{connection=\"{short}\",name=\"Shop\",connector=\"chat\",state=\"active\"}} 0"),
        "patchbay_commit_waiting 0".to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in:\n{text}");
    }
    assert!(text.contains("patchbay_outbox_oldest_seconds{") && text.contains("process_resident_memory_bytes "), "{text}");
    assert!(!text.contains(&id) && !text.contains("anna") && !text.contains("9123456789"), "{text}");
    for line in text.lines().filter(|it| !it.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let world = World::open().await;
    let asked = async |id: Option<&str>| {
        let mut request = Request::get("/healthz");
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        world.send(request.body(Body::empty()).unwrap()).await.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(asked(Some("trace-1:a")).await, "trace-1:a");
    let made = asked(None).await;
    assert_eq!(made.len(), 20);
    assert_ne!(made, asked(None).await);
    for odd in ["a b", "", &"x".repeat(65)] {
        assert_eq!(asked(Some(odd)).await.len(), 20, "{odd}");
    }
    assert!(world.ask(None, "GET", "/api/v1/leads", None).await.headers.contains_key("x-request-id"));
}
