//! Whatever is posted, the answer is events or a refusal, and events keep to the schemas' limits.

use patchbay_sdk::schemas::{Identity, Outline};
use proptest::prelude::*;
use serde_json::{Value, json};
use webform::config::Config;
use webform::decode::decode;
use webform::map::{Around, Draft, map};

fn play(content_type: &str, body: &[u8]) -> Vec<Draft> {
    decode(content_type, body).map(|it| map(it, Around::default(), &Config::default())).unwrap_or_default()
}

fn document() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        "[a-zA-Z_]{1,8}",
        "(name|email|phone|value|label|fields|data|id|answers|field|type|contact|entry|values|title|submissions)"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[+0-9() -]{5,16}".prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6).prop_map(|it| json!(it))
        ]
    })
}

proptest! {
    #[test]
    fn random_bytes_never_break_it(
        body in prop::collection::vec(any::<u8>(), 0..300),
        kind in prop_oneof![Just("application/json"), Just("application/x-www-form-urlencoded"), Just("multipart/form-data; boundary=X"), Just("text/plain"), Just("")],
    ) {
        play(kind, &body);
        play(kind, &[b"--X\r\nContent-Disposition: form-data; name=\"", body.as_slice(), b"\"\r\n\r\n", body.as_slice(), b"\r\n--X--"].concat());
        play(kind, &[b"a[", body.as_slice(), b"]=%"].concat());
    }

    #[test]
    fn random_documents_give_the_same_event_every_time(document in document()) {
        let body = document.to_string();
        let once = play("application/json", body.as_bytes());
        prop_assert_eq!(&once, &play("application/json", body.as_bytes()));
        for draft in once {
            prop_assert!(!draft.event.id.is_empty());
            let outline = Outline::of(&draft.event);
            prop_assert!(outline.phone.is_none_or(|it| it.chars().filter(char::is_ascii_digit).count() >= 5));
            prop_assert!(outline.email.is_none_or(|it| it.contains('@')));
        }
    }
}

#[test]
fn deep_nesting_and_many_lists_end_soon() {
    let deep = format!("{}1{}", "{\"data\":".repeat(120), "}".repeat(120));
    play("application/json", deep.as_bytes());
    let brackets = format!("a{}=1", "[b]".repeat(5000));
    play("application/x-www-form-urlencoded", brackets.as_bytes());
    let wide: Vec<Value> = (0..1500).map(|it| json!({ "label": format!("Question {it}"), "value": format!("answer {it}") })).collect();
    assert_eq!(play("application/json", json!({ "fields": wide }).to_string().as_bytes()).len(), 1);
}

#[test]
fn ten_megabytes_of_any_kind_come_to_an_end() {
    const SIZE: usize = 10 << 20;
    let urlencoded = |body: &str| play("application/x-www-form-urlencoded", body.as_bytes());
    urlencoded(&format!("{}=1", "a+b-c_".repeat(SIZE / 6)));
    urlencoded(&format!("phone={}", "+7+912+345+67+89,".repeat(SIZE / 17)));
    urlencoded(&format!("x={}", "name phone email ".repeat(SIZE / 17)));
    urlencoded(&format!("a{}=1", "[b]".repeat(SIZE / 3)));
    urlencoded(&"a[]=1&".repeat(SIZE / 6));
    let many: Vec<Value> = (0..60_000).map(|it| json!({ "label": "a", "value": it })).collect();
    assert_eq!(play("application/json", json!({ "fields": many }).to_string().as_bytes()).len(), 1);
    let named = json!({ "k".repeat(SIZE / 2): (0..5_000).map(|it| (format!("f{it}"), json!(it))).collect::<serde_json::Map<_, _>>() });
    play("application/json", named.to_string().as_bytes());
}

#[test]
fn equal_names_with_different_values_are_all_kept() {
    let body: Vec<Value> = (0..40).map(|it| json!({ "label": "a", "value": it })).collect();
    let drafts = play("application/json", json!({ "fields": body, "email": "anna@example.com" }).to_string().as_bytes());
    let payload: Value = serde_json::from_str(&drafts[0].event.body.payload().expect("it is JSON")).expect("it is JSON");
    let values = payload["form"]["fields"].as_object().expect("fields").iter().filter(|it| it.0.starts_with('a'));
    assert_eq!(values.count(), 40, "{payload:#}");
}

