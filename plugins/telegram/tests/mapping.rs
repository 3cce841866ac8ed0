//! Fixtures: each body becomes what its expectation says, and what the schemas allow.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::interaction::Revision;
use patchbay_sdk::schemas::{AttachmentKind, Detail, Event, EventBody, Interaction, Notice, Outline};
use patchbay_sdk::{Failure, Retry};
use patchbay_testing::Schema;
use serde_json::{Value, json};
use telegram::config::{Config, Groups};
use telegram::map;

const FACTS: [&str; 8] = ["kind", "external_user_id", "name", "phone", "email", "text", "direction", "occurred_at"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn text(file: &str) -> Vec<u8> {
    fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn mapped(fixture: &str, config: Config) -> Result<Option<Event>, Failure> {
    of(&text(&format!("{fixture}.json")), config)
}

fn of(body: &[u8], config: Config) -> Result<Option<Event>, Failure> {
    map::event(Node::parse(body).expect("JSON"), config)
}

fn fixtures() -> Vec<String> {
    let files = fs::read_dir(folder()).expect("fixtures/ is there").map(|it| it.expect("a file").file_name());
    let names: BTreeSet<String> =
        files.filter_map(|it| it.to_str().and_then(|it| it.strip_suffix(".expect.json")).map(str::to_owned)).collect();
    // Commands, polls and checks have no body: `patchbay connector test` plays them.
    names.into_iter().filter(|it| folder().join(format!("{it}.json")).is_file()).collect()
}

fn event(fixture: &str) -> Event {
    mapped(fixture, Config::default()).expect(fixture).expect(fixture)
}

fn message(fixture: &str) -> Interaction {
    match event(fixture).body {
        EventBody::Message(it) => it,
        other => panic!("{fixture} is a {}", other.kind()),
    }
}

fn notice(fixture: &str) -> Notice {
    match event(fixture).body {
        EventBody::Other(it) => it,
        other => panic!("{fixture} is a {}", other.kind()),
    }
}

fn detail(fixture: &str) -> patchbay_sdk::schemas::interaction::Message {
    match message(fixture).detail {
        Detail::Message(it) => it,
        other => panic!("{fixture}: {other:?}"),
    }
}

#[test]
fn every_fixture_becomes_what_its_expectation_says() {
    let names = fixtures();
    assert!(names.len() > 50, "{} fixtures", names.len());
    for name in names {
        let expected: Value = serde_json::from_slice(&text(&format!("{name}.expect.json"))).expect(&name);
        let outcome = mapped(&name, Config::default());
        if let Some(wanted) = expected.get("failure") {
            let failure = outcome.expect_err(&name);
            assert_eq!((json!(failure.code), failure.retry), (wanted["code"].clone(), Retry::Never), "{name}");
            continue;
        }
        let event = outcome.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        let wanted = expected.as_array().expect("a list of events");
        assert_eq!(wanted.len(), event.iter().count(), "{name}");
        for (event, wanted) in event.iter().zip(wanted) {
            let actual = serde_json::to_value(Outline::of(event)).expect("an outline is JSON");
            for fact in FACTS {
                assert_eq!(actual[fact], wanted[fact], "{name}: {fact}");
            }
        }
    }
}

#[test]
fn every_event_is_valid_by_the_schemas() {
    let schema = Schema::event();
    for name in fixtures() {
        if let Ok(Some(event)) = mapped(&name, Config::default()) {
            assert_eq!(schema.faults(&event), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn an_edit_is_a_new_fact_about_the_same_message() {
    let (first, edit) = (detail("photo-with-caption"), detail("edited"));
    assert_eq!((first.id, first.revision), (Some("7".to_owned()), None));
    assert_eq!((edit.id, edit.revision), (Some("7".to_owned()), Some(Revision::Edited)));
    assert_ne!(event("photo-with-caption").id, event("edited").id);
    assert_eq!(event("edited").id, "update:8");
}

#[test]
fn a_photo_is_kept_by_its_largest_size() {
    let photos = message("photo-with-caption").attachments;
    assert_eq!(photos.len(), 1);
    assert_eq!((photos[0].kind, photos[0].reference.as_deref(), photos[0].size), (AttachmentKind::Photo, Some("l"), Some(90_000)));
}

#[test]
fn an_animation_is_one_file_although_telegram_sends_it_twice() {
    let files = message("animation").attachments;
    assert_eq!(files.iter().map(|it| (it.kind, it.reference.as_deref())).collect::<Vec<_>>(), [(AttachmentKind::Video, Some("A"))]);
    assert_eq!(files[0].extra["type"], "animation");
}

#[test]
fn a_venue_is_one_place_with_a_name_and_coordinates() {
    let places = message("venue").attachments;
    assert_eq!(places.len(), 1);
    assert_eq!((places[0].kind, places[0].name.as_deref()), (AttachmentKind::Location, Some("Офис")));
    assert_eq!(places[0].extra["latitude"], json!(55.755_826));
}

#[test]
fn somebody_elses_card_is_an_attachment_and_not_the_senders_phone() {
    for name in ["contact-of-another", "contact-from-a-phone-book"] {
        let message = message(name);
        assert_eq!(message.person.identities.len(), 1, "{name}");
        assert_eq!(message.attachments[0].name.as_deref(), Some("Олег"), "{name}");
        assert_eq!(message.attachments[0].extra["phone_number"], "+79990000002", "{name}");
    }
}

#[test]
fn paid_media_is_kept_file_by_file() {
    let kinds: Vec<_> = message("paid-media").attachments.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [AttachmentKind::Photo, AttachmentKind::Other]);
}

#[test]
fn a_deep_link_brings_its_payload_as_the_source() {
    assert_eq!(message("start-payload").source.start.as_deref(), Some("site_42"));
    assert_eq!(message("docs-reply").source.start, None);
}

#[test]
fn a_forward_names_who_wrote_it_first() {
    assert_eq!(detail("forwarded").forwarded_from.as_deref(), Some("Олег"));
    assert_eq!(detail("forwarded-before-7-0").forwarded_from.as_deref(), Some("Новости"));
    assert_eq!(detail("docs-reply").forwarded_from, None);
}

#[test]
fn an_answer_goes_to_the_topic_business_account_or_direct_chat_that_the_message_came_from() {
    let key = |name: &str| message(name).conversation.expect(name).key;
    assert_eq!(key("phpbot-private-hi"), "313534466");
    assert_eq!(key("phpbot-group-reply"), "-123");
    // A thread of replies in a group without topics is no place that one could write to.
    assert_eq!(key("teloxide-group-report-command"), "-1001293752024");
    assert_eq!(key("topic"), "-1001293752024/topic/45");
    assert_eq!(key("button-in-a-topic"), "-1001293752024/topic/45");
    assert_eq!(key("business-in"), "9007199254740991/business/bc1");
    assert_eq!(key("business-out"), "9007199254740991/business/bc1");
    assert_eq!(key("direct-messages-of-a-channel"), "-1002/direct/9007199254740991");
    assert_eq!(notice("business-deleted").conversation.expect("a chat").key, "9007199254740991/business/bc1");
}

#[test]
fn replies_and_pressed_buttons_say_what_they_belong_to() {
    assert_eq!(detail("docs-reply").reply_to.as_deref(), Some("1334"));
    let button = detail("button-in-a-topic");
    assert_eq!((button.reply_to.as_deref(), button.choice.as_deref()), (Some("9"), Some("buy:1")));
}

#[test]
fn what_the_business_wrote_has_an_author_and_no_source() {
    let author = |name: &str| message(name).author.and_then(|it| it.name);
    assert_eq!(author("business-out").as_deref(), Some("Менеджер"));
    assert_eq!(author("channel-post").as_deref(), Some("Пётр"));
    assert_eq!(author("channel-post-in-its-group").as_deref(), Some("Новости"));
    assert_eq!(author("business-in"), None);
}

#[test]
fn fields_without_a_place_travel_in_extra() {
    let message = message("photo-with-caption");
    assert_eq!(message.extra["media_group_id"], "13");
    assert_eq!(message.person.extra["is_premium"], true);
    assert_eq!(message.person.language.as_deref(), Some("ru"));
    assert_eq!(message.person.identities[0].label.as_deref(), Some("@anna"));
    assert_eq!(notice("a-kind-of-update-from-the-future").extra["thought"], "hm");
    assert_eq!(notice("a-kind-of-message-from-the-future").what, "hologram");
    assert_eq!(notice("joined").what, "new_chat_members");
    assert_eq!(notice("joined").extra["message_id"], 7);
}

#[test]
fn groups_and_channels_can_be_left_out() {
    let config = Config { groups: Groups::Ignore, ..Config::default() };
    for name in ["topic", "channel-post", "reaction", "joined", "button-in-a-topic", "boost", "teloxide-group-pinned-service"] {
        assert_eq!(mapped(name, config), Ok(None), "{name}");
    }
    for name in ["phpbot-private-hi", "business-in", "blocked", "docs-callback-query"] {
        assert!(mapped(name, config).expect(name).is_some(), "{name}");
    }
}

#[test]
fn a_refusal_names_the_field_that_is_wrong() {
    let reason = |body: &[u8]| of(body, Config::default()).expect_err("malformed").message;
    assert_eq!(reason(&text("malformed-no-id.json")), "`update_id` is missing or not a whole number");
    assert_eq!(reason(&text("malformed-chat.json")), "the message has no `chat.id`, or one that is not a whole number");
    assert_eq!(reason(br#"{"update_id": 1, "message": 5}"#), "the message has no `chat.id`, or one that is not a whole number");
    assert_eq!(
        reason(br#"{"update_id": 1, "callback_query": {}}"#),
        "the callback query has no `from.id`, or one that is not a whole number"
    );
    assert_eq!(reason(b"[]"), "an update is a JSON object");
    assert_eq!(reason(br#"{"update_id": "1"}"#), "`update_id` is missing or not a whole number");
}

#[test]
fn a_field_of_an_unknown_form_is_kept_and_costs_nothing_else() {
    let odd = json!({ "update_id": 1, "message": { "message_id": 7, "date": 1, "chat": { "id": 5, "type": "private" }, "from": { "id": 5, "first_name": 1 },
        "text": "hi", "contact": [1], "photo": { "a": 1 } } });
    let event = of(odd.to_string().as_bytes(), Config::default()).expect("readable").expect("an event");
    let EventBody::Message(message) = event.body else { panic!("a message") };
    assert_eq!((message.text.as_deref(), message.person.extra["first_name"].clone()), (Some("hi"), json!(1)));
    assert_eq!((message.extra["contact"].clone(), message.extra["photo"].clone()), (json!([1]), json!({ "a": 1 })));
}
