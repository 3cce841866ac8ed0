//! Commands: what is asked of Mango, and what its answers mean.

use mango::check::check;
use mango::config::Config;
use mango::deliver::deliver;
use mango::{map, send};
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::{CallStart, MessageSend};
use patchbay_sdk::{Failure, Retry};
use serde_json::{Value, json};

use crate::fake::Fake;

fn config() -> Config {
    Config { extension: Some("101".to_owned()), sms_sender: Some("SHOP".to_owned()), ..Config::default() }
}

fn sent(hub: &mut Fake, config: &Config, mut message: Value) -> Result<Receipt, Failure> {
    if message.get("conversation").is_none() {
        message["conversation"] = json!({ "key": "79123456789" });
    }
    let message: MessageSend = serde_json::from_value(message).expect("a message");
    deliver(hub, "out_1", send::message(config, &message)?)
}

fn called(hub: &mut Fake, config: &Config, call: Value) -> Result<Receipt, Failure> {
    let call: CallStart = serde_json::from_value(call).expect("a call");
    deliver(hub, "out_1", send::call(config, &call)?)
}

fn asked(message: Value) -> (String, Value) {
    let mut hub = Fake::answering([(200, json!({ "result": 1000 }))]);
    sent(&mut hub, &config(), message).expect("done");
    hub.vendor.asked.remove(0)
}

fn command(extra: Value) -> Value {
    let attachment = serde_json::Map::from_iter([("kind".to_owned(), "other".into()), ("extra".to_owned(), extra)]);
    json!({ "attachment": attachment })
}

#[test]
fn a_text_is_an_sms_on_behalf_of_an_employee() {
    let wanted = json!({ "command_id": "out_1", "text": "Ваш заказ готов", "from_extension": "101", "to_number": "79123456789", "sms_sender": "SHOP" });
    assert_eq!(asked(json!({ "text": " Ваш заказ готов " })), ("/vpbx/commands/sms".to_owned(), wanted));
}

#[test]
fn a_call_back_rings_at_the_employee_and_then_at_the_customer() {
    let mut hub = Fake::answering([(200, json!({ "result": 1000 }))]);
    called(&mut hub, &config(), json!({ "number": "+79123456789" })).expect("done");
    let wanted = json!({ "command_id": "out_1", "from": { "extension": "101" }, "to_number": "79123456789" });
    assert_eq!(hub.vendor.asked, [("/vpbx/commands/callback".to_owned(), wanted)]);
    let mut hub = Fake::answering([(200, json!({ "result": 1000 }))]);
    called(&mut hub, &config(), json!({ "number": "79123456789", "extension": "205", "line": "+74951234567" })).expect("done");
    let named = &hub.vendor.asked[0].1;
    assert_eq!((named["from"]["extension"].as_str(), named["line_number"].as_str()), (Some("205"), Some("74951234567")));
}

#[test]
fn a_call_whose_answer_was_lost_is_not_made_again_once_mango_told_of_it() {
    let mut hub = Fake::default();
    let call = json!({ "number": "79123456789" });
    assert_eq!(called(&mut hub, &config(), call.clone()).expect_err("no answer").retry, Retry::Later);
    let step = json!({ "entry_id": "e1", "call_id": "c1", "seq": 1, "call_state": "Appeared", "timestamp": 1_760_000_000, "command_id": "out_1",
        "from": { "extension": "101" }, "to": { "number": "79123456789" } });
    map::event(&mut hub, &config(), "/events/call", notification(&step).as_bytes()).expect("a step");
    assert_eq!(called(&mut hub, &config(), call).expect("it rang already").remote_id.as_deref(), Some("out_1"));
    assert_eq!(hub.vendor.asked.len(), 1);
    // Commands of others are nothing to us.
    let other = json!({ "entry_id": "e2", "call_id": "c2", "seq": 1, "call_state": "Appeared", "command_id": "crm-7" });
    map::event(&mut hub, &config(), "/events/call", notification(&other).as_bytes()).expect("a step");
    assert!(!hub.notes.keys().any(|it| it.contains("crm-7")), "{:?}", hub.notes);
}

fn notification(document: &Value) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("json", &document.to_string()).finish()
}

#[test]
fn a_leg_can_be_ended() {
    let wanted = json!({ "command_id": "out_1", "call_id": "op1" });
    assert_eq!(asked(command(json!({ "type": "hangup", "call_id": "op1" }))), ("/vpbx/commands/call/hangup".to_owned(), wanted));
}