#[test]
fn what_is_no_form_is_refused_with_a_reason() {
    let cases = [
        ("application/json", "{\"name\": \"Anna\",,}", "the body is not JSON at byte 16: expected a name"),
        ("application/json", "hello", "the body is not JSON at byte 0: expected a value"),
        ("text/xml", "<form/>", "the body is XML or HTML; send JSON, application/x-www-form-urlencoded or multipart/form-data"),
        ("", "just words", "the body is neither JSON nor the fields of a form"),
    ];
    for (kind, body, message) in cases {
        assert_eq!(decode(kind, body.as_bytes()).unwrap_err().message, message);
    }
}

#[test]
fn a_wrong_content_type_does_not_matter() {
    let wanted = Identity::phone("+7 912 345-67-89").stated();
    let json = r#"{"phone":"+7 912 345-67-89"}"#;
    for (kind, body) in [
        ("application/x-www-form-urlencoded", json),
        ("text/plain;charset=UTF-8", json),
        ("", json),
        ("application/json", "phone=%2B7+912+345-67-89"),
        ("text/plain", "name=\r\nphone=+7 912 345-67-89\r\n"),
        ("application/json", "\u{feff}  {\"phone\":\"+7 912 345-67-89\"}"),
        ("application/json", r#""{\"phone\":\"+7 912 345-67-89\"}""#),
        ("multipart/form-data", "--q\r\nContent-Disposition: form-data; name=phone\r\n\r\n+7 912 345-67-89\r\n--q--"),
    ] {
        let drafts = play(kind, body.as_bytes());
        let person = &drafts.first().and_then(|it| it.event.body.interaction()).unwrap_or_else(|| panic!("{kind} {body}")).person;
        assert_eq!(person.identities, vec![wanted.clone()], "{kind} {body}");
    }
}

#[test]
fn the_same_words_have_the_same_id_and_others_another() {
    let id = |body: &str| play("", body.as_bytes()).remove(0).event.id;
    assert_eq!(id("name=Anna&phone=123456"), id("phone=123456&name=Anna"));
    assert_ne!(id("name=Anna&phone=123456"), id("name=Anna&phone=123457"));
    let drafts = play("", b"tranid=1:2&name=Anna");
    assert_eq!((drafts[0].event.id.as_str(), drafts[0].by_content), ("1:2", false));
    assert!(play("", b"name=Anna")[0].by_content);
    // An id beside the answers may be the form's: two submissions of one form must both stay.
    let form = |name: &str| json!({ "id": "form-1", "fields": [{ "label": "Name", "value": name }] }).to_string();
    assert_ne!(id(&form("Anna")), id(&form("Boris")));
}

#[test]
fn tags_in_the_address_are_read_and_secrets_are_not() {
    let around = Around { query: "utm_source=vk&token=secret&form_name=Callback&gclid=1", page: Some("https://example.com/p") };
    let drafts = map(decode("", b"phone=+79123456789").expect("a form"), around, &Config::default());
    let event = serde_json::to_value(&drafts[0].event).expect("JSON");
    assert_eq!(
        event["payload"]["source"],
        json!({ "utm": { "source": "vk" }, "clicks": { "gclid": "1" }, "page": "https://example.com/p" })
    );
    assert_eq!(event["payload"]["form"]["name"], "Callback");
    assert!(!event.to_string().contains("secret"));
}

#[test]
fn tags_of_the_page_that_the_browser_came_from_count_without_javascript() {
    let around = Around { query: "", page: Some("https://example.com/p?utm_source=vk&gclid=1") };
    let drafts = map(decode("", b"phone=+79123456789").expect("a form"), around, &Config::default());
    let event = serde_json::to_value(&drafts[0].event).expect("JSON");
    assert_eq!(event["payload"]["source"]["utm"], json!({ "source": "vk" }));
    assert_eq!(event["payload"]["source"]["clicks"], json!({ "gclid": "1" }));
}
