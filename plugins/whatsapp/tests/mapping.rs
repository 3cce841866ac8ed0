//! Fixtures: each body becomes what its expectation says, and what the schemas allow.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use patchbay_sdk::Retry;
use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::interaction::{Call, CallResult, Message, Revision};
use patchbay_sdk::schemas::{
    AttachmentKind, Detail, Direction, Event, EventBody, IdentityKind, Interaction, MessageStatus, Notice, Outline, Person, StatusChange,
};
use patchbay_testing::Schema;
use serde_json::{Value, json};
use whatsapp::config::Config;
use whatsapp::map::{self, Delivery};

use crate::fake;

const FACTS: [&str; 8] = ["kind", "external_user_id", "name", "phone", "email", "text", "direction", "occurred_at"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn read(file: &str) -> Value {
    let text = fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn node(file: &str) -> Node<'static> {
    Node::from(&read(file)).into_owned()
}

fn fixtures() -> Vec<String> {
    let files = fs::read_dir(folder()).expect("fixtures/ is there").map(|it| it.expect("a file").file_name());
    let names: BTreeSet<String> =
        files.filter_map(|it| it.to_str().and_then(|it| it.strip_suffix(".expect.json")).map(str::to_owned)).collect();
    // Commands, polls and checks have no body: `patchbay connector test` plays them.
    names.into_iter().filter(|it| folder().join(format!("{it}.json")).is_file()).collect()
}

fn delivery(fixture: &str) -> Delivery<'static> {
    map::delivery(node(&format!("{fixture}.json")), &Config::default()).expect(fixture)
}

fn event(fixture: &str) -> Event {
    delivery(fixture).events.into_iter().next().expect(fixture)
}

fn interaction(fixture: &str) -> Interaction {
    event(fixture).body.interaction().expect(fixture).clone()
}

fn message(fixture: &str) -> Message {
    match interaction(fixture).detail {
        Detail::Message(it) => it,
        other => panic!("{fixture}: {other:?}"),
    }
}

fn call(fixture: &str) -> Call {
    match interaction(fixture).detail {
        Detail::Call(it) => it,
        other => panic!("{fixture}: {other:?}"),
    }
}

fn status(fixture: &str) -> StatusChange {
    match event(fixture).body {
        EventBody::Status(it) => it,
        other => panic!("{fixture} is a {}", other.kind()),
    }
}

fn notice(fixture: &str) -> Notice {
    match event(fixture).body {
        EventBody::Other(it) => it,
        other => panic!("{fixture} is a {}", other.kind()),
    }
}

fn identities(person: &Person) -> Vec<(IdentityKind, &str)> {
    person.identities.iter().map(|it| (it.kind, it.value.as_str())).collect()
}

#[test]
fn every_fixture_becomes_what_its_expectation_says() {
    let names = fixtures();
    assert!(names.len() > 75, "{} fixtures", names.len());
    for name in names {
        let expected = read(&format!("{name}.expect.json"));
        let outcome = map::delivery(node(&format!("{name}.json")), &Config::default());
        if let Some(wanted) = expected.get("failure") {
            let failure = outcome.expect_err(&name);
            assert_eq!((json!(failure.code), failure.retry), (wanted["code"].clone(), Retry::Never), "{name}");
            continue;
        }
        let events = outcome.unwrap_or_else(|failure| panic!("{name}: {failure:?}")).events;
        let wanted = expected.as_array().expect("a list of events");
        assert_eq!(events.len(), wanted.len(), "{name}");
        for (event, wanted) in events.iter().zip(wanted) {
            let actual = serde_json::to_value(Outline::of(event)).expect("an outline is JSON");
            for fact in FACTS {
                assert_eq!(actual[fact], wanted[fact], "{name}: {fact}");
            }
            assert_eq!(event.id.as_str(), wanted["id"].as_str().expect("an id"), "{name}");
        }
    }
}

