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

/// What is served, as the description has it.
struct Route {
    method: String,
    path: String,
    /// True: the query may say more.
    asks: bool,
}

impl Route {
    /// The same with something in the place of the id.
    fn address(&self, id: &str) -> String {
        format!("/api/v1{}", self.path.replace("{id}", id))
    }
}

const METHODS: [&str; 5] = ["GET", "POST", "PATCH", "DELETE", "PUT"];

fn described() -> Vec<Route> {
    let document = openapi::whole();
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter().map(|(method, it)| (method.to_uppercase(), it));
        operations.filter(|(method, _)| METHODS.contains(&method.as_str())).map(move |(method, operation)| {
            let asks = operation["parameters"].as_array().into_iter().flatten().any(|it| it["in"] == "query");
            Route { method, path: path.clone(), asks }
        })
    });
    each.collect()
}

/// What the sources of the handlers say that they serve.
fn written() -> BTreeSet<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/api");
    let files = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut routes = BTreeSet::new();
    for file in files.filter(|it| it.is_file()) {
        let text = std::fs::read_to_string(file).unwrap();
        for attribute in text.split("#[utoipa::path(").skip(1) {
            let (method, rest) = attribute.split_once(',').unwrap();
            let (_, path) = rest.split_once("path = \"").unwrap();
            routes.insert((method.trim().to_uppercase(), path.split_once('"').unwrap().0.to_owned()));
        }
    }
    routes
}

#[test]
fn each_handler_that_is_written_is_a_route() {
    let described: BTreeSet<(String, String)> = described().into_iter().map(|it| (it.method, it.path)).collect();
    assert_eq!(written(), described);
}

#[tokio::test]
async fn every_route_needs_a_token_and_refuses_what_it_does_not_know() {
    let world = World::open().await;
    let (routes, token) = (described(), Some(world.token.as_str()));
    for route in &routes {
        let (method, path) = (route.method.as_str(), route.path.as_str());
        let answer = world.ask(None, method, &route.address("x"), None).await;
        if path == "/openapi.json" {
            assert_eq!(answer.status, StatusCode::OK);
            continue;
        }
        assert_eq!(answer.problem(), (401, "token.missing".to_owned()), "{method} {path}");
        // A connector's id is a name, which may be any.
        if path.contains("{id}") && !path.starts_with("/connectors/") {
            for id in ["x", "lead_01ARZ3NDEKTSV4RRFFQ69G5FA!", "%00", &"x".repeat(5_000)] {
                let answer = world.ask(token, method, &route.address(id), Some(&json!({}))).await;
                assert_eq!(answer.problem().0, 404, "{method} {path}: {id}");
            }
        }
        if route.asks && !path.contains("{id}") {
            let answer = world.ask(token, method, &format!("{}?no_such_parameter=1", route.address("x")), None).await;
            assert_eq!(answer.problem(), (400, "request.parameter".to_owned()), "{method} {path}");
            assert!(answer.detail().contains("no_such_parameter"), "{method} {path}: {}", answer.detail());
        }
        for other in METHODS.iter().filter(|it| !routes.iter().any(|other| other.path == path && other.method == **it)) {
            let answer = world.ask(token, other, &route.address("x"), None).await;
            assert_eq!(answer.problem(), (405, "request.method".to_owned()), "{other} {path}");
        }
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
