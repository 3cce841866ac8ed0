//! Commands: what is asked of Telegram, and what its answers mean.

use patchbay_sdk::schemas::command::MessageSend;
use patchbay_sdk::{Failure, Retry};
use serde_json::{Value, json};
use telegram::deliver::deliver;
use telegram::place::Place;
use telegram::send::calls;

use crate::fake::{Fake, refused, sent};

fn message(document: Value) -> MessageSend {
    serde_json::from_value(document).expect("a message to send")
}

/// Method and parameters of each call.
fn plan(document: Value) -> Result<Vec<(&'static str, Value)>, Failure> {
    let message = message(document);
    let place = Place::parse(&message.conversation.key)?;
    Ok(calls(&place, &message)?.into_iter().map(|it| (it.method, it.parameters.value())).collect())
}

fn hello(key: &str) -> MessageSend {
    message(json!({ "conversation": { "key": key }, "text": "привет" }))
}

#[test]
fn a_text_with_buttons_answers_in_its_topic() {
    let found = plan(json!({
        "conversation": { "key": "-1001/topic/45" }, "text": "Выберите", "reply_to": "7",
        "buttons": [[{ "text": "Да", "choice": "yes" }, { "text": "Сайт", "url": "https://example.com" }], []]
    }))
    .expect("a plan");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "sendMessage");
    assert_eq!(
        found[0].1,
        json!({
            "text": "Выберите", "message_thread_id": 45,
            "reply_parameters": { "message_id": 7, "allow_sending_without_reply": true },
            "reply_markup": { "inline_keyboard": [[{ "text": "Да", "callback_data": "yes" }, { "text": "Сайт", "url": "https://example.com" }]] }
        })
    );
}

#[test]
fn each_kind_of_file_has_its_method() {
    for (kind, extra, method, name) in [
        ("photo", json!({}), "sendPhoto", "photo"),
        ("video", json!({}), "sendVideo", "video"),
        ("video", json!({ "type": "animation" }), "sendAnimation", "animation"),
        ("video", json!({ "type": "video_note" }), "sendVideoNote", "video_note"),
        ("audio", json!({}), "sendAudio", "audio"),
        ("voice", json!({}), "sendVoice", "voice"),
        ("document", json!({}), "sendDocument", "document"),
        ("sticker", json!({}), "sendSticker", "sticker"),
        ("other", json!({}), "sendDocument", "document"),
    ] {
        let attachment = json!({ "kind": kind, "reference": "id1", "url": "https://example.com/a", "extra": extra });
        let found = plan(json!({ "conversation": { "key": "5/business/bc" }, "attachment": attachment })).expect(method);
        assert_eq!((found.len(), found[0].0), (1, method));
        assert_eq!(found[0].1, json!({ name: "id1", "business_connection_id": "bc" }));
    }
}

#[test]
fn places_and_cards_are_sent_by_their_values() {
    let one = |attachment: Value| plan(json!({ "conversation": { "key": "5" }, "attachment": attachment })).map(|mut it| it.remove(0));
    let point = json!({ "latitude": 1.5, "longitude": 2.5 });
    let venue = json!({ "latitude": 1.5, "longitude": 2.5, "title": "Офис", "address": "Тверская, 1" });
    let card = json!({ "phone_number": "+7", "first_name": "Олег" });
    assert_eq!(one(json!({ "kind": "location", "extra": point })), Ok(("sendLocation", point.clone())));
    assert_eq!(one(json!({ "kind": "location", "extra": venue })), Ok(("sendVenue", venue.clone())));
    assert_eq!(one(json!({ "kind": "contact", "extra": card })), Ok(("sendContact", card.clone())));
    for incomplete in [json!({ "kind": "location" }), json!({ "kind": "contact" }), json!({ "kind": "photo" })] {
        assert_eq!(one(incomplete.clone()).expect_err("incomplete").retry, Retry::Never, "{incomplete}");
    }
}