#[test]
fn every_event_is_valid_by_the_schemas() {
    let schema = Schema::event();
    for name in fixtures() {
        for event in map::delivery(node(&format!("{name}.json")), &Config::default()).map(|it| it.events).unwrap_or_default() {
            assert_eq!(schema.faults(&event), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn a_person_is_known_by_the_phone_and_by_the_id_that_outlives_it() {
    use IdentityKind::{Handle, Phone};
    let both = interaction("text").person;
    assert_eq!(identities(&both), [(Handle, "79123456789"), (Handle, "RU.13491208655302741918"), (Phone, "+79123456789")]);
    let hidden = interaction("without-a-phone").person;
    assert_eq!(identities(&hidden), [(Handle, "RU.13491208655302741918")]);
    assert_eq!(hidden.identities[0].label.as_deref(), Some("@anna"));
    assert_eq!(identities(&interaction("without-a-phone-in-its-field").person), [(Handle, "RU.13491208655302741918")]);
}

#[test]
fn a_changed_number_belongs_to_the_person_of_the_old_one() {
    let EventBody::Person(person) = event("number-changed").body else { panic!("a person") };
    let values: Vec<_> = identities(&person).into_iter().map(|(_, it)| it).collect();
    assert_eq!(values, ["79123456789", "+79123456789", "79123456780", "+79123456780"]);
    let EventBody::Person(person) = event("another-id").body else { panic!("a person") };
    assert!(identities(&person).iter().any(|(_, it)| *it == "RU.1") && identities(&person).iter().any(|(_, it)| *it == "RU.2"));
}

#[test]
fn an_answer_goes_to_the_phone_the_id_or_the_group_and_from_the_number_that_was_written_to() {
    let key = |name: &str| interaction(name).conversation.map(|it| it.key);
    assert_eq!(key("text").as_deref(), Some("79123456789"));
    assert_eq!(key("without-a-phone").as_deref(), Some("RU.13491208655302741918"));
    assert_eq!(key("courier-group-message").as_deref(), Some("group/555555555"));
    assert_eq!(key("no-sender"), None);
    let own = map::delivery(node("text.json"), &fake::config()).expect("a delivery");
    assert_eq!(own.heard[0].key, "79123456789");
    let other = Config { phone_number_id: "5".to_owned(), ..fake::config() };
    let other = map::delivery(node("text.json"), &other).expect("a delivery");
    assert_eq!(other.heard[0].key, "79123456789/from/106540352242922");
    assert_eq!(interaction("text").source.line.as_deref(), Some("+7 495 123-45-67"));
}

#[test]
fn what_was_chosen_is_told_by_its_title_and_its_data() {
    let chosen = |name: &str| (interaction(name).text, message(name).choice, message(name).reply_to);
    let found = |text: &str, choice: &str, answers: &str| (Some(text.to_owned()), Some(choice.to_owned()), Some(answers.to_owned()));
    assert_eq!(chosen("button-of-a-template"), found("Подтвердить", "confirm:7", "wamid.OUT3"));
    assert_eq!(chosen("row-of-a-list"), found("Завтра, 12:00", "slot:12", "wamid.OUT4"));
    assert_eq!(interaction("row-of-a-list").extra["interactive"]["list_reply"]["description"], "у метро");
    assert_eq!(interaction("flow").extra["interactive"]["nfm_reply"]["response"]["phone"], "+79990000003");
    assert_eq!(interaction("courier-nfm-reply-non-object").extra["interactive"]["nfm_reply"]["response"][0], "not");
}

#[test]
fn an_edit_is_a_new_fact_about_the_same_message() {
    for (name, original) in [("edited", "wamid.F001"), ("edited-caption", "wamid.F006"), ("echo-edited", "wamid.E1")] {
        let edit = message(name);
        assert_eq!((edit.id.as_deref(), edit.revision), (Some(original), Some(Revision::Edited)), "{name}");
    }
    assert_eq!(notice("taken-back").extra["revoke"]["original_message_id"], "wamid.F001");
    assert_eq!(notice("taken-back").what, "revoke");
}

#[test]
fn files_are_kept_by_their_id_and_nothing_that_needs_a_token_counts_as_an_address() {
    let file = |name: &str| interaction(name).attachments.remove(0);
    let image = file("image-with-address");
    assert_eq!((image.kind, image.reference.as_deref(), image.url.as_deref()), (AttachmentKind::Photo, Some("65463453"), None));
    assert!(image.extra.contains_key("url"));
    assert_eq!((file("document").name.as_deref(), file("document").mime.as_deref()), (Some("смета.pdf"), Some("application/pdf")));
    assert_eq!((file("audio").kind, file("pywa-voice").kind), (AttachmentKind::Audio, AttachmentKind::Voice));
    assert_eq!(file("courier-voice").kind, AttachmentKind::Voice);
    assert_eq!(file("location-shared").extra["latitude"], json!(55.755_826));
    assert_eq!(file("order").extra["product_items"][0]["product_retailer_id"], "SKU-7");
}

#[test]
fn somebody_elses_card_is_an_attachment_and_not_the_senders_phone() {
    let with_card = interaction("card-of-another");
    assert_eq!(with_card.attachments[0].name.as_deref(), Some("Олег Иванов"));
    assert!(identities(&with_card.person).iter().all(|(_, it)| !it.contains("79990000002")));
    assert_eq!(interaction("two-cards").attachments.len(), 2);
}

#[test]
fn an_advertisement_is_the_source_of_who_came_from_it() {
    let source = interaction("advertisement").source;
    assert_eq!((source.clicks["ctwa_clid"].as_str(), source.referrer.as_deref()), ("ARA1", Some("https://fb.me/1")));
    assert!(delivery("advertisement").heard[0].by_advertisement);
    assert_eq!(interaction("advertisement").extra["referral"]["source_id"], "120210");
}

#[test]
fn what_was_passed_on_is_not_said_by_the_sender() {
    assert!(message("forwarded").forwarded_from.is_some() && message("forwarded-many-times").forwarded_from.is_some());
    assert_eq!(message("answer-to-a-message").forwarded_from, None);
    assert_eq!(interaction("from-a-product").extra["context"]["referred_product"]["product_retailer_id"], "SKU-7");
}

#[test]
fn what_is_not_known_is_kept_and_what_is_wrong_stands_beside_it() {
    assert_eq!(interaction("kind-from-the-future").extra["hologram"]["id"], "9");
    assert_eq!(interaction("unsupported").extra["errors"][0]["code"], 131_051);
    assert_eq!(interaction("pywa-interactive-message-with-err").extra["errors"][0]["code"], 131_000);
    assert_eq!(delivery("error-of-metas-own").faults.len(), 1);
    assert_eq!(delivery("history-refused").faults.len(), 1);
}

#[test]
fn a_status_says_what_became_of_a_message_and_why() {
    let failed = status("status-window-closed");
    assert_eq!((failed.message_id.as_str(), failed.status), ("wamid.OUT1", MessageStatus::Failed));
    assert!(failed.error.is_some_and(|it| it.starts_with("131047: Re-engagement message (Message failed to send because more than 24")));
    assert_eq!(failed.extra["biz_opaque_callback_data"], "out_1");
    let played = status("pywa-status-played");
    assert_eq!((played.status, played.extra["status"].as_str()), (MessageStatus::Read, Some("played")));
    assert_eq!(status("pywa-status-read").extra["pricing"]["category"], "service");
}

#[test]
fn the_end_of_a_call_says_how_it_went() {
    let answered = call("call-answered");
    assert_eq!((answered.result, answered.talk_s), (Some(CallResult::Answered), Some(100)));
    assert_eq!(call("call-missed").result, Some(CallResult::Missed));
    assert_eq!(call("call-rejected").result, Some(CallResult::Missed));
    let ringing = call("call-rings-at-theirs");
    assert_eq!((ringing.result, ringing.started_at.is_some()), (None, true));
    // Each step is a fact of its own about the one call.
    assert_eq!(call("call-rejected").id, ringing.id);
    assert_ne!(event("call-rejected").id, event("call-rings-at-theirs").id);
    assert!(!interaction("pywa-call-user-initiated").extra.contains_key("session"));
}

#[test]
fn the_history_tells_who_wrote_what_and_can_be_left_out() {
    let events = delivery("history").events;
    let directions: Vec<_> = events.iter().filter_map(|it| it.body.interaction()).map(|it| it.direction).collect();
    assert_eq!(directions, [Direction::In, Direction::Out]);
    let ignoring = Config { ignores_history: true, ..Config::default() };
    assert_eq!(map::delivery(node("history.json"), &ignoring).expect("a delivery").events, []);
}

#[test]
fn only_what_people_do_opens_the_window() {
    for name in ["text", "pywa-image", "call-missed", "history"] {
        assert_eq!(delivery(name).heard.len(), 1, "{name}");
    }
    for name in ["echo", "status-window-closed", "number-changed", "call-rings-at-theirs", "address-book"] {
        assert_eq!(delivery(name).heard, [], "{name}");
    }
}

#[test]
fn a_list_with_something_odd_in_it_loses_nothing_else() {
    let mut body = read("text.json");
    let value = &mut body["entry"][0]["changes"][0]["value"];
    value["messages"].as_array_mut().expect("a list").extend([
        json!(5),
        json!({}),
        json!({ "id": "x", "from": 79_990_000_002_i64, "text": 7 }),
    ]);
    let events = map::delivery(Node::from(&body), &Config::default()).expect("a delivery").events;
    assert_eq!(events.len(), 2, "{events:?}");
    let odd = events[1].body.interaction().expect("a message");
    assert_eq!((odd.extra["text"].clone(), odd.person.identities[0].value.as_str()), (json!(7), "79990000002"));
}
