//! One call out of many notifications, doubled and in any order.

use std::collections::BTreeMap;

use mango::config::Config;
use patchbay_sdk::schemas::interaction::{Call, CallResult};
use patchbay_sdk::schemas::{Detail, Event};

use crate::fake::Fake;
use crate::mapping::read;

const IN: [&str; 9] = [
    "in-1-menu",
    "in-2-menu-speaks",
    "in-3-menu-over",
    "in-4-rings",
    "in-5-answered",
    "in-6-recording",
    "in-7-on-hold",
    "in-8-over",
    "in-9-summary",
];

fn call(event: &Event) -> Option<Call> {
    match &event.body.interaction()?.detail {
        Detail::Call(it) => Some(it.clone()),
        other => panic!("{other:?}"),
    }
}

/// The calls that the notifications tell of, the last of each event's id.
fn told(config: &Config, names: &[&str]) -> Vec<(String, Call)> {
    let mut hub = Fake::default();
    let events = names.iter().filter_map(|it| read(&mut hub, config, it).expect(it));
    events.filter_map(|it| Some((it.id.clone(), call(&it)?))).collect()
}

fn phases(told: &[(String, Call)]) -> Vec<&str> {
    let mut phases: Vec<&str> = told.iter().map(|(id, _)| id.rsplit(':').next().expect("an id")).collect();
    phases.dedup();
    phases
}

#[test]
fn a_call_develops_and_every_event_says_all_that_is_known() {
    let told = told(&Config::default(), &IN);
    assert_eq!(phases(&told), ["appeared", "connected", "ended", "summary"]);
    assert!(told.iter().all(|(_, it)| it.id == "MTIzNDU2Nzg5MA=="));
    let by_phase: BTreeMap<&str, &Call> = told.iter().map(|(id, it)| (id.rsplit(':').next().expect("an id"), it)).collect();
    assert_eq!((by_phase["appeared"].result, by_phase["appeared"].answered_at), (None, None));
    assert!(by_phase["connected"].answered_at.is_some() && by_phase["connected"].started_at == by_phase["summary"].started_at);
    assert_eq!((by_phase["ended"].result, by_phase["ended"].talk_s), (Some(CallResult::Answered), Some(60)));
    assert_eq!(by_phase["summary"].recording.as_deref(), Some("rec-1"));
}

#[test]
fn a_missed_call_is_told_when_the_caller_hangs_up() {
    let told = told(&Config::default(), &["missed-1-rings", "missed-2-hung-up", "missed-3-summary"]);
    assert_eq!(phases(&told), ["appeared", "ended", "summary"]);
    assert_eq!((told[1].1.result, told[1].1.wait_s), (Some(CallResult::Missed), Some(15)));
    assert_eq!(told[2].1, told[1].1);
}

#[test]
fn in_any_order_and_doubled_the_summary_says_the_same() {
    let straight = told(&Config::default(), &IN);
    let last = straight.last().expect("a summary");
    for turn in 0..IN.len() {
        for step in [1, 2, 4, 5, 7] {
            // Every notification twice, in an order that the two numbers make.
            let order: Vec<&str> = (0..IN.len() * 2).map(|it| IN[(turn + it * step) % IN.len()]).collect();
            let told = told(&Config::default(), &order);
            let summary = told.iter().rev().find(|(id, _)| id.ends_with(":summary")).expect("a summary");
            let Call { recording, .. } = &summary.1;
            assert_eq!(Call { recording: None, ..summary.1.clone() }, Call { recording: None, ..last.1.clone() }, "{order:?}");
            // The second time everything is known.
            assert_eq!(recording, &last.1.recording, "{order:?}");
            assert!(told.iter().all(|(id, _)| straight.iter().any(|(known, _)| known == id)), "{order:?}");
        }
    }
}

#[test]
fn a_step_that_was_overtaken_tells_nothing() {
    let mut hub = Fake::default();
    read(&mut hub, &Config::default(), "in-5-answered").expect("read");
    assert_eq!(read(&mut hub, &Config::default(), "in-4-rings").expect("read"), None);
    // It is not forgotten all the same.
    let over = read(&mut hub, &Config::default(), "in-8-over").expect("read").expect("news");
    assert_eq!(call(&over).expect("a call").wait_s, Some(7));
    // After the summary no step is news.
    read(&mut hub, &Config::default(), "in-9-summary").expect("read");
    assert_eq!(read(&mut hub, &Config::default(), "in-8-over").expect("read"), None);
}

#[test]
fn a_call_can_be_reported_once_when_it_is_over() {
    let config = Config { only_ended: true, ..Config::default() };
    let mut names = IN.to_vec();
    names.push("in-recording-added");
    let told = told(&config, &names);
    assert_eq!(phases(&told), ["summary"]);
    assert_eq!((told.len(), told[0].1.recording.as_deref(), told[0].1.talk_s), (1, Some("rec-1"), Some(60)));
}

#[test]
fn a_recording_that_the_summary_did_not_know_is_news_of_its_call() {
    let without: Vec<&str> = IN.into_iter().filter(|it| *it != "in-6-recording").chain(["in-recording-added"]).collect();
    let news = told(&Config::default(), &without).pop().expect("news");
    assert_eq!((news.0.as_str(), news.1.recording.as_deref()), ("call:MTIzNDU2Nzg5MA==:recorded:rec-1", Some("rec-1")));
    assert_eq!(news.1.talk_s, Some(60));
    let mut with: Vec<&str> = IN.to_vec();
    with.push("in-recording-added");
    assert_eq!(told(&Config::default(), &with).pop().expect("news").0, "call:MTIzNDU2Nzg5MA==:summary");
}
