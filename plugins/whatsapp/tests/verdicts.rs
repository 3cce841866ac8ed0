//! What Meta's answers mean, and what the check tells.

use patchbay_sdk::Retry;
use patchbay_sdk::schemas::command::MessageSend;
use serde_json::json;
use whatsapp::check::check;
use whatsapp::deliver::deliver;
use whatsapp::hub::Answered;

use crate::fake::{Fake, config, refused};

fn fails(answer: Answered) -> (String, Retry) {
    let message: MessageSend = serde_json::from_value(json!({ "conversation": { "key": "79123456789" }, "text": "x" })).expect("a message");
    let mut hub = Fake::answering([answer]);
    let failure = deliver(&mut hub, &config(), "out_1", &message).expect_err("a refusal");
    assert!(!hub.notes.contains_key("sent:out_1"));
    (failure.code, failure.retry)
}

#[test]
fn each_error_of_meta_has_a_code_and_a_verdict() {
    for (status, code, wanted, retry) in [
        (401, 190, "whatsapp.token", Retry::Reauthorise),
        (401, 0, "whatsapp.token", Retry::Reauthorise),
        (403, 10, "whatsapp.permission", Retry::Reauthorise),
        (403, 200, "whatsapp.permission", Retry::Reauthorise),
        (403, 131_005, "whatsapp.permission", Retry::Reauthorise),
        (400, 4, "whatsapp.rate_limited", Retry::AfterMs(60_000)),
        (400, 80_007, "whatsapp.rate_limited", Retry::AfterMs(60_000)),
        (429, 130_429, "whatsapp.rate_limited", Retry::AfterMs(2_000)),
        (400, 131_056, "whatsapp.pair_rate_limited", Retry::AfterMs(6_000)),
        (400, 131_048, "whatsapp.spam_limited", Retry::Later),
        (403, 368, "whatsapp.account_blocked", Retry::Later),
        (403, 131_031, "whatsapp.account_blocked", Retry::Later),
        (400, 131_042, "whatsapp.payment", Retry::Later),
        (400, 133_010, "whatsapp.not_registered", Retry::Later),
        (500, 131_000, "whatsapp.unavailable", Retry::Later),
        (500, 131_016, "whatsapp.unavailable", Retry::Later),
        (500, 2, "whatsapp.unavailable", Retry::Later),
        (400, 131_047, "whatsapp.window_closed", Retry::Never),
        (400, 131_026, "whatsapp.undeliverable", Retry::Never),
        (400, 131_030, "whatsapp.not_a_test_recipient", Retry::Never),
        (400, 131_049, "whatsapp.marketing_refused", Retry::Never),
        (400, 131_053, "whatsapp.file", Retry::Never),
        (400, 132_001, "whatsapp.template", Retry::Never),
        (400, 132_069, "whatsapp.flow_limited", Retry::Later),
        (400, 100, "whatsapp.refused", Retry::Never),
        (400, 999_999, "whatsapp.error", Retry::Never),
        (503, 999_999, "whatsapp.error", Retry::Later),
    ] {
        let found = fails(refused(status, &json!({ "code": code, "message": "m", "type": "OAuthException" })));
        assert_eq!(found, (wanted.to_owned(), retry), "{status} {code}");
    }
    let transient = refused(400, &json!({ "code": 999_999, "message": "m", "is_transient": true }));
    assert_eq!(fails(transient), ("whatsapp.error".to_owned(), Retry::Later));
}

#[test]
fn a_limit_lasts_as_long_as_meta_says() {
    let usage = r#"{"102290129340398":[{"type":"whatsapp","call_count":100,"estimated_time_to_regain_access":13}]}"#;
    let answer = Answered { usage: Some(usage.to_owned()), ..refused(400, &json!({ "code": 80_007, "message": "m" })) };
    assert_eq!(fails(answer).1, Retry::AfterMs(13 * 60_000));
}

#[test]
fn a_gateway_that_answers_with_a_page_is_asked_again_later() {
    for status in [200, 502] {
        let page = Answered { status, usage: None, body: b"<html>".to_vec() };
        assert_eq!(fails(page), ("whatsapp.unavailable".to_owned(), Retry::Later));
    }
}

#[test]
fn the_check_tells_the_number_its_name_and_its_quality() {
    let number = json!({ "id": "106540352242922", "display_phone_number": "+7 495 123-45-67", "verified_name": "Магазин",
        "quality_rating": "GREEN", "name_status": "APPROVED", "status": "CONNECTED", "platform_type": "CLOUD_API", "throughput": { "level": "STANDARD" } });
    let answer = |it: &serde_json::Value| Answered { status: 200, usage: None, body: it.to_string().into_bytes() };
    let mut hub = Fake::answering([answer(&number)]);
    let report = check(&mut hub, &config()).expect("it works");
    assert!(hub.vendor.asked[0].0.starts_with("/v24.0/106540352242922?fields=display_phone_number,verified_name,quality_rating"));
    assert_eq!((&report["account"], &report["name"], &report["quality"]), (&json!("+7 495 123-45-67"), &json!("Магазин"), &json!("GREEN")));
    assert_eq!((&report["throughput"], &report["warnings"]), (&json!("STANDARD"), &json!([])));
    let mut troubled = number;
    troubled["quality_rating"] = "RED".into();
    troubled["name_status"] = "DECLINED".into();
    troubled["status"] = "FLAGGED".into();
    troubled["platform_type"] = "ON_PREMISE".into();
    let report = check(&mut Fake::answering([answer(&troubled)]), &config()).expect("it answers");
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(4));
}

#[test]
fn the_check_of_a_wrong_token_asks_for_another() {
    let failure = check(&mut Fake::answering([refused(401, &json!({ "code": 190, "message": "Invalid OAuth access token" }))]), &config());
    assert_eq!(failure.expect_err("a wrong token").retry, Retry::Reauthorise);
}
