//! Who may ask what, and how refusals look.

use std::collections::BTreeSet;

use super::*;
use crate::http::api::openapi;

#[tokio::test]
async fn only_a_valid_token_is_answered() {
    let world = World::open().await;
    let path = "/api/v1/connections";
    let none = world.ask(None, "GET", path, None).await;
    assert_eq!(none.problem(), (401, "token.missing".to_owned()));
    assert_eq!(none.headers[header::WWW_AUTHENTICATE], "Bearer");
    for wrong in ["pb_wrong", "hunter2", &format!("pb_{}", "x".repeat(500)), ""] {
        let answer = world.ask(Some(wrong), "GET", path, None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
        assert!(wrong.is_empty() || !String::from_utf8_lossy(&answer.bytes).contains(wrong), "the token is not repeated");
    }
    assert_eq!(world.get("/connections").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    let world = World::open().await;
    let (id, token) = world.app.hub.store.create_token(world.workspace(), "short").await.unwrap();
    assert_eq!(world.ask(Some(&token), "GET", "/api/v1/leads", None).await.status, StatusCode::OK);
    assert!(world.app.hub.store.revoke_token(world.workspace(), id).await.unwrap());
    assert_eq!(world.ask(Some(&token), "GET", "/api/v1/leads", None).await.problem(), (401, "token.invalid".to_owned()));
}

/// Every method and path of the description, with something in the place of each id.
fn described() -> Vec<(String, String)> {
    let document = openapi::whole();
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys().filter(|it| ["get", "post", "patch", "delete", "put"].contains(&it.as_str()));
        methods.map(move |it| (it.to_uppercase(), path.clone()))
    });
    each.collect()
}

#[tokio::test]
async fn every_described_route_is_served_and_needs_a_token() {
    let world = World::open().await;
    let routes = described();
    assert_eq!(routes.len(), 40, "{routes:?}");
    for (method, path) in routes {
        let answer = world.ask(None, &method, &format!("/api/v1{}", path.replace("{id}", "x")), None).await;
        let due = if path == "/openapi.json" { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status, due, "{method} {path}");
    }
}

#[tokio::test]
async fn the_description_is_whole() {
    let world = World::open().await;
    let answer = world.ask(None, "GET", "/api/v1/openapi.json", None).await;
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut refs = BTreeSet::new();
    collect_refs(&document, &mut refs);
    assert!(refs.contains("#/components/schemas/page.lead.json"), "{refs:?}");
    for reference in refs.iter().filter(|it| it.starts_with("#/components/")) {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let names: Vec<&str> =
                operation["parameters"].as_array().into_iter().flatten().map(|it| it["name"].as_str().unwrap()).collect();
            assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "{path}: {names:?}");
            assert_eq!(names.contains(&"id"), path.contains("{id}"), "{path}: {names:?}");
            assert!(operation["summary"].is_string(), "{path}");
        }
    }
    assert_eq!(document["components"]["schemas"]["lead.json"]["title"], "Lead");
}

fn collect_refs(value: &Value, refs: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            refs.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|it| collect_refs(it, refs));
        }
        Value::Array(items) => items.iter().for_each(|it| collect_refs(it, refs)),
        _ => {}
    }
}

#[tokio::test]
async fn what_is_not_understood_is_named() {
    let world = World::open().await;
    for (path, named) in [
        ("/deliveries?outcme=dead", "outcme"),
        ("/deliveries?outcome=eaten", "eaten"),
        ("/leads?limit=0", "1 to 200"),
        ("/leads?limit=201", "1 to 200"),
        ("/leads?limit=x", "1 to 200"),
        ("/leads?limit=5&limit=6", "limit"),
        ("/leads?cursor=dlv_01ARZ3NDEKTSV4RRFFQ69G5FAV", "lead_"),
        ("/dead-letters?cursor=yesterday", "dead letters"),
        ("/interactions?lead=lead_01ARZ3NDEKTSV4RRFFQ69G5FAV&contact=con_01ARZ3NDEKTSV4RRFFQ69G5FAV", "only one"),
        ("/contacts?phone=112", "phone"),
        ("/questions?state=maybe", "maybe"),
        ("/sums?cursor=1", "cxn_"),
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.problem(), (400, "request.parameter".to_owned()), "{path}");
        assert!(answer.detail().contains(named), "{path}: {}", answer.detail());
    }
    assert_eq!(world.get("/nonsense").await.problem(), (404, "request.path".to_owned()));
    assert_eq!(world.post("/leads", &json!({})).await.problem(), (405, "request.method".to_owned()));
}

#[tokio::test]
async fn a_body_that_cannot_be_taken_says_why() {
    let world = World::open().await;
    let post = |kind: &'static str, body: String| {
        let request = Request::post("/api/v1/connections").header(header::AUTHORIZATION, format!("Bearer {}", world.token));
        world.send(request.header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap())
    };
    assert_eq!(post("text/plain", "{}".to_owned()).await.problem(), (415, "request.media_type".to_owned()));
    assert_eq!(post("application/json", "{".to_owned()).await.problem(), (400, "request.json".to_owned()));
    let shape = post("application/json", r#"{"connector": "chat", "networks": [1]}"#.to_owned()).await;
    assert_eq!(shape.problem(), (422, "request.body".to_owned()));
    assert!(shape.detail().contains("networks[0]"), "{}", shape.detail());
    let unknown = post("application/json", r#"{"connector": "chat", "colour": 1}"#.to_owned()).await;
    assert!(unknown.detail().contains("colour"), "{}", unknown.detail());
    let large = format!(r#"{{"connector": "{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(post("application/json", large).await.problem(), (413, "request.size".to_owned()));
}

#[tokio::test]
async fn what_fails_inside_is_not_told() {
    let world = World::open().await;
    world.app.hub.store.close().await;
    let answer = world.get("/leads").await;
    assert_eq!(answer.problem().0, 500);
    assert!(!answer.detail().contains("database") && !answer.detail().contains("pool"), "{}", answer.detail());
}
