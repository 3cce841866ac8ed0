//! What is sent: one message of the Cloud API after the other, each once.

use patchbay_sdk::schemas::command::MessageSend;
use patchbay_sdk::{Failure, Retry};
use serde_json::{Value, json};
use whatsapp::deliver::deliver;
use whatsapp::place::Place;
use whatsapp::send::parts;

use crate::fake::{Fake, config, sent};

fn message(document: Value) -> MessageSend {
    serde_json::from_value(document).expect("a message to send")
}

fn plan(mut document: Value) -> Result<Vec<Value>, Failure> {
    if document.get("conversation").is_none() {
        document["conversation"] = json!({ "key": "79123456789" });
    }
    let message = message(document);
    let place = Place::parse(&message.conversation.key)?;
    let parts = parts(&place, &message)?;
    Ok(parts.into_iter().map(patchbay_sdk::json::Object::value).collect())
}

fn one(document: Value) -> Value {
    let mut found = plan(document).expect("a plan");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn choices(count: usize, text: &str) -> Value {
    (0..count).map(|it| json!([{ "text": format!("{text}{it}"), "choice": format!("c{it}") }])).collect()
}

#[test]
fn a_text_goes_to_a_phone_an_id_or_a_group() {
    let to = |key: &str| one(json!({ "conversation": { "key": key }, "text": "привет", "reply_to": "wamid.1" }));
    assert_eq!(
        to("79123456789"),
        json!({ "messaging_product": "whatsapp", "recipient_type": "individual", "to": "79123456789", "type": "text",
            "text": { "body": "привет", "preview_url": true }, "context": { "message_id": "wamid.1" } })
    );
    let by_id = to("US.1349");
    assert_eq!((by_id["recipient"].as_str(), by_id["to"].is_null()), (Some("US.1349"), true));
    let group = to("group/Y2F");
    assert_eq!((group["to"].as_str(), group["recipient_type"].as_str()), (Some("Y2F"), Some("group")));
}

#[test]
fn each_kind_of_file_has_its_type_and_goes_by_id_or_address() {
    for (kind, wanted) in [
        ("photo", "image"),
        ("video", "video"),
        ("audio", "audio"),
        ("voice", "audio"),
        ("document", "document"),
        ("sticker", "sticker"),
        ("other", "document"),
    ] {
        let by_id = one(json!({ "attachment": { "kind": kind, "reference": "42", "url": "https://example.com/a", "name": "a.pdf" } }));
        assert_eq!((by_id["type"].as_str(), by_id[wanted]["id"].as_str()), (Some(wanted), Some("42")), "{kind}");
        let by_url = one(json!({ "attachment": { "kind": kind, "url": "https://example.com/a" } }));
        assert_eq!(by_url[wanted]["link"], "https://example.com/a", "{kind}");
        assert_eq!(by_id[wanted].get("filename").is_some(), wanted == "document", "{kind}");
    }
    let captioned = one(json!({ "text": "смотрите", "attachment": { "kind": "photo", "reference": "42" } }));
    assert_eq!(captioned["image"]["caption"], "смотрите");
    let voice = plan(json!({ "text": "слушайте", "attachment": { "kind": "voice", "reference": "42" } })).expect("a plan");
    assert_eq!((voice.len(), voice[0]["audio"]["voice"].clone(), voice[1]["text"]["body"].clone()), (2, json!(true), json!("слушайте")));
}

#[test]
fn places_and_cards_are_sent_by_their_values() {
    let place = one(json!({ "attachment": { "kind": "location", "extra": { "latitude": 1.5, "longitude": 2.5, "name": "Офис" } } }));
    assert_eq!(place["location"], json!({ "latitude": 1.5, "longitude": 2.5, "name": "Офис" }));
    let card = one(json!({ "attachment": { "kind": "contact", "name": "Олег", "extra": { "phone": "+7999" } } }));
    assert_eq!(card["contacts"], json!([{ "name": { "formatted_name": "Олег", "first_name": "Олег" }, "phones": [{ "phone": "+7999" }] }]));
    for incomplete in [json!({ "kind": "location" }), json!({ "kind": "contact", "name": "x" }), json!({ "kind": "photo" })] {
        assert_eq!(plan(json!({ "attachment": incomplete })).expect_err("incomplete").retry, Retry::Never);
    }
}

#[test]
fn three_short_choices_are_buttons_and_more_or_longer_ones_a_list() {
    let buttons = one(json!({ "text": "Выберите", "buttons": choices(3, "Да ") }));
    assert_eq!(buttons["interactive"]["type"], "button");
    assert_eq!(buttons["interactive"]["action"]["buttons"][2], json!({ "type": "reply", "reply": { "id": "c2", "title": "Да 2" } }));
    let list = one(json!({ "text": "Выберите", "buttons": choices(4, "Да ") }));
    assert_eq!(list["interactive"]["action"]["sections"][0]["rows"][3], json!({ "id": "c3", "title": "Да 3" }));
    let long = one(json!({ "text": "Выберите", "buttons": choices(2, "Доставка завтра до двери после шести ") }));
    let row = &long["interactive"]["action"]["sections"][0]["rows"][1];
    assert_eq!(row["description"], "Доставка завтра до двери после шести 1");
    assert!(row["title"].as_str().is_some_and(|it| it.chars().count() <= 24 && it.ends_with('…')), "{row}");
}

#[test]
fn a_link_has_a_message_of_its_own_kind_and_a_file_stands_above_buttons() {
    let buttons = json!([[{ "text": "Сайт", "url": "https://example.com" }]]);
    let link = one(json!({ "text": "Смотрите", "buttons": buttons, "attachment": { "kind": "photo", "reference": "42" } }));
    assert_eq!(
        link["interactive"],
        json!({ "type": "cta_url", "body": { "text": "Смотрите" }, "header": { "type": "image", "image": { "id": "42" } },
            "action": { "name": "cta_url", "parameters": { "display_text": "Сайт", "url": "https://example.com" } } })
    );
    // A list takes no file: it goes first.
    let list = plan(json!({ "text": "Выберите", "buttons": choices(5, "x"), "attachment": { "kind": "photo", "reference": "42" } }));
    let types: Vec<_> = list.expect("a plan").iter().map(|it| it["type"].clone()).collect();
    assert_eq!(types, ["image", "interactive"]);
    let long = plan(json!({ "text": "я".repeat(1500), "buttons": choices(1, "x") })).expect("a plan");
    assert_eq!((long.len(), long[0]["type"].as_str(), long[1]["type"].as_str()), (2, Some("text"), Some("interactive")));
}

#[test]
fn a_template_is_sent_with_what_fills_its_places() {
    let template = |extra: Value| one(json!({ "attachment": { "kind": "other", "extra": extra } }));
    let plain = template(json!({ "type": "template", "name": "hello", "language": "ru", "parameters": ["Анна", "7"] }));
    assert_eq!(
        plain["template"],
        json!({ "name": "hello", "language": { "code": "ru" }, "components": [{ "type": "body",
            "parameters": [{ "type": "text", "text": "Анна" }, { "type": "text", "text": "7" }] }] })
    );
    let components = json!([{ "type": "header", "parameters": [{ "type": "image", "image": { "id": "42" } }] }]);
    let full = template(json!({ "type": "template", "name": "hello", "language": "ru", "components": components }));
    assert_eq!(full["template"]["components"], components);
    for wrong in
        [json!({ "type": "template", "name": "x" }), json!({ "type": "template", "name": "x", "language": "ru", "parameters": [5] })]
    {
        assert_eq!(plan(json!({ "attachment": { "kind": "other", "extra": wrong } })).expect_err("wrong").code, "whatsapp.template");
    }
}

#[test]
fn what_whatsapp_would_refuse_is_refused_with_its_reason() {
    let code = |document: Value| plan(document).expect_err("refused").code;
    let link = json!({ "text": "Сайт", "url": "https://example.com" });
    assert_eq!(code(json!({ "text": " \n" })), "whatsapp.empty");
    assert_eq!(code(json!({ "buttons": choices(1, "x") })), "whatsapp.button");
    for buttons in [
        json!([[link, link]]),
        json!([[link, { "text": "a", "choice": "b" }]]),
        choices(11, "x"),
        json!([[{ "text": " ", "choice": "b" }]]),
        json!([[{ "text": "a", "choice": "" }]]),
        json!([[{ "text": "a", "choice": "b".repeat(257) }]]),
        json!([[{ "text": "a".repeat(73), "choice": "b" }]]),
        json!([[{ "text": "a".repeat(21), "url": "https://example.com" }]]),
    ] {
        assert_eq!(code(json!({ "text": "x", "buttons": buttons })), "whatsapp.button", "{buttons}");
    }
    assert_eq!(code(json!({ "conversation": { "key": "-100/topic/7" }, "text": "x" })), "whatsapp.conversation");
}

#[test]
fn a_repeat_after_success_sends_nothing_and_one_after_half_goes_on() {
    let long = message(json!({ "conversation": { "key": "79123456789" }, "text": format!("{} {}", "а".repeat(4000), "б".repeat(4000)) }));
    let mut hub = Fake::answering([sent("wamid.1")]);
    assert_eq!(deliver(&mut hub, &config(), "out_1", &long).expect_err("no answer").retry, Retry::Later);
    hub.vendor.answers.push_back(sent("wamid.2"));
    let receipt = deliver(&mut hub, &config(), "out_1", &long).expect("sent");
    assert_eq!((receipt.remote_id.as_deref(), &receipt.details["message_ids"]), (Some("wamid.1"), &json!(["wamid.1", "wamid.2"])));
    assert_eq!(deliver(&mut hub, &config(), "out_1", &long), Ok(receipt));
    let letters: Vec<_> = hub.vendor.asked.iter().map(|(_, it)| it["text"]["body"].as_str().and_then(|it| it.chars().next())).collect();
    assert_eq!(letters, [Some('а'), Some('б'), Some('б')]);
    assert!(
        hub.vendor.asked.iter().all(|(path, it)| path == "/v24.0/106540352242922/messages" && it["biz_opaque_callback_data"] == "out_1")
    );
}

#[test]
fn an_answer_goes_out_from_the_number_that_was_written_to() {
    let other = message(json!({ "conversation": { "key": "79123456789/from/55555" }, "text": "привет" }));
    let mut hub = Fake::answering([sent("wamid.1")]);
    deliver(&mut hub, &config(), "out_1", &other).expect("sent");
    assert_eq!((hub.vendor.asked[0].0.as_str(), hub.vendor.asked[0].1["to"].as_str()), ("/v24.0/55555/messages", Some("79123456789")));
}