#[test]
fn a_caption_that_is_too_long_follows_as_messages() {
    let with = |text: String, kind: &str| {
        let attachment = json!({ "kind": kind, "url": "https://example.com/a.jpg" });
        let buttons = json!([[{ "text": "Да", "choice": "yes" }]]);
        plan(json!({ "conversation": { "key": "5" }, "text": text, "attachment": attachment, "buttons": buttons, "reply_to": "3" }))
            .expect("a plan")
    };
    let methods = |calls: &[(&'static str, Value)]| calls.iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(methods(&with("я".repeat(1024), "photo")), ["sendPhoto"]);
    assert_eq!(methods(&with("привет".to_owned(), "sticker")), ["sendSticker", "sendMessage"]);
    let long = with("я".repeat(4097), "photo");
    assert_eq!(methods(&long), ["sendPhoto", "sendMessage", "sendMessage"]);
    let has = |name: &str| long.iter().map(|it| it.1.get(name).is_some()).collect::<Vec<_>>();
    assert_eq!(has("reply_parameters"), [true, false, false]);
    assert_eq!(has("reply_markup"), [false, false, true]);
}

#[test]
fn what_telegram_would_refuse_is_refused_with_its_reason() {
    let fails = |document: Value| {
        let failure = plan(document).expect_err("refused");
        assert_eq!(failure.retry, Retry::Never);
        (failure.code, failure.message)
    };
    let (code, reason) =
        fails(json!({ "conversation": { "key": "5" }, "text": "x", "buttons": [[{ "text": "Да", "choice": "я".repeat(33) }]] }));
    assert_eq!((code.as_str(), reason.as_str()), ("telegram.button", "the choice of button «Да» has 66 bytes, Telegram takes 1 to 64"));
    assert_eq!(fails(json!({ "conversation": { "key": "5" }, "text": " \n" })).0, "telegram.empty");
    assert_eq!(fails(json!({ "conversation": { "key": "anna@example.com" }, "text": "x" })).0, "telegram.conversation");
    assert_eq!(fails(json!({ "conversation": { "key": "5" }, "text": "x", "reply_to": "wamid.1" })).0, "telegram.reply_to");
}

#[test]
fn a_repeat_after_success_sends_nothing() {
    let mut hub = Fake::answering([sent(41)]);
    let first = deliver(&mut hub, "out_1", &hello("5")).expect("sent");
    assert_eq!(first.remote_id.as_deref(), Some("41"));
    assert_eq!(hub.vendor.asked[0].1, json!({ "chat_id": 5, "text": "привет" }));
    assert_eq!(deliver(&mut hub, "out_1", &hello("5")), Ok(first));
    assert_eq!(hub.methods(), ["sendMessage"]);
}

#[test]
fn a_repeat_of_a_long_text_goes_on_with_the_part_that_is_missing() {
    let long = message(json!({ "conversation": { "key": "5" }, "text": format!("{} {}", "а".repeat(4000), "б".repeat(4000)) }));
    let mut hub = Fake::answering([sent(41)]);
    assert_eq!(deliver(&mut hub, "out_1", &long).expect_err("no answer").retry, Retry::Later);
    hub.vendor.answers.push_back(sent(43));
    let receipt = deliver(&mut hub, "out_1", &long).expect("sent");
    assert_eq!(receipt.remote_id.as_deref(), Some("41"));
    assert_eq!(receipt.details["message_ids"], json!([41, 43]));
    let first_letters: Vec<_> = hub.vendor.asked.iter().map(|(_, it)| it["text"].as_str().and_then(|it| it.chars().next())).collect();
    assert_eq!(first_letters, [Some('а'), Some('б'), Some('б')]);
}

#[test]
fn a_crash_before_the_note_is_kept_sends_again_rather_than_not_at_all() {
    let mut hub = Fake { forgets: true, ..Fake::answering([sent(41), sent(42)]) };
    deliver(&mut hub, "out_1", &hello("5")).expect("sent");
    assert_eq!(deliver(&mut hub, "out_1", &hello("5")).expect("sent again").remote_id.as_deref(), Some("42"));
}

#[test]
fn a_group_that_became_a_supergroup_is_followed_and_remembered() {
    let moved = refused(400, "Bad Request: group chat was upgraded to a supergroup chat", &json!({ "migrate_to_chat_id": -1_001_234 }));
    let mut hub = Fake::answering([moved, sent(1), sent(2)]);
    let receipt = deliver(&mut hub, "out_1", &hello("-123")).expect("sent");
    assert_eq!(receipt.details["moved_to"], -1_001_234);
    deliver(&mut hub, "out_2", &hello("-123")).expect("sent");
    let chats: Vec<_> = hub.vendor.asked.iter().map(|(_, it)| it["chat_id"].clone()).collect();
    assert_eq!(chats, [json!(-123), json!(-1_001_234), json!(-1_001_234)]);
}

#[test]
fn each_refusal_of_telegram_has_a_code_and_a_verdict() {
    let none = || json!({});
    for (status, description, parameters, code, retry) in [
        (429, "Too Many Requests: retry after 14", json!({ "retry_after": 14 }), "telegram.rate_limited", Retry::AfterMs(14_000)),
        (429, "Too Many Requests", none(), "telegram.rate_limited", Retry::Later),
        (403, "Forbidden: bot was blocked by the user", none(), "telegram.blocked", Retry::Never),
        (403, "Forbidden: user is deactivated", none(), "telegram.deactivated", Retry::Never),
        (403, "Forbidden: bot can't initiate conversation with a user", none(), "telegram.not_started", Retry::Never),
        (403, "Forbidden: bot was kicked from the supergroup chat", none(), "telegram.not_a_member", Retry::Never),
        (401, "Unauthorized", none(), "telegram.token", Retry::Reauthorise),
        (404, "Not Found", none(), "telegram.token", Retry::Reauthorise),
        (404, "Not Found: method not found", none(), "telegram.method", Retry::Never),
        (400, "Bad Request: chat not found", none(), "telegram.chat_not_found", Retry::Never),
        (400, "Bad Request: message thread not found", none(), "telegram.topic_not_found", Retry::Never),
        (400, "Bad Request: wrong file identifier/HTTP URL specified", none(), "telegram.bad_request", Retry::Never),
        (500, "Internal Server Error", none(), "telegram.unavailable", Retry::Later),
        (502, "Bad Gateway", none(), "telegram.unavailable", Retry::Later),
    ] {
        let mut hub = Fake::answering([refused(status, description, &parameters)]);
        let failure = deliver(&mut hub, "out_1", &hello("5")).expect_err(description);
        assert_eq!((failure.code.as_str(), failure.retry), (code, retry), "{description}");
        assert!(hub.notes.is_empty(), "{description}");
    }
}

#[test]
fn a_gateway_that_answers_with_a_page_is_asked_again_later() {
    let mut hub = Fake::answering([(502, json!("<html>"))]);
    assert_eq!(deliver(&mut hub, "out_1", &hello("5")).expect_err("a page").retry, Retry::Later);
}
