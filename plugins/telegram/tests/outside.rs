//! Polling and the check of a connection.

use patchbay_sdk::Retry;
use serde_json::json;
use telegram::check::check;
use telegram::config::{Config, Mode};
use telegram::poll::poll;

use crate::fake::{Fake, done, refused};

fn hi(id: i64) -> serde_json::Value {
    let anna = json!({ "id": 5, "first_name": "Анна" });
    json!({ "update_id": id, "message": { "message_id": 1, "date": 1, "text": "hi", "from": anna, "chat": { "id": 5, "type": "private" } } })
}

#[test]
fn a_page_moves_the_cursor_behind_the_last_update() {
    let mut hub = Fake::answering([done(&json!([hi(7), hi(8)])), done(&json!([]))]);
    let page = poll(&mut hub, None, 2, Config::default()).expect("a page");
    assert_eq!(page.events.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["update:7", "update:8"]);
    assert_eq!((page.next_cursor.as_deref(), page.more), (Some("9"), true));
    let page = poll(&mut hub, Some("9"), 1000, Config::default()).expect("a page");
    assert_eq!((page.events.len(), page.next_cursor, page.more), (0, None, false));
    let asked: Vec<_> = hub.vendor.asked.iter().map(|(_, it)| (it["offset"].clone(), it["limit"].clone(), it["timeout"].clone())).collect();
    assert_eq!(asked, [(json!(0), json!(2), json!(20)), (json!(9), json!(100), json!(20))]);
}

#[test]
fn updates_of_no_interest_move_the_cursor_too() {
    let mut hub = Fake::answering([done(&json!([{ "update_id": 7, "inline_query": { "id": "1" } }]))]);
    let page = poll(&mut hub, Some("7"), 100, Config::default()).expect("a page");
    assert_eq!((page.events.len(), page.next_cursor.as_deref()), (0, Some("8")));
}

#[test]
fn an_update_that_cannot_be_read_is_kept_and_does_not_hold_up_the_next() {
    let mut hub = Fake::answering([done(&json!([{ "update_id": 7, "message": "?" }, hi(8)]))]);
    let page = poll(&mut hub, None, 100, Config::default()).expect("a page");
    let kept = serde_json::to_value(&page.events[0]).expect("an event is JSON");
    assert_eq!((&kept["id"], &kept["payload"]["what"]), (&json!("update:7"), &json!("unreadable_update")));
    assert_eq!(kept["payload"]["extra"]["update"]["message"], "?");
    assert_eq!((page.events.len(), page.next_cursor.as_deref()), (2, Some("9")));
}

#[test]
fn a_webhook_in_the_way_of_polling_is_named_with_its_cure() {
    let text = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
    let failure = poll(&mut Fake::answering([refused(409, text, &json!({}))]), None, 100, Config::default()).expect_err("a conflict");
    assert_eq!((failure.code.as_str(), failure.retry), ("telegram.webhook_set", Retry::Later));
    assert!(failure.message.contains("deleteWebhook"), "{}", failure.message);
    let text = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    let failure = poll(&mut Fake::answering([refused(409, text, &json!({}))]), None, 100, Config::default()).expect_err("a conflict");
    assert_eq!(failure.code, "telegram.polled_twice");
}

#[test]
fn the_check_names_the_bot_and_what_keeps_updates_away() {
    let me =
        || done(&json!({ "id": 1, "is_bot": true, "first_name": "Магазин", "username": "shop_bot", "can_read_all_group_messages": true }));
    let hook =
        |url: &str| done(&json!({ "url": url, "pending_update_count": 3, "last_error_message": "Wrong response from the webhook: 503" }));
    let webhook = Config { mode: Mode::Webhook, ..Config::default() };
    for (config, url, warnings) in [
        (Config::default(), "", vec![]),
        (Config::default(), "https://hub.example/in/x", vec!["a webhook is set"]),
        (webhook, "", vec!["no webhook is set", "Telegram's last delivery failed: Wrong response from the webhook: 503"]),
        (webhook, "https://hub.example/in/x", vec!["Telegram's last delivery failed"]),
    ] {
        let report = check(&mut Fake::answering([me(), hook(url)]), config).expect("it works");
        assert_eq!((&report["account"], &report["name"], &report["waiting"]), (&json!("@shop_bot"), &json!("Магазин"), &json!(3)));
        let found: Vec<&str> = report["warnings"].as_array().expect("a list").iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(found.len(), warnings.len(), "{found:?}");
        assert!(found.iter().zip(warnings).all(|(found, start)| found.starts_with(start)), "{found:?}");
    }
}

#[test]
fn the_check_of_a_wrong_token_asks_for_another() {
    let failure = check(&mut Fake::answering([refused(401, "Unauthorized", &json!({}))]), Config::default()).expect_err("a wrong token");
    assert_eq!(failure.retry, Retry::Reauthorise);
}
