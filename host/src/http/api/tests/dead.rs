//! Dead letters, deliveries and sums.

use super::*;

#[tokio::test]
async fn a_delivery_is_shown_with_its_body_byte_for_byte() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    world.said(world.connection, "anna", "+79123456789").await;
    let both = world.get("/deliveries").await.json()["items"].clone();
    assert_eq!((&both[0]["outcome"], &both[1]["outcome"]), (&json!("duplicate"), &json!("accepted")));
    let id = both[1]["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/deliveries/{id}")).await.json(), both[1]);
    let body = world.get(&format!("/deliveries/{id}/body")).await;
    assert_eq!(body.bytes, b"\xff raw");
    assert_eq!(body.headers[header::CONTENT_TYPE], "application/octet-stream");
    assert_eq!(body.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let duplicate = world.get(&format!("/deliveries/{}/body", both[0]["id"].as_str().unwrap())).await;
    assert_eq!(duplicate.problem(), (404, "not_found".to_owned()));
    assert!(duplicate.detail().contains("duplicate"), "{}", duplicate.detail());
}

#[tokio::test]
async fn dead_letters_of_one_millisecond_are_walked_too() {
    let world = World::open().await;
    let mixed = || vec![event("bad", &json!({ "direction": "sideways" })), event("good", &json!({ "direction": "in", "message": {} }))];
    world.takes(world.connection, Reading::Events(mixed())).await;
    for _ in 0..20 {
        world.takes(world.connection, Reading::Dead("connector.trap: x".to_owned())).await;
    }
    let all = world.walk("/dead-letters", 2).await;
    assert_eq!(all.len(), 21);
    let event = all.iter().find(|it| it["what"] == "event").unwrap();
    let id = event["id"].as_str().unwrap();
    assert_eq!(&world.get(&format!("/dead-letters/{id}")).await.json(), event);
    assert!(event["reason"].as_str().unwrap().starts_with('/'), "{event}");
    let accepted = world.get("/deliveries?outcome=accepted").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let alive = world.post(&format!("/dead-letters/{accepted}/redrive"), &json!({})).await;
    assert_eq!(alive.problem(), (404, "not_found".to_owned()));
    assert_eq!(world.get("/dead-letters/nonsense").await.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_dead_command_goes_back_to_its_lane() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    let dead = give_up(&world).await;
    assert!(dead.len() > 1, "{dead:?}");
    assert_eq!(
        world.post(&format!("/dead-letters/{}/redrive", dead[0]), &json!({})).await.json(),
        json!({ "id": dead[0], "now": "pending" })
    );
    assert_eq!(world.get(&format!("/dead-letters/{}", dead[0])).await.problem(), (404, "not_found".to_owned()));

    let path = "/dead-letters/redrive";
    let dry = world.post(path, &json!({ "dry_run": true, "what": "command" })).await.json();
    assert_eq!((&dry["matched"], &dry["redriven"], &dry["more"]), (&json!(dead[1..]), &json!([]), &json!(false)));
    assert_eq!(world.post(path, &json!({ "what": "delivery" })).await.json()["matched"], json!([]));
    assert_eq!(world.post(path, &json!({ "code": "other" })).await.json()["matched"], json!([]));
    let dead_kind = world.get(&format!("/dead-letters/{}", dead[1])).await.json()["kind"].clone();
    let letter = world.get(&format!("/dead-letters/{}", dead[1])).await.json();
    assert!(letter["payload"].is_object() || dead_kind == "interaction.add", "{letter}");
    assert_eq!(letter["tries"][0]["code"], "test.given_up");
    for (none, some) in [("since", "until"), ("until", "since")] {
        let at = if none == "since" { "2100-01-01T00:00:00Z" } else { "1970-01-01T00:00:00Z" };
        assert_eq!(world.post(path, &json!({ "dry_run": true, none: at })).await.json()["matched"], json!([]));
        assert_eq!(world.post(path, &json!({ "dry_run": true, some: at })).await.json()["matched"], json!(dead[1..]));
        assert_eq!(
            world.get(&format!("/dead-letters?{some}={at}&code=test.")).await.json()["items"].as_array().unwrap().len(),
            dead.len() - 1
        );
    }
    assert_eq!(world.get("/dead-letters?kind=message.send").await.json()["items"], json!([]));
    let done = world.post(path, &json!({ "code": "test.", "connection": world.sink, "kind": dead_kind })).await.json();
    assert_eq!(done["redriven"].as_array().unwrap().len(), dead.len() - 1, "{done}");
    assert_eq!(done["failed"], json!([]));
    assert_eq!(world.get("/dead-letters").await.json()["items"], json!([]));
    assert_eq!(world.get("/doctor").await.json()["sound"], true);
}

#[tokio::test]
async fn what_cannot_be_tried_again_says_why() {
    let world = World::open().await;
    world.takes(world.connection, Reading::Dead("connector.trap: x".to_owned())).await;
    let done = world.post("/dead-letters/redrive", &json!({})).await.json();
    assert!(done["failed"][0]["problem"].as_str().unwrap().contains("[webhook]"), "{done}");
    assert_eq!(world.post("/dead-letters/redrive", &json!({ "dryrun": true })).await.problem(), (422, "request.body".to_owned()));
}

#[tokio::test]
async fn the_sums_add_up() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    world.takes(world.connection, Reading::Refused("vendor.shape: no".to_owned())).await;
    give_up(&world).await;
    let all = world.get("/sums").await.json()["items"].clone();
    assert_eq!((&all[0]["connection"], &all[1]["connection"]), (&json!(world.sink), &json!(world.connection)));
    let of = |at: usize, name: &str| all[at][name].as_i64().unwrap();
    assert_eq!((of(1, "received"), of(1, "accepted"), of(1, "refused")), (2, 1, 1));
    assert_eq!((of(0, "created"), of(0, "outbox_dead"), of(0, "pending")), (2, 2, 0));
}

/// Ends every command that waits as dead; their ids, oldest first.
async fn give_up(world: &World) -> Vec<String> {
    use crate::store::outbox::{End, Release, Tried};
    let store = &world.app.hub.store;
    let mut ended = Vec::new();
    for lane in store.claim_lanes(world.sink, "test", 10, 60_000).await.unwrap() {
        let rows = store.waiting(&lane).await.unwrap();
        let tried: Vec<Tried> = rows
            .iter()
            .map(|it| Tried { id: it.id, at: store.clock.now_ms(), took_ms: 1, end: End::Dead { reason: "test.given_up: x".to_owned() } })
            .collect();
        ended.extend(tried.iter().map(|it| it.id.to_string()));
        store.finish(&lane, &tried, Some(Release::Done), 0).await.unwrap();
    }
    ended.sort();
    ended
}
