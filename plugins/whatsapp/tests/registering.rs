//! The callback address of an account at Meta: set, left alone, mended, taken off.

use patchbay_sdk::Retry;
use patchbay_sdk::schemas::command::{WebhookRemove, WebhookSet};
use serde_json::{Value, json};
use whatsapp::config::Config;
use whatsapp::hub::Answered;
use whatsapp::registration::{remove, set};

use crate::fake::{Fake, config, refused};

const URL: &str = "https://hub.example/in/cxn_1";

fn answer(document: &Value) -> Answered {
    Answered { status: 200, usage: None, body: document.to_string().into_bytes() }
}

fn done() -> Answered {
    answer(&json!({ "success": true }))
}

/// Apps that are subscribed to the account, each with an address of its own or without.
fn apps(addresses: &[&str]) -> Answered {
    let app = |it: &&str| {
        let mut app = json!({ "whatsapp_business_api_data": { "id": "670843887433847", "name": "Lucky Shrub" } });
        if !it.is_empty() {
            app["override_callback_uri"] = json!(it);
        }
        app
    };
    answer(&json!({ "data": addresses.iter().map(app).collect::<Vec<_>>() }))
}

/// What the receipt says, and what Meta was told.
fn told(answers: Vec<Answered>, anew: bool) -> (Value, Vec<Value>) {
    let mut hub = Fake::answering(answers);
    let receipt = set(&mut hub, &config(), &WebhookSet { url: URL.to_owned(), anew }).expect("Meta takes it");
    (receipt.details["webhook"]["result"].clone(), hub.vendor.asked.drain(..).skip(1).map(|(_, body)| body).collect())
}

#[test]
fn an_address_is_set_once_and_then_left_alone() {
    let form = json!("override_callback_uri=https%3A%2F%2Fhub.example%2Fin%2Fcxn_1");
    for nobody in [apps(&[]), apps(&[""])] {
        assert_eq!(told(vec![nobody, done()], false), (json!("set"), vec![form.clone()]));
    }
    assert_eq!(told(vec![apps(&["https://elsewhere.example/"]), done()], false), (json!("mended"), vec![form.clone()]));
    assert_eq!(told(vec![apps(&["", URL])], false), (json!("left"), vec![]));
    assert_eq!(told(vec![apps(&[URL]), done()], true), (json!("left"), vec![form]), "the verify token may be another one");
}

#[test]
fn only_our_address_is_taken_off_and_the_app_stays_subscribed() {
    let gone = WebhookRemove { url: URL.to_owned() };
    let mut hub = Fake::answering([apps(&[URL]), done(), apps(&["https://elsewhere.example/"])]);
    assert_eq!(remove(&mut hub, &config(), &gone).expect("it goes").details["webhook"], json!({ "result": "removed" }));
    assert_eq!(hub.vendor.asked[1], ("/v24.0/102290129340398/subscribed_apps".to_owned(), json!({})));
    assert_eq!(remove(&mut hub, &config(), &gone).expect("nothing to do").details["webhook"], json!({ "result": "left" }));
    let mut nobody = Fake::answering([]);
    let by_hand = Config { account_id: String::new(), ..config() };
    assert_eq!(remove(&mut nobody, &by_hand, &gone).expect("nothing to do").details["webhook"], json!({ "result": "left" }));
}

#[test]
fn an_address_that_does_not_answer_meta_and_a_right_that_is_missing_are_named() {
    let fails = |status, code, message: &str| {
        let mut hub = Fake::answering([apps(&[]), refused(status, &json!({ "code": code, "message": message }))]);
        set(&mut hub, &config(), &WebhookSet { url: URL.to_owned(), anew: false }).expect_err("it is refused")
    };
    let unheard = fails(400, 2_200, "(#2200) Callback verification failed with the following errors: HTTP Status Code = 502");
    assert_eq!((unheard.code.as_str(), unheard.retry), ("whatsapp.callback", Retry::Later));
    assert!(unheard.message.contains("HTTP Status Code = 502"), "{}", unheard.message);
    let right = fails(403, 200, "Permissions error");
    assert_eq!((right.code.as_str(), right.retry), ("whatsapp.permission", Retry::Reauthorise));
    assert!(right.message.contains("whatsapp_business_management"), "{}", right.message);
}
