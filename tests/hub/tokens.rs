//! Access tokens over lines: the hub gets them, they reach a server that speaks no HTTP, and they are renewed as for any other.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use patchbay_tests::api::Connection;
use patchbay_tests::bodies::API_KEY;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::oauth2::FakeOAuth2;
use patchbay_tests::hub::Hub;
use patchbay_tests::line::LineServer;
use patchbay_tests::wait::until;
use serde_json::{Value, json};

/// An IMAP server without mail, which lets in whoever has a token that is valid. It knows this mechanism alone.
fn imap(vendor: &FakeOAuth2, mechanism: &'static str) -> LineServer {
    let is_valid = vendor.judge();
    LineServer::start(move |stream| drop(serve(&stream, mechanism, &is_valid)))
}

fn serve(stream: &TcpStream, mechanism: &str, is_valid: &dyn Fn(&str) -> bool) -> std::io::Result<()> {
    let (mut lines, mut out) = (BufReader::new(stream).lines(), stream);
    let mut say = |text: String| out.write_all(format!("{text}\r\n").as_bytes());
    say("* OK ready".to_owned())?;
    while let Some(line) = lines.next().transpose()? {
        let mut words = line.split(' ');
        let (tag, verb) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default());
        match verb {
            "CAPABILITY" => say(format!("* CAPABILITY IMAP4rev1 SASL-IR IDLE AUTH={mechanism}"))?,
            "AUTHENTICATE" => {
                assert_eq!(words.next(), Some(mechanism));
                let said = BASE64_STANDARD.decode(words.next().unwrap_or_default()).expect("base64");
                let said = String::from_utf8(said).expect("a text");
                let (head, rest) = said.split_once("\u{1}auth=Bearer ").expect("a token");
                assert_eq!(head, if mechanism == "XOAUTH2" { "user=anna" } else { "n,a=anna," });
                if !is_valid(rest.trim_end_matches('\u{1}')) {
                    say(format!("+ {}", BASE64_STANDARD.encode(r#"{"status":"401","schemes":"bearer"}"#)))?;
                    lines.next().transpose()?;
                    say(format!("{tag} NO [AUTHENTICATIONFAILED] Invalid credentials"))?;
                    continue;
                }
            }
            "EXAMINE" => say("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT 1] next".to_owned())?,
            "UID" => say("* SEARCH".to_owned())?,
            "IDLE" => {
                say("+ idling".to_owned())?;
                lines.next().transpose()?;
            }
            _ => {}
        }
        say(format!("{tag} OK done"))?;
    }
    Ok(())
}

async fn connected(hub: &Hub, vendor: &FakeOAuth2, server: &LineServer) -> Connection {
    let base = vendor.config()["base_url"].as_str().expect("its address").to_owned();
    let config = json!({
        "address": "anna@hub.example", "username": "anna", "login": "oauth2", "imap": format!("tcp://{}", server.address()),
        "oauth_authorize_url": format!("{base}/authorize"), "oauth_token_url": format!("{base}/token"),
        "oauth_client_id": "hub", "oauth_client_secret": API_KEY, "oauth_scope": "leads messages",
    });
    hub.connect_as(json!({ "connector": "email", "name": "Mail", "config": config, "networks": ["127.0.0.1"] })).await
}

#[tokio::test]
async fn a_mail_box_is_read_with_a_token_that_the_hub_got_and_renews() {
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let (hub, vendor) = (Hub::start(Engine::Sqlite).await, FakeOAuth2::start());
        hub.folder().install("email", "email");
        let server = imap(&vendor, mechanism);
        let mail = connected(&hub, &vendor, &server).await;
        let test = async || hub.api().post(&format!("/connections/{}/test", mail.id), &Value::Null).await.expect(200);
        let early = test().await;
        assert_eq!([&early["works"], &early["code"]], ["no", "oauth2.not_authorised"], "{early}");

        let link = hub.api().post(&format!("/connections/{}/authorise", mail.id), &Value::Null).await.expect(200);
        let back = vendor.agree(link["link"].as_str().expect("a link"));
        assert_eq!(hub.api().outside(&format!("/oauth/callback?{back}")).await.expect("the hub answers").status, 200);
        let works = async || (test().await["works"] == "yes").then_some(());
        until("the server lets the hub in", works).await;
        let shown = async || hub.api().get(&format!("/connections/{}", mail.id)).await;
        until("it is read", async || (shown().await["state"] == "active").then_some(())).await;

        // The vendor takes the token back before its time: the login is refused, and the next one has another token.
        vendor.forget_access();
        until("the server lets the hub in with another token", works).await;
        assert_eq!((vendor.refreshes(), vendor.reused()), (1, 0), "{mechanism}");
        assert_eq!(shown().await["state"], "active", "nobody has to do anything");

        // Refused again within the minute, the refusal is meant: that is a person's to mend.
        vendor.revoke();
        let refused = test().await;
        assert_eq!([&refused["works"], &refused["code"]], ["no", "imap.login"], "{refused}");
    }
}
