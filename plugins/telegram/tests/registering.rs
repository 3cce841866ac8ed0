//! The webhook at Telegram: set, left alone, mended, taken off.

use patchbay_sdk::Retry;
use patchbay_sdk::schemas::command::{WebhookRemove, WebhookSet};
use serde_json::{Value, json};
use telegram::poll::ALLOWED;
use telegram::registration::{remove, set};

use crate::fake::{Fake, done, refused};

const URL: &str = "https://hub.example/in/cxn_1";

fn wanted(anew: bool) -> WebhookSet {
    WebhookSet { url: URL.to_owned(), anew }
}

fn stands(url: &str) -> (u16, Value) {
    done(&json!({ "url": url, "pending_update_count": 0, "max_connections": 40, "allowed_updates": ALLOWED }))
}

fn nothing_stands() -> (u16, Value) {
    done(&json!({ "url": "", "pending_update_count": 0 }))
}

/// What the receipt says, and the methods that were called.
fn told(hub: &mut Fake, wanted: &WebhookSet) -> (Value, Vec<String>) {
    let receipt = set(hub, wanted).expect("Telegram takes it");
    (receipt.details["webhook"].clone(), hub.vendor.asked.drain(..).map(|(method, _)| method).collect())
}

#[test]
fn an_address_is_set_once_and_then_left_alone() {
    let mut hub =
        Fake::answering([nothing_stands(), done(&json!(true)), stands(URL), stands(URL), stands(URL), done(&json!(true)), stands(URL)]);
    let receipt = set(&mut hub, &wanted(false)).expect("Telegram takes it");
    assert_eq!(receipt.details["webhook"], json!({ "result": "set" }));
    let form = hub.vendor.asked[1].1.clone();
    assert_eq!((&form["url"], &form["max_connections"]), (&json!(URL), &json!("40")));
    let updates: Vec<String> = serde_json::from_str(form["allowed_updates"].as_str().expect("a text")).expect("a list");
    assert_eq!(updates, ALLOWED);
    assert!(form.get("drop_pending_updates").is_none() && form.get("secret_token").is_none(), "{form}");
    hub.vendor.asked.clear();
    assert_eq!(told(&mut hub, &wanted(false)), (json!({ "result": "left" }), vec!["getWebhookInfo".to_owned()]));
    let (result, methods) = told(&mut hub, &wanted(true));
    assert_eq!((result, methods.len()), (json!({ "result": "left" }), 3), "the secret may be another one");
}

#[test]
fn what_differs_is_mended() {
    let told_before = |other: (u16, Value)| {
        let mut hub = Fake::answering([nothing_stands(), done(&json!(true)), stands(URL), other, done(&json!(true)), stands(URL)]);
        told(&mut hub, &wanted(false));
        told(&mut hub, &wanted(false)).0
    };
    let fewer = done(&json!({ "url": URL, "max_connections": 40, "allowed_updates": ["message"] }));
    let slower = done(&json!({ "url": URL, "max_connections": 1, "allowed_updates": ALLOWED }));
    for other in [stands("https://elsewhere.example/"), fewer, slower] {
        assert_eq!(told_before(other), json!({ "result": "mended" }));
    }
    assert_eq!(told_before(nothing_stands()), json!({ "result": "set" }));
}

#[test]
fn a_server_that_does_not_know_all_updates_is_not_told_again_and_again() {
    let older = || done(&json!({ "url": URL, "max_connections": 40, "allowed_updates": ["message", "callback_query"] }));
    let mut hub = Fake::answering([nothing_stands(), done(&json!(true)), older(), older()]);
    told(&mut hub, &wanted(false));
    assert_eq!(told(&mut hub, &wanted(false)), (json!({ "result": "left" }), vec!["getWebhookInfo".to_owned()]));
}

#[test]
fn what_telegram_says_of_its_deliveries_is_told_while_something_waits() {
    let trouble = |waiting: u32| {
        let info = json!({ "url": URL, "pending_update_count": waiting, "max_connections": 40, "allowed_updates": ALLOWED,
            "last_error_date": 1_760_000_000, "last_error_message": "Connection timed out" });
        let mut hub = Fake::answering([nothing_stands(), done(&json!(true)), stands(URL), done(&info)]);
        told(&mut hub, &wanted(false));
        told(&mut hub, &wanted(false)).0["trouble"].clone()
    };
    assert_eq!([trouble(3), trouble(0)], [json!("Connection timed out"), json!(null)]);
}

#[test]
fn only_our_address_is_taken_off() {
    let gone = WebhookRemove { url: URL.to_owned() };
    let mut hub = Fake::answering([stands(URL), done(&json!(true)), stands("https://elsewhere.example/")]);
    assert_eq!(remove(&mut hub, &gone).expect("it goes").details["webhook"], json!({ "result": "removed" }));
    assert_eq!(hub.vendor.asked[1], ("deleteWebhook".to_owned(), json!({})), "what waits is kept");
    assert_eq!(remove(&mut hub, &gone).expect("nothing to do").details["webhook"], json!({ "result": "left" }));
    assert_eq!(hub.methods().len(), 3);
}

#[test]
fn an_address_that_telegram_does_not_take_is_named() {
    let text = "Bad Request: bad webhook: An HTTPS URL must be provided for webhook";
    let mut hub = Fake::answering([nothing_stands(), refused(400, text, &json!({}))]);
    let failure = set(&mut hub, &wanted(false)).expect_err("it is refused");
    assert_eq!((failure.code.as_str(), failure.retry), ("telegram.bad_webhook", Retry::Never));
    assert!(failure.message.contains("HTTPS URL"), "{}", failure.message);
}
