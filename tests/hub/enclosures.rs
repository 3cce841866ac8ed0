//! Files that go along with an answer by mail: fetched by the hub from the address that the message names.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use patchbay_tests::api::Connection;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::mail::{PASSWORD, Smtp};
use patchbay_tests::vendor::{Answer, Vendor};
use patchbay_tests::wait::until;
use serde_json::{Value, json};

/// The secret with which mails are posted.
const INBOUND: &str = "inbound-token-of-the-tests";
/// Largest file that a mail takes.
const LARGEST: usize = 10 << 20;

/// A mail box that gets its mail posted and sends by SMTP, and the conversation with somebody who wrote.
async fn mail_box(hub: &Hub, smtp: &Smtp) -> (Connection, String) {
    hub.folder().install("email", "email");
    let config = json!({
        "address": "sales@hub.example", "username": "sales", "password": PASSWORD,
        "smtp": format!("tcp://{}", smtp.address()), "inbound_token": INBOUND,
    });
    let connection = hub.connect("email", config).await;
    let letter =
        "From: Anna <anna@example.com>\r\nTo: sales@hub.example\r\nSubject: Prices\r\nMessage-ID: <m1@example.com>\r\n\r\nHow much?\r\n";
    let headers = [("content-type", "message/rfc822"), ("x-patchbay-token", INBOUND)];
    assert_eq!(connection.deliver("", &headers, letter).await.expect("the hub answers").status, 200);
    let conversation = hub.api().all("/conversations").await[0]["id"].as_str().expect("an id").to_owned();
    (connection, conversation)
}

/// The row of the outbox, when it came to its end.
async fn sent(hub: &Hub, conversation: &str, message: &Value) -> Value {
    let path = format!("/conversations/{conversation}/messages");
    let id = hub.api().post(&path, message).await.expect(202)["outbox"].as_str().expect("an id").to_owned();
    let ended = async || Some(hub.api().get(&format!("/outbox/{id}")).await).filter(|it| it["state"] != "pending");
    until("the message came to its end", ended).await
}

fn document(url: &str) -> Value {
    json!({ "kind": "document", "url": url, "name": "price list.pdf" })
}

/// The bytes of the only file of a mail, in the dialogue in which it was sent.
fn file_of(dialogue: &str) -> Vec<u8> {
    let (_, part) = dialogue.split_once("Content-Disposition: attachment; filename=\"price list.pdf\"\n\n").expect("there is a file");
    let encoded: String = part.lines().take_while(|it| !it.starts_with("--")).collect();
    BASE64_STANDARD.decode(encoded).expect("it is base64")
}

#[tokio::test]
async fn a_file_is_fetched_and_goes_along_with_the_answer() {
    for engine in Engine::each() {
        let (hub, smtp) = (Hub::start(engine).await, Smtp::start());
        let headers = || vec![("content-type", "application/pdf".to_owned())];
        let files = Vendor::start(move |_| Answer { headers: headers(), body: b"a price list".to_vec(), ..Answer::json(&Value::Null) });
        let (_, conversation) = mail_box(&hub, &smtp).await;
        let url = format!("{}/files/1.pdf?key=k-1", files.url());
        let row = sent(&hub, &conversation, &json!({ "text": "Here it is", "attachment": document(&url) })).await;
        assert_eq!(row["state"], "delivered", "{row}");
        drop(hub.cli(&["message", "send", &conversation, "--file", &url, "--file-name", "price list.pdf"]));
        hub.api().until_delivered().await;

        let taken = smtp.taken();
        assert_eq!(taken.len(), 2, "{taken:?}");
        for mail in &taken {
            assert!(mail.contains("RCPT TO:<anna@example.com>") && mail.contains("Content-Type: application/pdf"), "{mail}");
            assert_eq!(file_of(mail), b"a price list");
        }
        assert!(taken[0].contains(&BASE64_STANDARD.encode("Here it is")) && !taken[1].contains("text/plain"));
        // The file's server learns nothing but the address.
        let asked = files.asked();
        assert_eq!(asked.iter().map(|it| (it.method.as_str(), it.path.as_str())).collect::<Vec<_>>(), [("GET", "/files/1.pdf?key=k-1"); 2]);
        assert!(asked.iter().all(|it| it.header("authorization").is_none() && it.body.is_empty()));
    }
}

#[tokio::test]
async fn a_file_as_large_as_a_mail_takes_goes_out_and_a_larger_one_is_refused() {
    let (hub, smtp) = (Hub::start(Engine::Sqlite).await, Smtp::start());
    let files = Vendor::start(|asked| {
        let more = usize::from(asked.path == "/larger");
        Answer { body: vec![b'x'; LARGEST + more], ..Answer::json(&Value::Null) }
    });
    let (_, conversation) = mail_box(&hub, &smtp).await;
    let row = sent(&hub, &conversation, &json!({ "attachment": document(&format!("{}/largest", files.url())) })).await;
    assert_eq!(row["state"], "delivered", "{row}");
    assert_eq!(file_of(&smtp.taken()[0]).len(), LARGEST);
    let row = sent(&hub, &conversation, &json!({ "attachment": document(&format!("{}/larger", files.url())) })).await;
    let reason = row["reason"].as_str().unwrap_or_default();
    assert!(row["state"] == "dead" && reason.starts_with("email.file_too_large") && reason.contains("10485760"), "{row}");
    assert_eq!(smtp.taken().len(), 1);
}

#[tokio::test]
async fn what_is_no_file_is_refused_with_what_would_help() {
    let (hub, smtp) = (Hub::start(Engine::Sqlite).await, Smtp::start());
    let files = Vendor::start(|asked| match asked.path.as_str() {
        "/moved" => Answer { headers: vec![("location", "/file".to_owned())], ..Answer::status(302) },
        _ => Answer::status(404),
    });
    let (_, conversation) = mail_box(&hub, &smtp).await;
    for (attachment, begins, says) in [
        (document("http://169.254.169.254/latest/meta-data"), "http.private_address", "not a public address"),
        (document("ftp://files.example.com/1.pdf"), "http.address", "https"),
        (document(&format!("{}/moved", files.url())), "email.file", "HTTP 302"),
        (document(&format!("{}/gone", files.url())), "email.file", "HTTP 404"),
        (json!({ "kind": "photo", "reference": "AgACAgIAAxkBAAI" }), "email.file", "`url`"),
    ] {
        let row = sent(&hub, &conversation, &json!({ "text": "Here it is", "attachment": attachment })).await;
        let reason = row["reason"].as_str().unwrap_or_default();
        assert!(row["state"] == "dead" && reason.starts_with(begins) && reason.contains(says), "{row}");
    }
    assert_eq!((files.asked().len(), smtp.taken().len()), (2, 0));
}
