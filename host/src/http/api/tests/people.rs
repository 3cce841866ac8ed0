//! Leads, contacts, conversations, and what is said to them.

use super::*;

#[tokio::test]
async fn a_person_is_found_by_any_spelling() {
    let world = World::open().await;
    world.said(world.connection, "anna", "8 (912) 345-67-89").await;
    world.said(world.connection, "ivan", "+79123456780").await;
    for query in ["phone=8%20(912)%20345-67-89", "phone=%2B79123456789", "phone=+7912+345+67+89", "phone=9123456789"] {
        let found = world.get(&format!("/contacts?{query}")).await.json();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{query}: {found}");
        assert_eq!(found["items"][0]["name"], "Person anna", "{query}");
    }
    assert_eq!(world.get("/contacts?email=Nobody@Example.com").await.json()["items"], json!([]));
    assert_eq!(world.get("/contacts?email=nobody").await.problem(), (400, "request.parameter".to_owned()));
    let id = world.get("/contacts?phone=9123456789").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&format!("/contacts/{id}")).await.json()["id"], id);
    let timeline = world.get(&format!("/contacts/{id}/timeline")).await.json();
    assert_eq!(timeline["items"][0]["event"]["payload"]["text"], "Hello anna");
}

#[tokio::test]
async fn a_lead_fits_its_schema_and_tells_its_timeline() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    let lead = world.get("/leads").await.json()["items"][0].clone();
    let schema = crate::rules::schema::Schema::ours("https://patchbay.dev/schemas/v1/lead.json");
    assert!(schema.allows(&lead), "{lead}");
    let id = lead["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/leads/{id}")).await.json(), lead);
    let interaction = world.get(&format!("/leads/{id}/timeline")).await.json()["items"][0].clone();
    assert_eq!(world.get(&format!("/interactions/{}", interaction["id"].as_str().unwrap())).await.json(), interaction);
}

#[tokio::test]
async fn a_lead_is_refused_with_a_reason_and_a_date_on_which_it_is_due_again() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    let lead = world.get("/leads").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/leads/{lead}/stage");
    let put = async |body: Value| world.ask(Some(&world.token), "PUT", &format!("/api/v1{path}"), Some(&body)).await;
    for (body, status) in [
        (json!({ "name": "refused" }), 409),
        (json!({ "name": "interest" }), 409),
        (json!({ "name": "refused", "reason": "Дорого", "return_at": "2020-01-01T00:00:00Z" }), 409),
        (json!({ "name": "client", "reason": "Дорого" }), 422),
        (json!({ "name": "won" }), 422),
    ] {
        assert_eq!(put(body.clone()).await.problem().0, status, "{body}");
    }
    let told = put(json!({ "name": "refused", "reason": "Дорого", "return_at": "2199-12-01T00:00:00Z" })).await.json();
    assert_eq!((&told["stage"]["reason"], &told["next_contact_at"]), (&json!("Дорого"), &json!("2199-12-01T00:00:00Z")));
    assert_eq!(world.get("/leads?due=true").await.json()["items"], json!([]));
    world.said(world.connection, "anna", "+79123456789").await;
    let why = world.get(&format!("/leads/{lead}/why")).await.json();
    assert_eq!((&why["due_at"], &why["interactions"][0]["placed"]), (&json!("2199-12-01T00:00:00Z"), &json!("opened")));
    assert_eq!(put(json!({ "name": "client" })).await.json()["stage"]["name"], "client");
}

#[tokio::test]
async fn a_message_waits_in_the_outbox_of_its_conversation() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    let conversation = world.get("/conversations").await.json()["items"][0].clone();
    let id = conversation["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/conversations/{id}")).await.json(), conversation);
    let path = format!("/conversations/{id}/messages");
    let answer = world.post(&path, &json!({ "text": "Здравствуйте, Анна!" })).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", String::from_utf8_lossy(&answer.bytes));
    let outbox = answer.json()["outbox"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers[header::LOCATION], format!("/api/v1/outbox/{outbox}"));
    let row = world.get(&format!("/outbox/{outbox}")).await.json();
    assert_eq!(
        (&row["kind"], &row["state"], &row["lane"], &row["tries"]),
        (&json!("message.send"), &json!("pending"), &json!(id), &json!([]))
    );

    let empty = world.post(&path, &json!({ "text": "  " })).await;
    assert_eq!(empty.problem(), (422, "request.body".to_owned()));
    assert_eq!(empty.json()["faults"][0]["at"], "/text");
    assert_eq!(world.walk("/outbox?state=pending", 50).await.iter().filter(|it| it["kind"] == "message.send").count(), 1);
}

