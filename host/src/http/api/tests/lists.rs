//! Pages, filters, and what belongs to somebody else.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn a_cursor_walks_everything_exactly_once() {
    let world = World::open().await;
    for at in 0..7 {
        world.said(world.connection, &format!("p{at}"), &format!("+791234567{at}0")).await;
        world.takes(world.connection, Reading::Dead("connector.trap: x".to_owned())).await;
        connect(&world.app.hub, world.workspace()).await;
    }
    let lead = world.get("/leads").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    for (path, count) in [
        ("/deliveries", 14),
        ("/deliveries?outcome=dead", 7),
        ("/leads", 7),
        ("/contacts", 7),
        ("/conversations", 7),
        ("/interactions", 7),
        ("/outbox", 14),
        ("/dead-letters", 7),
        ("/connections", 9),
        ("/connectors", 1),
        ("/sums", 2),
        (&format!("/leads/{lead}/timeline"), 1),
    ] {
        for limit in [1, 3, 7, 200] {
            let all = world.walk(path, limit).await;
            let name = |it: &Value| it.get("id").or(it.get("connection")).unwrap().to_string();
            assert_eq!(all.len(), count, "{path} by {limit}");
            assert_eq!(all.iter().map(name).collect::<BTreeSet<_>>().len(), count, "{path} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_filter_leaves_what_fits() {
    let world = World::open().await;
    let other = connect(&world.app.hub, world.workspace()).await;
    world.said(world.connection, "anna", "+79123456789").await;
    world.said(other, "ivan", "+79123456780").await;
    world.takes(other, Reading::Refused("vendor.shape: no".to_owned())).await;
    let here = world.connection;
    let leads = world.get("/leads").await.json()["items"].clone();
    let (lead, contact) = (leads[0]["id"].as_str().unwrap().to_owned(), leads[0]["contact"]["id"].as_str().unwrap().to_owned());
    let conversation = world.get("/conversations").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    for (path, count) in [
        (format!("/deliveries?connection={here}"), 1),
        (format!("/deliveries?connection={other}&outcome=refused"), 1),
        ("/deliveries?outcome=dead".to_owned(), 0),
        ("/leads?stage=lead".to_owned(), 2),
        ("/leads?stage=client".to_owned(), 0),
        ("/leads?channel=chat".to_owned(), 2),
        ("/leads?channel=phone".to_owned(), 0),
        (format!("/leads?contact={contact}"), 1),
        (format!("/interactions?lead={lead}"), 1),
        (format!("/interactions?contact={contact}"), 1),
        (format!("/interactions?conversation={conversation}"), 1),
        (format!("/outbox?connection={}&state=pending", world.sink), 4),
        (format!("/outbox?lane={lead}"), 2),
        ("/outbox?state=dead".to_owned(), 0),
        (format!("/dead-letters?connection={here}"), 0),
    ] {
        let answer = world.get(&path).await.json();
        assert_eq!(answer["items"].as_array().unwrap().len(), count, "{path}: {answer}");
    }
}

#[tokio::test]
async fn what_belongs_to_another_workspace_is_not_there() {
    let world = World::open().await;
    let (token, theirs) = world.neighbour().await;
    world.said(theirs, "anna", "+79123456789").await;
    world.takes(theirs, Reading::Dead("connector.trap: x".to_owned())).await;
    let first = async |path: &str| {
        let page = world.ask(Some(&token), "GET", &format!("/api/v1{path}"), None).await.json();
        page["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{path}: {page}")).to_owned()
    };
    for path in ["/connections", "/deliveries", "/leads", "/contacts", "/conversations", "/interactions", "/outbox", "/dead-letters"] {
        let id = first(path).await;
        let unknown = format!("{}01ARZ3NDEKTSV4RRFFQ69G5FAV", &id[..=id.find('_').unwrap()]);
        let mine = world.get(path).await.json();
        assert!(!mine.to_string().contains(&id), "{path} lists another workspace's {id}");
        for further in ["", "/body", "/timeline"] {
            let (foreign, nobodys) =
                (world.get(&format!("{path}/{id}{further}")).await, world.get(&format!("{path}/{unknown}{further}")).await);
            assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{path}/{id}{further}");
            assert_eq!(foreign.problem(), nobodys.problem(), "{path}{further}");
            assert_eq!(foreign.detail().replace(&id, ""), nobodys.detail().replace(&unknown, ""), "{path}{further}");
        }
    }
    let (connection, letter, conversation) = (first("/connections").await, first("/dead-letters").await, first("/conversations").await);
    for (method, path, body) in [
        ("DELETE", format!("/connections/{connection}"), None),
        ("POST", format!("/connections/{connection}/pause"), None),
        ("POST", format!("/connections/{connection}/resume"), None),
        ("POST", format!("/connections/{connection}/test"), None),
        ("PATCH", format!("/connections/{connection}"), Some(json!({ "config": { "mode": "b" } }))),
        ("POST", format!("/dead-letters/{letter}/redrive"), None),
        ("POST", format!("/conversations/{conversation}/messages"), Some(json!({ "text": "Hello" }))),
    ] {
        let answer = world.ask(Some(&world.token), method, &format!("/api/v1{path}"), body.as_ref()).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{method} {path}");
    }
    let kept = world.ask(Some(&token), "GET", &format!("/api/v1/connections/{connection}"), None).await.json();
    assert_eq!(kept["secrets"], json!(["token"]), "a foreign DELETE took the secrets away");
    assert_eq!(kept["state"], "active");
    let doctor = world.ask(Some(&token), "GET", "/api/v1/doctor", None).await;
    assert_eq!(doctor.problem(), (403, "token.first_workspace".to_owned()));
}