#[test]
fn what_mango_would_refuse_is_refused_before_it_is_asked() {
    // A wrong request closes the whole API for two minutes.
    let nobody = Config::default();
    for (config, message, code) in [
        (&nobody, json!({ "text": "x" }), "mango.extension"),
        (&config(), command(json!({ "type": "callback" })), "mango.message"),
        (&config(), json!({ "text": "я".repeat(269) }), "mango.too_long"),
        (&config(), json!({ "text": "x".repeat(613) }), "mango.too_long"),
        (&config(), json!({}), "mango.empty"),
        (&config(), json!({ "conversation": { "key": "anna@example.com" }, "text": "x" }), "mango.conversation"),
        (&config(), json!({ "attachment": { "kind": "photo", "url": "https://example.com/a" } }), "mango.file"),
        (&config(), json!({ "text": "x", "buttons": [[{ "text": "a", "choice": "b" }]] }), "mango.message"),
        (&config(), command(json!({ "type": "hangup" })), "mango.hangup"),
    ] {
        let mut hub = Fake::default();
        let failure = sent(&mut hub, config, message.clone()).expect_err(code);
        assert_eq!((failure.code.as_str(), failure.retry), (code, Retry::Never), "{message}");
        assert!(hub.vendor.asked.is_empty());
    }
    for (config, call, code) in
        [(&nobody, json!({ "number": "79123456789" }), "mango.extension"), (&config(), json!({ "number": "the boss" }), "mango.number")]
    {
        let mut hub = Fake::default();
        let failure = called(&mut hub, config, call).expect_err(code);
        assert_eq!((failure.code.as_str(), failure.retry), (code, Retry::Never));
        assert!(hub.vendor.asked.is_empty());
    }
}

#[test]
fn a_repeat_after_success_does_nothing() {
    let mut hub = Fake::answering([(200, json!({ "result": 1000 }))]);
    let first = sent(&mut hub, &config(), json!({ "text": "x" })).expect("done");
    assert_eq!(first.remote_id.as_deref(), Some("out_1"));
    assert_eq!(sent(&mut hub, &config(), json!({ "text": "x" })), Ok(first));
    assert_eq!(hub.vendor.asked.len(), 1);
}

#[test]
fn each_answer_has_a_code_and_a_verdict() {
    for (status, body, code, retry) in [
        (200, json!({ "result": 2240 }), "mango.billing", Retry::Later),
        (200, json!({ "result": "3100" }), "mango.refused", Retry::Never),
        (200, json!({ "result": 3102 }), "mango.key", Retry::Reauthorise),
        (200, json!({ "result": 3105 }), "mango.key", Retry::Reauthorise),
        (200, json!({ "result": 3200 }), "mango.number", Retry::Never),
        (200, json!({ "result": 4001 }), "mango.unsupported", Retry::Never),
        (200, json!({ "result": 4101 }), "mango.no_such_call", Retry::Never),
        (200, json!({ "result": 4300 }), "mango.sms", Retry::Never),
        (200, json!({ "result": 5001 }), "mango.rate_limited", Retry::AfterMs(1_000)),
        (200, json!({ "result": 5003 }), "mango.unavailable", Retry::Later),
        (401, json!({ "name": "Unauthorized", "message": "", "code": 0, "status": 401 }), "mango.locked_out", Retry::AfterMs(120_000)),
        (
            429,
            json!({ "name": "Service Unavailable", "message": "Rate limit exceeded.", "code": 0, "status": 429 }),
            "mango.rate_limited",
            Retry::AfterMs(1_000),
        ),
        (
            200,
            json!({ "name": "Service Unavailable", "message": "Rate limit exceeded.", "code": 0, "status": 429 }),
            "mango.unavailable",
            Retry::Later,
        ),
        (502, json!("<html>"), "mango.unavailable", Retry::Later),
    ] {
        let mut hub = Fake::answering([(status, body.clone())]);
        let failure = sent(&mut hub, &config(), json!({ "text": "x" })).expect_err(code);
        assert_eq!((failure.code.as_str(), failure.retry), (code, retry), "{status} {body}");
        assert!(hub.notes.is_empty());
    }
}

#[test]
fn the_check_tells_what_is_left_on_the_account() {
    let balance = json!({ "result": 1000, "balance": 963.45, "currency": "RUB", "response_at": "2026-11-22 17:55:24" });
    let report = check(&mut Fake::answering([(200, balance)])).expect("it works");
    assert_eq!((&report["balance"], &report["currency"], &report["warnings"]), (&json!(963.45), &json!("RUB"), &json!([])));
    let nothing = json!({ "result": 1000, "balance": -5.0, "currency": "RUB" });
    assert_eq!(check(&mut Fake::answering([(200, nothing)])).expect("it answers")["warnings"].as_array().map(Vec::len), Some(1));
    let wrong = check(&mut Fake::answering([(200, json!({ "result": 3102 }))])).expect_err("a wrong salt");
    assert_eq!(wrong.retry, Retry::Reauthorise);
}
