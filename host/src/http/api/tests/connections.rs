//! Connections and connectors.

use super::*;

#[tokio::test]
async fn a_connection_lives_its_life_and_never_shows_a_secret() {
    let world = World::open().await;
    let new = json!({ "connector": "chat", "config": { "token": "73190042" }, "networks": ["10.0.0.0/8"] });
    let made = world.post("/connections", &new).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let place = made.headers[header::LOCATION].to_str().unwrap().to_owned();
    let connection = made.json();
    let id = connection["id"].as_str().unwrap();
    assert_eq!(place, format!("/api/v1/connections/{id}"));
    assert_eq!(
        (&connection["name"], &connection["state"], &connection["config"]),
        (&json!("Chat"), &json!("active"), &json!({ "mode": "a" }))
    );
    assert_eq!(connection["address"], format!("http://127.0.0.1:8700/in/{id}"));

    let act = async |method: &str, further: &str, body: Option<Value>| {
        let answer = world.ask(Some(&world.token), method, &format!("{place}{further}"), body.as_ref()).await;
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(!text.contains("73190042") && !text.contains("55500055"), "{method} {further}: {text}");
        answer
    };
    assert_eq!(act("POST", "/pause", None).await.json()["state"], "paused");
    assert_eq!(act("POST", "/resume", None).await.json()["state"], "active");
    let changed = act("PATCH", "", Some(json!({ "config": { "mode": "b", "token": "55500055" } }))).await.json();
    assert_eq!(
        (&changed["config"], &changed["secrets"], &changed["networks"]),
        (&json!({ "mode": "b" }), &json!(["token"]), &json!(["10.0.0.0/8"]))
    );
    let sealed = &world.app.hub.store.sealed_secrets(id.parse().unwrap()).await.unwrap()["token"];
    assert_eq!(world.app.hub.keys.unseal(id.parse().unwrap(), "token", sealed).await.unwrap().reveal(), "55500055");
    assert!(act("GET", "", None).await.status.is_success());
    assert!(!String::from_utf8_lossy(&world.get("/connections").await.bytes).contains("55500055"));
    assert_eq!(act("DELETE", "", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(act("GET", "", None).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(act("POST", "/resume", None).await.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_is_answered_with_its_faults() {
    let world = World::open().await;
    let answer = world.post("/connections", &json!({ "connector": "chat", "config": { "token": "hunter2", "mode": "c" } })).await;
    assert_eq!(answer.problem(), (422, "connection.config".to_owned()));
    let mut places: Vec<String> =
        answer.json()["faults"].as_array().unwrap().iter().map(|it| it["at"].as_str().unwrap().to_owned()).collect();
    places.sort();
    assert_eq!(places, ["/mode", "/token"]);
    assert!(!String::from_utf8_lossy(&answer.bytes).contains("hunter2"));
    let place = format!("/api/v1/connections/{}", world.connection);
    let removed = world.ask(Some(&world.token), "PATCH", &place, Some(&json!({ "config": { "token": null } }))).await;
    assert_eq!(removed.problem(), (422, "connection.config".to_owned()));
    let unknown = world.post("/connections", &json!({ "connector": "fax" })).await;
    assert_eq!(unknown.problem(), (409, "connector.unknown".to_owned()));
    assert!(unknown.detail().contains("chat") && !unknown.detail().contains(&world.folder.display().to_string()), "{}", unknown.detail());
    let network = world.post("/connections", &json!({ "connector": "chat", "config": { "token": "1" }, "networks": ["all"] })).await;
    assert_eq!(network.problem(), (422, "connection.network".to_owned()));
}

#[tokio::test]
async fn a_connection_is_renamed_and_a_pause_lasts_until_somebody_ends_it() {
    let world = World::open().await;
    let place = format!("/connections/{}", world.connection);
    let patch = async |change: &Value| world.ask(Some(&world.token), "PATCH", &format!("/api/v1{place}"), Some(change)).await.json();
    let before = world.get(&place).await.json();
    let renamed = patch(&json!({ "name": "  Shop chat " })).await;
    assert_eq!([&renamed["name"], &renamed["state"], &renamed["config"]], [&json!("Shop chat"), &json!("active"), &before["config"]]);
    assert_eq!(patch(&json!({ "name": " " })).await["name"], "Shop chat", "a connection has a name");

    assert_eq!(world.post(&format!("{place}/pause"), &json!({})).await.json()["state"], "paused");
    let changed = patch(&json!({ "config": { "token": "1111" }, "networks": ["10.0.0.0/8"] })).await;
    assert_eq!([&changed["state"], &changed["networks"]], [&json!("paused"), &json!(["10.0.0.0/8"])], "{changed}");

    let store = &world.app.hub.store;
    let broken = crate::store::connections::ConnectionState::Broken { reason: "vendor.key: expired".to_owned() };
    assert!(store.set_connection_state(world.app.hub.workspace.id, world.connection, &broken).await.unwrap());
    let renamed = patch(&json!({ "name": "Chat" })).await;
    assert_eq!([&renamed["state"], &renamed["reason"]], [&json!("broken"), &json!("vendor.key: expired")], "a name mends nothing");
    let mended = patch(&json!({ "config": { "token": "2222" } })).await;
    assert_eq!([&mended["state"], &mended["reason"]], [&json!("active"), &Value::Null]);
}

#[tokio::test]
async fn connectors_are_shown_with_their_manifests() {
    let world = World::open().await;
    std::fs::write(world.folder.join("connectors/broken.wasm"), b"not wasm").unwrap();
    let list = world.get("/connectors").await.json();
    assert_eq!(list["items"][0]["id"], "chat");
    assert!(list["broken"][0].as_str().unwrap().contains("broken.wasm"), "{list}");
    let one = world.get("/connectors/chat").await.json();
    assert_eq!(one["manifest"]["config"]["required"], json!(["token"]));
    assert_eq!(world.get("/connectors/fax").await.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_connector_without_code_cannot_be_tested() {
    let world = World::open().await;
    let answer = world.post(&format!("/connections/{}/test", world.connection), &json!({})).await;
    // Its manifest promises what it does not export.
    assert_eq!(answer.problem(), (409, "connector.unavailable".to_owned()));
    assert!(answer.detail().contains("[webhook]"), "{}", answer.detail());
    let shown = world.get(&format!("/connections/{}", world.connection)).await.json();
    assert!(shown.get("fault").is_none(), "it was not loaded yet");
    world.app.hub.registry.refresh().await.unwrap();
    let shown = world.get(&format!("/connections/{}", world.connection)).await.json();
    assert!(shown["fault"].as_str().unwrap().contains("[webhook]"), "{shown}");
}
