//! OAuth 2: the hub gets the access token, keeps it, and renews it once, however many hubs there are.

use std::time::Duration;

use patchbay_tests::api::Connection;
use patchbay_tests::bodies::{self, API_KEY};
use patchbay_tests::database::Engine;
use patchbay_tests::fake::oauth2::{ACCESS, FakeOAuth2, Misbehave, REFRESH};
use patchbay_tests::files;
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

/// A person opens the link that the hub gives and agrees.
async fn authorise(hub: &Hub, vendor: &FakeOAuth2, sink: &Connection) {
    let link = hub.api().post(&format!("/connections/{}/authorise", sink.id), &Value::Null).await.expect(200);
    let back = vendor.agree(link["link"].as_str().unwrap());
    let page = hub.api().outside(&format!("/oauth/callback?{back}")).await.unwrap();
    assert_eq!(page.status, 200, "{}", page.text);
}

/// Somebody writes: the lead is a command for the sink.
async fn somebody_writes(hub: &Hub, key: &str) {
    let source = hub.connect("misbehaving", json!({})).await;
    let payload = bodies::message("", "anna", "hello")["payload"].clone();
    assert_eq!(source.post_to("/event", &json!({ "events": [{ "id": key, "payload": payload }] })).await.status, 200);
}

async fn shown(hub: &Hub, connection: &Connection) -> Value {
    hub.api().get(&format!("/connections/{}", connection.id)).await
}

async fn works(hub: &Hub, connection: &Connection) -> Value {
    hub.api().post(&format!("/connections/{}/test", connection.id), &Value::Null).await.expect(200)
}

#[tokio::test]
async fn a_link_is_good_once_and_what_waited_for_it_is_delivered() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, FakeOAuth2::start());
        let sink = hub.connect("relay", vendor.config()).await;
        somebody_writes(&hub, "1").await;
        let broken = until("it waits for a person", async || Some(shown(&hub, &sink).await).filter(|it| it["state"] == "broken")).await;
        assert!(broken["reason"].as_str().unwrap().starts_with("oauth2.not_authorised"), "{broken}");

        let printed = hub.cli_json(&["connection", "authorize", &sink.id]);
        let older = vendor.agree(printed["link"].as_str().unwrap());
        let link = hub.api().post(&format!("/connections/{}/authorise", sink.id), &Value::Null).await.expect(200);
        let back = vendor.agree(link["link"].as_str().unwrap());
        let callback = async |query: &str| hub.api().outside(&format!("/oauth/callback?{query}")).await.unwrap();
        for nobodys in ["", "state=&code=x", "code=x&state=abc", older.as_str()] {
            let page = callback(nobodys).await;
            assert_eq!(page.status, 400, "{nobodys}: {}", page.text);
        }
        assert_eq!(callback(&back).await.status, 200);
        assert_eq!(callback(&back).await.status, 400, "a link is good once");

        hub.api().until_delivered().await;
        let now = shown(&hub, &sink).await;
        assert_eq!((&now["state"], &now["config"]["account"]), (&json!("active"), &json!("acme42")), "{now}");
        assert!(now["authorisation"]["granted_at"].is_string() && now["authorisation"]["renewed_at"].is_string(), "{now}");
        // Nothing that can be asked shows a token, nor does what the vendor echoes.
        let said = works(&hub, &sink).await;
        assert_eq!(said["works"], "yes", "{said}");
        let cli = hub.cli(&["connection", "show", &sink.id]);
        for text in [now.to_string(), said.to_string(), String::from_utf8_lossy(&cli.stdout).into_owned()] {
            assert!([ACCESS, REFRESH, API_KEY].iter().all(|it| !text.contains(it)), "{text}");
        }
        assert_eq!(vendor.refreshes(), 0, "a token that is valid is not renewed");
    }
}

#[tokio::test]
async fn a_person_who_says_no_is_told_so_and_the_old_grant_stays() {
    let (hub, vendor) = (Hub::start(Engine::Sqlite).await, FakeOAuth2::start());
    let sink = hub.connect("relay", vendor.config()).await;
    authorise(&hub, &vendor, &sink).await;
    let link = hub.api().post(&format!("/connections/{}/authorise", sink.id), &Value::Null).await.expect(200);
    let back = vendor.agree(link["link"].as_str().unwrap());
    let state = back.split('&').find(|it| it.starts_with("state=")).unwrap();
    let page = hub.api().outside(&format!("/oauth/callback?error=access_denied&error_description=%3Cb%3Eno&{state}")).await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (400, Some("text/plain; charset=utf-8")));
    assert!(page.text.contains("access_denied: <b>no"), "{}", page.text);
    let link = hub.api().post(&format!("/connections/{}/authorise", sink.id), &Value::Null).await.expect(200);
    let back = vendor.agree(link["link"].as_str().unwrap());
    vendor.plan([Misbehave::Error(400, "invalid_grant")]);
    let page = hub.api().outside(&format!("/oauth/callback?{back}")).await.unwrap();
    assert_eq!(page.status, 502, "{}", page.text);
    assert_eq!(works(&hub, &sink).await["works"], "yes");
    let other = hub.connect("misbehaving", json!({})).await;
    hub.api().post(&format!("/connections/{}/authorise", other.id), &Value::Null).await.expect(409);
}

