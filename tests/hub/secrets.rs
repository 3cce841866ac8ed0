//! Secrets: their keys change while hubs run, their uses are written down, and no interface shows them.

use patchbay_tests::bodies::{self, API_KEY, PRIVATE};
use patchbay_tests::database::Engine;
use patchbay_tests::fake::oauth2::FakeOAuth2;
use patchbay_tests::hub::Hub;
use patchbay_tests::vendor::{Answer, Vendor};
use patchbay_tests::wait::until;
use serde_json::{Value, json};

fn carries_out() -> Vendor {
    Vendor::start(|asked| {
        // A vendor that echoes what it is shown.
        Answer::json(&json!({ "remote_id": asked.document["idempotency_key"], "shown": asked.header("x-api-key") }))
    })
}

async fn somebody_writes(hub: &Hub, source: &patchbay_tests::api::Connection, key: &str) {
    let payload = bodies::message("", "anna", "hello")["payload"].clone();
    assert_eq!(source.post_to("/event", &json!({ "events": [{ "id": key, "payload": payload }] })).await.status, 200);
    hub.api().until_delivered().await;
}

#[tokio::test]
async fn keys_change_under_hubs_that_nobody_tells() {
    for engine in Engine::each() {
        let vendor = carries_out();
        let hub = Hub::start(engine).await;
        let second = if engine == Engine::Postgres { Some(hub.beside().await) } else { None };
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
        let source = hub.connect("misbehaving", json!({})).await;
        somebody_writes(&hub, &source, "1").await;
        for round in 2..4 {
            let done = hub.cli_json(&["key", "rotate"]);
            assert_eq!((&done["resumed"], done["secrets"].as_u64() >= Some(1)), (&json!(false), true), "{done}");
            // A running hub reads the secret anew, and writes one.
            for hub in [Some(&hub), second.as_ref()].into_iter().flatten() {
                let tested = hub.api().post(&format!("/connections/{}/test", sink.id), &Value::Null).await.expect(200);
                assert_eq!(tested["works"], "yes", "{tested}");
                let change = json!({ "config": { "api_key": API_KEY } });
                hub.api().ask(reqwest::Method::PATCH, &format!("/connections/{}", sink.id), Some(&change)).await.expect(200);
            }
            somebody_writes(&hub, &source, &round.to_string()).await;
        }
        let keys = hub.cli_json(&["key", "list"]);
        assert_eq!((keys["keys"].as_array().unwrap().len(), &keys["keys"][0]["state"]), (1, &json!("current")), "{keys}");
        let own = keys["masters"][0].as_str().unwrap();
        assert_eq!(hub.cli_any(&["key", "forget", own], "").status.code(), Some(10), "the only master key is needed");
        assert_eq!(hub.cli_any(&["key", "forget", "abc"], "").status.code(), Some(2));
        assert!(vendor.asked().iter().filter(|it| it.path == "/execute").all(|it| it.header("x-api-key") == Some(API_KEY)));
    }
}

#[tokio::test]
async fn each_use_and_each_change_of_a_secret_is_in_the_audit_and_its_value_is_nowhere() {
    for engine in Engine::each() {
        let (vendor, oauth2) = (carries_out(), FakeOAuth2::start());
        let hub = Hub::start(engine).await;
        let sink = hub.connect("relay", json!({ "base_url": vendor.url(), "api_key": API_KEY })).await;
        let granted = hub.connect("relay", oauth2.config()).await;
        let link = hub.api().post(&format!("/connections/{}/authorise", granted.id), &Value::Null).await.expect(200);
        let back = oauth2.agree(link["link"].as_str().unwrap());
        assert_eq!(hub.api().outside(&format!("/oauth/callback?{back}")).await.unwrap().status, 200);
        let source = hub.connect("misbehaving", json!({})).await;
        somebody_writes(&hub, &source, "1").await;
        let _ = hub.cli(&["key", "rotate"]);

        let line = |lines: &[Value], connection: &str, secret: &str, action: &str| {
            lines
                .iter()
                .find(|it| it["subject"] == connection && it["secret"] == secret && it["action"] == format!("secret.{action}"))
                .cloned()
        };
        let used = until("uses are written down", async || {
            let lines = hub.api().all("/audit?action=secret").await;
            line(&lines, &granted.id, "oauth2:access_token", "request")?;
            line(&lines, &sink.id, "api_key", "request")
        });
        let used = used.await;
        assert!(used["count"].as_u64() >= Some(1) && used["author"].is_null(), "{used}");
        let lines = hub.api().all(&format!("/audit?subject={}", granted.id)).await;
        assert!(lines.iter().all(|it| it["subject"] == granted.id));
        for (secret, action, author) in
            [("api_key", "set", "tok_"), ("api_key", "token", ""), ("oauth2:refresh_token", "set", "hub"), ("api_key", "resealed", "cli:")]
        {
            let found = line(&lines, &granted.id, secret, action).unwrap_or_else(|| panic!("no {action} of {secret}: {lines:?}"));
            assert!(found["author"].as_str().unwrap_or_default().starts_with(author), "{found}");
        }
        assert!(hub.api().all("/audit?changes=true").await.iter().all(|it| it["author"].is_string()));

        // Everything that can be asked for, and what the command line says.
        let document = hub.api().get("/openapi.json").await;
        let mut said = vec![document.to_string(), hub.api().outside("/metrics").await.unwrap().text];
        for (path, methods) in document["paths"].as_object().unwrap() {
            if methods.get("get").is_some() && (!path.contains('{') || path.ends_with("connections/{id}")) {
                let path = path.trim_start_matches("/api/v1").replace("{id}", &granted.id);
                said.push(hub.api().ask(reqwest::Method::GET, &path, None).await.text);
            }
        }
        let commands: [&[&str]; 6] = [
            &["audit"],
            &["audit", "--json"],
            &["connection", "show", &granted.id],
            &["connection", "list", "--json"],
            &["key", "list"],
            &["doctor"],
        ];
        for command in commands {
            let output = hub.cli(command);
            said.push(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
        }
        said.push(hub.log());
        assert!(said.len() > 20, "{} answers", said.len());
        // Of people the API must speak; of secrets nobody.
        let secrets = PRIVATE.iter().filter(|it| ![bodies::PHONE, bodies::PHONE_E164, bodies::EMAIL, bodies::LAST_NAME].contains(it));
        for secret in secrets {
            assert!(said.iter().all(|it| !it.contains(secret)), "`{secret}` is shown");
        }
    }
}
