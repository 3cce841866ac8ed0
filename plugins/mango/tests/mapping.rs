//! Fixtures: each notification alone becomes what its expectation says, and what the schemas allow.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use mango::config::Config;
use mango::map;
use patchbay_sdk::schemas::interaction::CallResult;
use patchbay_sdk::schemas::{Detail, Event, EventBody, Interaction, MessageStatus, Outline};
use patchbay_sdk::{Failure, Retry};
use patchbay_testing::Schema;
use serde_json::{Value, json};

use crate::fake::Fake;

const FACTS: [&str; 9] = ["kind", "external_user_id", "name", "phone", "email", "text", "direction", "occurred_at", "id"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).expect("fixtures/ is there").map(|it| it.expect("a file").file_name());
    let names: BTreeSet<String> = files.filter_map(|it| it.to_str().and_then(|it| it.strip_suffix(".form")).map(str::to_owned)).collect();
    names.into_iter().collect()
}

fn expectation(fixture: &str) -> Value {
    let text = fs::read(folder().join(format!("{fixture}.expect.json"))).expect(fixture);
    serde_json::from_slice(&text).expect(fixture)
}

/// What a notification is, in a hub that may know of others.
pub fn read(hub: &mut Fake, config: &Config, fixture: &str) -> Result<Option<Event>, Failure> {
    let body = fs::read(folder().join(format!("{fixture}.form"))).expect(fixture);
    let settings = fs::read_to_string(folder().join(format!("{fixture}.case.toml"))).expect(fixture);
    let settings: toml::Table = settings.parse().expect(fixture);
    map::event(hub, config, settings["path"].as_str().expect("a path"), &body)
}

fn alone(fixture: &str) -> Event {
    read(&mut Fake::default(), &Config::default(), fixture).expect(fixture).expect(fixture)
}

fn call(fixture: &str) -> (Interaction, patchbay_sdk::schemas::interaction::Call) {
    let interaction = alone(fixture).body.interaction().expect(fixture).clone();
    let Detail::Call(call) = interaction.detail.clone() else { panic!("{fixture} is no call") };
    (interaction, call)
}

#[test]
fn every_fixture_becomes_what_its_expectation_says() {
    let names = names();
    assert!(names.len() > 35, "{} fixtures", names.len());
    for name in names {
        let expected = expectation(&name);
        let outcome = read(&mut Fake::default(), &Config::default(), &name);
        if let Some(wanted) = expected.get("failure") {
            let failure = outcome.expect_err(&name);
            assert_eq!((json!(failure.code), failure.retry), (wanted["code"].clone(), Retry::Never), "{name}");
            continue;
        }
        let event = outcome.unwrap_or_else(|failure| panic!("{name}: {failure:?}")).expect(&name);
        let actual = serde_json::to_value(Outline::of(&event)).expect("an outline is JSON");
        for fact in FACTS {
            assert_eq!(actual[fact], expected[0][fact], "{name}: {fact}");
        }
    }
}

#[test]
fn every_event_is_valid_by_the_schemas() {
    let schema = Schema::event();
    for name in names() {
        if let Ok(Some(event)) = read(&mut Fake::default(), &Config::default(), &name) {
            assert_eq!(schema.faults(&event), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn a_summary_alone_tells_the_whole_call() {
    let (interaction, answered) = call("in-9-summary");
    assert_eq!((answered.result, answered.wait_s, answered.talk_s), (Some(CallResult::Answered), Some(12), Some(60)));
    assert_eq!(interaction.author.and_then(|it| it.id).as_deref(), Some("101"));
    assert_eq!(interaction.source.line.as_deref(), Some("74951234567"));
    assert_eq!(interaction.conversation.map(|it| it.key).as_deref(), Some("79123456789"));
    let (_, missed) = call("missed-3-summary");
    assert_eq!((missed.result, missed.wait_s, missed.talk_s), (Some(CallResult::Missed), Some(15), None));
    // Mango calls it a success, yet nobody spoke.
    assert_eq!(call("summary-in-the-menu").1.result, Some(CallResult::Missed));
    assert_eq!(call("summary-out-busy").1.result, Some(CallResult::Busy));
    assert_eq!(call("out-number-does-not-exist").1.result, Some(CallResult::Failed));
}

#[test]
fn a_step_claims_no_end_that_may_not_be_one() {
    // The next employee may be called.
    assert_eq!(call("not-answered-by-the-first").1.result, None);
    assert_eq!(call("in-3-menu-over").1.result, None);
    // The third step of a leg whose others are lost: somebody may have answered.
    assert_eq!(call("docs-call-out-disconnected").1.result, None);
    assert_eq!(call("missed-2-hung-up").1.result, Some(CallResult::Missed));
}

#[test]
fn a_call_among_ourselves_is_nobodys_lead() {
    for name in ["docs-call-internal-rejected", "summary-internal"] {
        let EventBody::Other(notice) = alone(name).body else { panic!("{name} is a notice") };
        assert_eq!((notice.what.as_str(), notice.person), ("call", None), "{name}");
    }
}

#[test]
fn what_has_no_place_of_its_own_is_kept() {
    let (tracked, _) = call("in-tracked");
    assert_eq!((tracked.extra["dct"]["number"].as_str(), tracked.extra["callback_initiator"].as_str()), (Some("74957654321"), Some("WEB")));
    assert_eq!(tracked.extra["to"]["acd_group"], "300");
    assert_eq!(call("captured-2021-abonent-appeared").0.source.line.as_deref(), Some("84951111111"));
}

#[test]
fn an_sms_has_its_states() {
    let status = |name: &str| match alone(name).body {
        EventBody::Status(it) => (it.message_id, it.status, it.error),
        other => panic!("{name} is a {}", other.kind()),
    };
    assert_eq!(status("sms-delivered"), ("out_1".to_owned(), MessageStatus::Delivered, None));
    assert_eq!(status("result-of-an-sms"), ("out_1".to_owned(), MessageStatus::Sent, None));
    assert_eq!(status("sms-not-delivered"), ("out_1".to_owned(), MessageStatus::Failed, Some("4300".to_owned())));
}

#[test]
fn all_notifications_may_come_to_one_address() {
    for (name, id) in [("in-4-rings", "appeared"), ("in-9-summary", "summary")] {
        let body = fs::read(folder().join(format!("{name}.form"))).expect(name);
        let event = map::event(&mut Fake::default(), &Config::default(), "", &body).expect(name).expect(name);
        assert_eq!(event.id, format!("call:MTIzNDU2Nzg5MA==:{id}"));
    }
}
