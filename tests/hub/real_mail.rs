//! A mail box of a real Dovecot: what comes in is there at once and once, whatever the server does, and an answer goes out.

use std::time::{Duration, Instant};

use patchbay_tests::api::Connection;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::mail::{MailUser, Smtp};
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};
use tokio::sync::RwLock;

fn letter(number: u32, more: &str) -> String {
    format!(
        "Date: Sun, 22 Nov 2026 10:00:{number:02} +0000\nFrom: Anna Test <anna@example.com>\nTo: sales@hub.example\n\
         Subject: =?utf-8?B?0KHRgtGD0LvRjNGP?=\nMessage-ID: <m{number}@example.com>\n{more}Content-Type: text/plain; charset=utf-8\n\nLetter {number}\n"
    )
}

/// One server for all tests, and one of them restarts it.
static SERVER: RwLock<()> = RwLock::const_new(());

/// A hub that waits for news of the user's mail box.
async fn connected(user: &MailUser, more: &Value) -> (Hub, Connection) {
    let hub = Hub::start(Engine::Sqlite).await;
    hub.folder().install("email", "email");
    let mut config = user.config();
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let connection = hub.connect("email", config).await;
    let path = format!("/connections/{}", connection.id);
    until("the mail box was looked at", async || hub.api().get(&path).await["cursor"].as_str().map(drop)).await;
    (hub, connection)
}

async fn texts(hub: &Hub) -> Vec<String> {
    let all = hub.api().all("/interactions").await;
    let mut texts: Vec<String> = all.iter().map(|it| it["event"]["payload"]["text"].as_str().unwrap_or_default().to_owned()).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn a_letter_is_a_lead_at_once_and_stays_unread() {
    let _here = SERVER.read().await;
    let user = MailUser::named();
    user.deliver(&letter(1, ""));
    let (hub, connection) = connected(&user, &json!({})).await;
    for number in 2..5 {
        // The poll waits for nine minutes: only the server's word ends it sooner.
        let sent = Instant::now();
        user.deliver(&letter(number, ""));
        until_equal("the letter is there", number as usize - 1, async || texts(&hub).await.len()).await;
        assert!(sent.elapsed() < Duration::from_secs(15), "{:?}", sent.elapsed());
    }
    // What was there before the connection was made is not read.
    assert_eq!(texts(&hub).await, ["Letter 2", "Letter 3", "Letter 4"]);
    let leads = hub.api().all("/leads").await;
    assert_eq!(leads.len(), 1, "{leads:?}");
    let unread = user.asks(&["EXAMINE INBOX", "SEARCH UNSEEN"]);
    assert!(unread.starts_with("* SEARCH 1 2 3 4"), "{unread}");
    assert_eq!(hub.api().sums(&connection.id).await["duplicate"], 0);
}

#[tokio::test]
async fn mails_that_are_numbered_anew_are_no_doubles() {
    let _here = SERVER.read().await;
    let user = MailUser::named();
    user.does(&["CREATE Leads"]);
    let (hub, _) = connected(&user, &json!({ "mailbox": "Leads" })).await;
    for number in 1..4 {
        user.append("Leads", &letter(number, ""));
    }
    until_equal("three letters are there", 3, async || texts(&hub).await.len()).await;
    // A folder that is made anew has another UIDVALIDITY, and other numbers for the same mails.
    user.does(&["DELETE Leads", "CREATE Leads"]);
    for number in [3, 1, 4] {
        user.append("Leads", &letter(number, ""));
    }
    until_equal("the new one is there", true, async || texts(&hub).await.contains(&"Letter 4".to_owned())).await;
    assert_eq!(texts(&hub).await, ["Letter 1", "Letter 2", "Letter 3", "Letter 4"]);
}

#[tokio::test]
async fn an_answer_goes_out_once_in_its_thread() {
    let _here = SERVER.read().await;
    let user = MailUser::named();
    let smtp = Smtp::start();
    let (hub, _) = connected(&user, &json!({ "smtp": format!("tcp://{}", smtp.address()) })).await;
    user.deliver(&letter(7, "References: <m1@example.com> <m2@example.com>\n"));
    let conversation = until("the letter is there", async || hub.api().all("/conversations").await.into_iter().next()).await;
    assert_eq!(conversation["key"], "anna@example.com <m1@example.com>");
    let id = conversation["id"].as_str().unwrap();
    hub.api()
        .post(&format!("/conversations/{id}/messages"), &json!({ "text": "Добрый день!\n.", "reply_to": "m7@example.com" }))
        .await
        .expect(202);
    hub.api().until_delivered().await;
    let taken = smtp.taken();
    assert_eq!(taken.len(), 1, "{taken:?}");
    for line in [
        "RCPT TO:<anna@example.com>",
        "To: anna@example.com",
        "In-Reply-To: <m7@example.com>",
        "References: <m1@example.com>",
        " <m2@example.com>",
        " <m7@example.com>",
        "Subject: =?utf-8?B?UmU6INCh0YLRg9C70YzRjw==?=",
        "0JTQvtCx0YDRi9C5INC00LXQvdGMIQ0KLg==",
    ] {
        assert!(taken[0].lines().any(|it| it == line), "{line}: {}", taken[0]);
    }
}

#[tokio::test]
async fn a_server_that_was_restarted_is_found_again() {
    let _alone = SERVER.write().await;
    let user = MailUser::named();
    let (hub, _) = connected(&user, &json!({})).await;
    MailUser::restart_server();
    user.deliver(&letter(1, ""));
    until_equal("the letter is there", ["Letter 1".to_owned()].to_vec(), async || texts(&hub).await).await;
}