#[tokio::test]
async fn of_two_hubs_one_asks_for_a_new_token_and_both_use_it() {
    let vendor = FakeOAuth2::start();
    let first = Hub::start(Engine::Postgres).await;
    let second = first.beside().await;
    let sink = first.connect("relay", vendor.config()).await;
    authorise(&first, &vendor, &sink).await;
    // Tokens that live for four seconds are due at three; the vendor needs half a second for one.
    vendor.lifetime(Duration::from_secs(4));
    vendor.slow(Duration::from_millis(500));
    vendor.forget_access();
    until("it was renewed four times", async || {
        let (one, other) = tokio::join!(works(&first, &sink), works(&second, &sink));
        assert_eq!((&one["works"], &other["works"]), (&json!("yes"), &json!("yes")), "{one} {other}");
        (vendor.refreshes() >= 4).then_some(())
    })
    .await;
    assert_eq!(vendor.reused(), 0, "a refresh token was used twice");
    assert_eq!(shown(&first, &sink).await["state"], "active");
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_though_nobody_uses_it() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, FakeOAuth2::start());
        vendor.lifetime(Duration::from_secs(4));
        let sink = hub.connect("relay", vendor.config()).await;
        authorise(&hub, &vendor, &sink).await;
        until("it is renewed", async || (vendor.refreshes() >= 2).then_some(())).await;
        assert_eq!((vendor.refused(), vendor.reused()), (0, 0));
    }
}

#[tokio::test]
async fn a_token_that_the_vendor_takes_back_is_replaced_once() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, FakeOAuth2::start());
        let sink = hub.connect("relay", vendor.config()).await;
        authorise(&hub, &vendor, &sink).await;
        vendor.forget_access();
        somebody_writes(&hub, "1").await;
        hub.api().until_delivered().await;
        assert_eq!((vendor.refused(), vendor.refreshes()), (1, 1), "refused once, renewed, sent again");

        // A vendor that refuses whatever it is shown is not asked for token after token.
        vendor.refuse(true);
        for _ in 0..3 {
            assert_eq!(works(&hub, &sink).await["works"], "no");
        }
        assert_eq!(vendor.refreshes(), 1, "within a minute no second one is asked for");
    }
}

#[tokio::test]
async fn a_refused_refresh_stops_the_connection_until_somebody_authorises_it_anew() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, FakeOAuth2::start());
        let sink = hub.connect("relay", vendor.config()).await;
        authorise(&hub, &vendor, &sink).await;
        vendor.revoke();
        somebody_writes(&hub, "1").await;
        let broken = until("it says so", async || Some(shown(&hub, &sink).await).filter(|it| it["state"] == "broken")).await;
        assert_eq!(broken["reason"], "oauth2.invalid_grant: invalid_grant, as the tests want it", "{broken}");
        assert!(vendor.commands().is_empty());
        authorise(&hub, &vendor, &sink).await;
        hub.api().until_delivered().await;
        assert_eq!(shown(&hub, &sink).await["state"], "active");
        assert!(!vendor.commands().is_empty(), "what waited is delivered");
    }
}

#[tokio::test]
async fn a_vendor_that_gives_no_token_for_a_while_breaks_nothing() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, FakeOAuth2::start());
        let sink = hub.connect("relay", vendor.config()).await;
        authorise(&hub, &vendor, &sink).await;
        vendor.plan([Misbehave::Status(503), Misbehave::Nothing, Misbehave::Error(400, "temporarily_unavailable")]);
        vendor.forget_access();
        somebody_writes(&hub, "1").await;
        let failed = until("it says why", async || Some(shown(&hub, &sink).await).filter(|it| it["authorisation"]["failures"] != 0)).await;
        assert!(failed["authorisation"]["reason"].as_str().unwrap().contains("status 503"), "{failed}");
        hub.api().until_delivered().await;
        assert_eq!((vendor.refreshes(), vendor.reused()), (1, 0));
        assert_eq!(shown(&hub, &sink).await["state"], "active");
    }
}

#[tokio::test]
async fn a_hub_that_is_killed_while_it_asks_asks_again() {
    for engine in Engine::each() {
        let (mut hub, vendor) = (Hub::start(engine).await, FakeOAuth2::start());
        vendor.lifetime(Duration::from_secs(4));
        let sink = hub.connect("relay", vendor.config()).await;
        authorise(&hub, &vendor, &sink).await;
        vendor.slow(Duration::from_secs(20));
        until("it asks", async || (vendor.asked() > 1).then_some(())).await;
        hub.kill();
        vendor.slow(Duration::ZERO);
        hub.serve().await;
        until("it works", async || (works(&hub, &sink).await["works"] == "yes").then_some(())).await;
    }
}

#[tokio::test]
async fn a_vendor_that_asks_no_person_is_asked_for_a_token_when_it_is_needed() {
    for engine in Engine::each() {
        let (hub, vendor) = (Hub::start(engine).await, FakeOAuth2::start());
        let relay = std::fs::read(files::connector("relay")).unwrap();
        let manifest = include_str!("../connectors/relay/connector.toml")
            .replace("authorize_url = \"{base_url}/authorize\"", "grant = \"client_credentials\"");
        std::fs::write(hub.folder().path().join("connectors/relay.wasm"), files::with_manifest(&relay, &manifest)).unwrap();
        let sink = hub.connect("relay", vendor.config()).await;
        somebody_writes(&hub, "1").await;
        hub.api().until_delivered().await;
        assert_eq!(vendor.given(), 1);
        hub.api().post(&format!("/connections/{}/authorise", sink.id), &Value::Null).await.expect(409);
        vendor.plan([Misbehave::Error(401, "invalid_client")]);
        vendor.forget_access();
        assert_eq!(works(&hub, &sink).await["code"], "oauth2.invalid_client");
        until_equal("it waits for a person", json!("broken"), async || shown(&hub, &sink).await["state"].clone()).await;
        hub.api().post(&format!("/connections/{}/resume", sink.id), &Value::Null).await.expect(200);
        until("the client is known again", async || (works(&hub, &sink).await["works"] == "yes").then_some(())).await;
    }
}