#[tokio::test]
async fn a_connector_that_cannot_send_is_not_asked_to() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    let id = world.get("/conversations").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let mute = MANIFEST.replace("[commands]\nkinds = ['message.send']\n", "");
    std::fs::write(world.folder.join("connectors/chat.wasm"), component(&mute)).unwrap();
    let answer = world.post(&format!("/conversations/{id}/messages"), &json!({ "text": "Hello" })).await;
    assert_eq!(answer.problem(), (409, "refused".to_owned()));
    let connection = format!("/api/v1/connections/{}", world.connection);
    world.ask(Some(&world.token), "DELETE", &connection, None).await;
    let answer = world.post(&format!("/conversations/{id}/messages"), &json!({ "text": "Hello" })).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn people_are_merged_and_parted_and_every_step_has_its_author() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+79123456789").await;
    world.said(world.connection, "ivan", "+79123456780").await;
    let ids: Vec<String> =
        world.get("/contacts").await.json()["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    let (ivan, anna) = (&ids[0], &ids[1]);
    let merged = world.post(&format!("/contacts/{ivan}/merge"), &json!({ "with": anna })).await;
    assert_eq!((merged.status, merged.json()["id"].as_str()), (StatusCode::OK, Some(anna.as_str())));
    let again = world.post(&format!("/contacts/{anna}/merge"), &json!({ "with": ivan })).await;
    assert_eq!(again.problem(), (409, "refused".to_owned()));
    let why = world.get(&format!("/contacts/{ivan}/why")).await.json();
    assert_eq!((why["contact"]["id"].as_str(), why["sources"].as_array().unwrap().len()), (Some(anna.as_str()), 2));
    assert!(why["merges"][0]["author"].as_str().unwrap().starts_with("tok_"), "{why}");
    let root = world.post(&format!("/contacts/{anna}/unmerge"), &json!({})).await;
    assert!(root.problem() == (409, "refused".to_owned()) && root.detail().contains(ivan), "{}", root.detail());
    assert_eq!(world.post(&format!("/contacts/{ivan}/unmerge"), &json!({})).await.json()["id"], *ivan);
    assert_eq!(world.get("/contacts").await.json()["items"].as_array().unwrap().len(), 2);
    let why = world.get(&format!("/contacts/{ivan}/why")).await.json();
    assert_eq!((why["apart"][0].as_str(), why["merges"][0]["undone_at"].is_string()), (Some(anna.as_str()), true));
    let (token, _) = world.neighbour().await;
    let theirs = world.ask(Some(&token), "POST", &format!("/api/v1/contacts/{ivan}/merge"), Some(&json!({ "with": anna }))).await;
    assert_eq!(theirs.problem().0, 404, "another company's");
    let path = format!("/contacts/{ivan}/merge");
    assert_eq!(world.post(&path, &json!({ "with": "con_1" })).await.problem(), (422, "request.body".to_owned()));
}

#[tokio::test]
async fn doubtful_pairs_are_shown_side_by_side_and_answered_once() {
    let world = World::open().await;
    world.said(world.connection, "anna", "+7 495 123-45-67").await;
    let payload = json!({ "direction": "in", "person": { "identities": [{ "kind": "phone", "value": "+7 495 123-45-67" }] }, "text": "?", "message": {} });
    world.takes(world.connection, Reading::Events(vec![event("nameless", &payload)])).await;
    let mut matcher = crate::people::Matcher::new(&world.app.hub.store, world.workspace(), "hub", "RU");
    let context = crate::rules::ingest::Context { region: "RU".to_owned(), ..Context::default() };
    while matcher.round(&context).await.unwrap() != crate::people::Round::Idle {}
    let open = world.get("/questions").await.json();
    let question = &open["items"][0];
    assert_eq!(question["state"], "open", "{open}");
    assert!(question["reasons"][0]["words"].is_string() && question["one"]["identities"].is_array(), "{question}");
    let id = question["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/questions/{id}")).await.json(), *question);
    let path = format!("/questions/{id}/answer");
    assert_eq!(world.post(&path, &json!({ "answer": "perhaps" })).await.problem(), (422, "request.body".to_owned()));
    let (token, _) = world.neighbour().await;
    let theirs = world.ask(Some(&token), "POST", &format!("/api/v1{path}"), Some(&json!({ "answer": "yes" }))).await;
    assert_eq!(theirs.problem().0, 404, "another company's");
    let answered = world.post(&path, &json!({ "answer": "yes" })).await.json();
    assert_eq!((answered["state"].as_str(), answered["one"]["id"] == answered["other"]["id"]), (Some("yes"), true));
    assert_eq!(world.post(&path, &json!({ "answer": "no" })).await.problem(), (409, "refused".to_owned()));
    assert_eq!(world.get("/contacts").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.get("/questions").await.json()["items"], json!([]));
    assert_eq!(world.get("/questions?state=yes").await.json()["items"][0]["id"], id);
}

#[tokio::test]
async fn weights_are_estimated_from_a_workspaces_own_people_and_given_back() {
    let world = World::open().await;
    for at in 0..12 {
        world.said(world.connection, &format!("anna{at}"), &format!("+7912345{at:04}")).await;
    }
    let shipped = world.get("/weights").await.json();
    assert_eq!((shipped.get("author"), shipped.get("at")), (None, None), "{shipped}");
    let estimate = async |body: Value| world.ask(Some(&world.token), "POST", "/api/v1/weights/estimate", Some(&body)).await;
    assert_eq!(estimate(json!({ "aply": true })).await.problem().0, 422);
    let shown = estimate(json!({})).await.json();
    assert_eq!((&shown["applied"], &shown["contacts"]), (&json!(false), &json!(12)), "{shown}");
    assert!(shown["pairs"].as_i64() >= Some(10) && shown["people_before"].as_i64() > Some(0), "{shown}");
    let nothing = json!({ "same": { "agree": 0, "of": 0 }, "different": { "agree": 0, "of": 0 } });
    assert_eq!(shown["agrees_with_answers"], json!({ "shipped": nothing, "estimated": nothing }), "nobody decided anything");
    assert_eq!(world.get("/weights").await.json(), shipped, "nothing changes before somebody says so");
    let applied = estimate(json!({ "apply": true })).await.json();
    assert_eq!((&applied["applied"], &applied["weights"]), (&json!(true), &shown["weights"]));
    let taken = world.get("/weights").await.json();
    assert!(taken["weights"] == shown["weights"] && taken["author"].as_str().is_some_and(|it| it.starts_with("tok_")), "{taken}");
    let again = estimate(json!({})).await.json();
    assert_eq!((&again["moved"], &again["weights"]), (&json!(0), &shown["weights"]), "asked once more, they are what they are");
    assert_eq!(world.ask(Some(&world.token), "DELETE", "/api/v1/weights", None).await.json(), shipped);
}
