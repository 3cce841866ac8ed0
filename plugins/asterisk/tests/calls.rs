//! One call out of many events, by AMI and by ARI.

use std::fs;
use std::path::{Path, PathBuf};

use asterisk::config::{Config, Interface};
use asterisk::{map, opened};
use patchbay_sdk::schemas::interaction::{Call, CallResult, Interaction};
use patchbay_sdk::schemas::{Detail, Direction, Event};
use patchbay_sdk::{Frames, Piece, Retry};
use patchbay_testing::{Schema, Vendor};
use serde_json::json;

use crate::fake::Fake;

fn ami() -> Config {
    Config { interface: Interface::Ami, username: "hub".to_owned(), ..Config::default() }
}

/// The frames of a fixture.
fn frames(file: &str) -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
    let text = fs::read_to_string(path).expect(file).replace("\r\n", "\n");
    let end = if Path::new(file).extension().is_some_and(|it| it == "ami") { "\n\n" } else { "\n" };
    text.split(end).filter(|it| !it.trim().is_empty()).map(|it| it.as_bytes().to_vec()).collect()
}

/// What the frames tell, handed over so many at a time.
fn told(hub: &mut Fake, config: &Config, frames: &[Vec<u8>], at_once: usize) -> Vec<Event> {
    frames.chunks(at_once).flat_map(|it| map::frames(hub, config, it).expect("frames of Asterisk").events).collect()
}

fn call(event: &Event) -> Option<(&Interaction, &Call)> {
    let interaction = event.body.interaction()?;
    match &interaction.detail {
        Detail::Call(it) => Some((interaction, it)),
        other => panic!("{other:?}"),
    }
}

fn steps(events: &[Event]) -> Vec<&str> {
    events.iter().map(|it| it.id.as_str()).collect()
}

/// `Key: value` lines for the fields that are given, with a time.
fn block(event: &str, at: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("Event: {event}\r\nTimestamp: {at}\r\n{}", lines.join("\r\n")).into_bytes()
}

fn channel(
    name: &'static str,
    id: &'static str,
    linked: &'static str,
    number: &'static str,
    exten: &'static str,
) -> Vec<(&'static str, &'static str)> {
    let context = if name.contains("trunk") { "from-trunk" } else { "from-agents" };
    vec![
        ("Channel", name),
        ("ChannelStateDesc", "Ring"),
        ("CallerIDNum", number),
        ("CallerIDName", "<unknown>"),
        ("Context", context),
        ("Exten", exten),
        ("Uniqueid", id),
        ("Linkedid", linked),
    ]
}

fn dial(
    caller: &[(&'static str, &'static str)],
    peer: [&'static str; 3],
    status: Option<&'static str>,
) -> Vec<(&'static str, &'static str)> {
    let [name, id, number] = peer;
    let mut fields = caller.to_vec();
    fields.extend([("DestChannel", name), ("DestUniqueid", id), ("DestCallerIDNum", number), ("DestLinkedid", "1.0")]);
    fields.extend(status.map(|it| ("DialStatus", it)));
    fields
}

#[test]
fn a_real_call_is_one_whichever_way_asterisk_tells_it() {
    for (file, config) in [("call-answered-hangup.ami", ami()), ("call-answered-hangup-by-ari.jsonl", Config::default())] {
        let all = frames(file);
        for at_once in [1, 7, all.len()] {
            let events = told(&mut Fake::default(), &config, &all, at_once);
            let key = "call:1795305591.0:";
            let names: Vec<&str> = steps(&events).into_iter().map(|it| it.strip_prefix(key).unwrap_or(it)).collect();
            assert_eq!(names, ["appeared", "answered", "ended"], "{file}, {at_once} at once");
            let (interaction, call) = call(&events[2]).expect("a call");
            assert_eq!((interaction.direction, call.result, call.talk_s), (Direction::In, Some(CallResult::Answered), Some(3)), "{file}");
            assert_eq!(interaction.person.identities[0].value, "+79001234567");
            assert_eq!(interaction.person.name.full.as_deref(), Some("Ivan Petrov"));
            assert_eq!(interaction.author.as_ref().and_then(|it| it.id.as_deref()), Some("101"));
            assert_eq!(interaction.source.line.as_deref(), Some("100"));
            assert!(call.recording.as_deref().is_some_and(|it| it.ends_with("1795305591.0.wav")), "{file}: {:?}", call.recording);
            let schema = Schema::event();
            assert!(events.iter().all(|it| schema.faults(it).is_empty()));
        }
    }
}

#[test]
fn a_call_that_nobody_answers_is_missed_when_it_ends() {
    for (file, config) in [("call-missed-noanswer.ami", ami()), ("call-missed-noanswer-by-ari.jsonl", Config::default())] {
        let events = told(&mut Fake::default(), &config, &frames(file), 64);
        assert_eq!(steps(&events), ["call:1795305597.2:appeared", "call:1795305597.2:ended"], "{file}");
        let (interaction, call) = call(&events[1]).expect("a call");
        assert_eq!(
            (interaction.direction, call.result, call.wait_s, call.answered_at),
            (Direction::In, Some(CallResult::Missed), Some(4), None)
        );
    }
}

#[test]
fn the_same_frames_once_more_tell_nothing_that_was_not_told() {
    for (file, config) in [("call-answered-hangup.ami", ami()), ("call-answered-hangup-by-ari.jsonl", Config::default())] {
        let (mut hub, all) = (Fake::default(), frames(file));
        let first = told(&mut hub, &config, &all, 64);
        let second = told(&mut hub, &config, &all, 5);
        assert!(steps(&second).iter().all(|it| steps(&first).contains(it)), "{file}: {:?}", steps(&second));
    }
}

#[test]
fn how_nobody_was_reached_decides_what_became_of_a_call() {
    let trunk = channel("PJSIP/trunk-1", "1.0", "1.0", "+79001234567", "100");
    let peer = ["PJSIP/101-1", "1.1", "101"];
    for (status, cause, result) in [
        (Some("NOANSWER"), "19", CallResult::Missed),
        (Some("CANCEL"), "0", CallResult::Missed),
        (Some("BUSY"), "17", CallResult::Busy),
        (Some("CHANUNAVAIL"), "20", CallResult::Missed),
        (Some("ANSWER"), "16", CallResult::Answered),
    ] {
        let mut gone = trunk.clone();
        gone.push(("Cause", cause));
        let mut other = channel("PJSIP/101-1", "1.1", "1.0", "101", "100");
        other.push(("Cause", cause));
        let all = [
            block("Newchannel", "1.0", &trunk),
            block("DialBegin", "2.0", &dial(&trunk, peer, None)),
            block("DialEnd", "8.0", &dial(&trunk, peer, status)),
            block("Hangup", "9.0", &other),
            block("Hangup", "9.5", &gone),
        ];
        let events = told(&mut Fake::default(), &ami(), &all, 2);
        assert_eq!(call(events.last().expect("an end")).expect("a call").1.result, Some(result), "{status:?}");
    }
}

#[test]
fn a_call_out_is_with_the_number_that_was_dialled() {
    let agent = channel("PJSIP/101-1", "1.0", "1.0", "101", "+79007654321");
    let trunk = ["PJSIP/trunk-1", "1.1", "+79007654321"];
    let mut gone = agent.clone();
    gone.push(("Cause", "17"));
    let mut other = channel("PJSIP/trunk-1", "1.1", "1.0", "+79007654321", "+79007654321");
    other.push(("Cause", "17"));
    let all = [
        block("Newchannel", "1.0", &agent),
        block("DialBegin", "2.0", &dial(&agent, trunk, None)),
        block("DialEnd", "8.0", &dial(&agent, trunk, Some("BUSY"))),
        block("Hangup", "9.0", &other),
        block("Hangup", "9.5", &gone),
    ];
    let events = told(&mut Fake::default(), &ami(), &all, 64);
    assert_eq!(steps(&events), ["call:1.0:appeared", "call:1.0:ended"]);
    let (interaction, call) = call(&events[1]).expect("a call");
    assert_eq!((interaction.direction, call.result), (Direction::Out, Some(CallResult::Busy)));
    assert_eq!(interaction.person.identities[0].value, "+79007654321");
    assert_eq!(interaction.author.as_ref().and_then(|it| it.id.as_deref()), Some("101"));
}

#[test]
fn a_call_that_was_made_by_the_hub_is_known_when_the_outside_is_dialled() {
    let mut agent = channel("PJSIP/101-1", "patchbay-1", "patchbay-1", "<unknown>", "s");
    agent[1] = ("ChannelStateDesc", "Down");
    let trunk = ["PJSIP/trunk-1", "1.1", "79007654321"];
    let all = [
        block("Newchannel", "1.0", &agent),
        block("DialBegin", "2.0", &dial(&agent, trunk, None)),
        block("DialEnd", "8.0", &dial(&agent, trunk, Some("ANSWER"))),
    ];
    let events = told(&mut Fake::default(), &ami(), &all, 64);
    assert_eq!(steps(&events), ["call:patchbay-1:appeared", "call:patchbay-1:answered"]);
    let (interaction, _) = call(&events[1]).expect("a call");
    assert_eq!((interaction.direction, interaction.person.identities[0].value.as_str()), (Direction::Out, "79007654321"));
    assert_eq!(interaction.author.as_ref().and_then(|it| it.id.as_deref()), Some("101"));
}

#[test]
fn a_queue_names_the_member_and_one_who_gives_up_is_missed() {
    let mut trunk = channel("PJSIP/trunk-1", "1.0", "1.0", "+79001234567", "200");
    trunk[1] = ("ChannelStateDesc", "Up");
    let mut waits = trunk.clone();
    waits.push(("Queue", "support"));
    let mut taken = waits.clone();
    taken.push(("Interface", "PJSIP/101"));
    let mut gone = trunk.clone();
    gone.push(("Cause", "16"));
    let start = [block("Newchannel", "1.0", &trunk), block("QueueCallerJoin", "2.0", &waits)];
    let end = [block("Hangup", "9.0", &gone)];
    let missed = told(&mut Fake::default(), &ami(), &[&start[..], &end].concat(), 64);
    let (interaction, it) = call(missed.last().expect("an end")).expect("a call");
    assert_eq!((it.result, interaction.extra["queue"].as_str()), (Some(CallResult::Missed), Some("support")));
    let answered = told(&mut Fake::default(), &ami(), &[&start[..], &[block("AgentConnect", "4.0", &taken)], &end].concat(), 64);
    let (interaction, it) = call(answered.last().expect("an end")).expect("a call");
    assert_eq!((it.result, it.talk_s), (Some(CallResult::Answered), Some(5)));
    assert_eq!(interaction.author.as_ref().and_then(|it| it.id.as_deref()), Some("101"));
}

#[test]
fn a_transfer_is_the_same_call_with_somebody_else() {
    let trunk = channel("PJSIP/trunk-1", "1.0", "1.0", "+79001234567", "100");
    let gone = |name, id| {
        let mut fields = channel(name, id, "1.0", "1", "100");
        fields.push(("Cause", "16"));
        fields
    };
    let (first, second) = (["PJSIP/101-1", "1.1", "101"], ["PJSIP/102-1", "1.2", "102"]);
    let all = [
        block("Newchannel", "1.0", &trunk),
        block("DialEnd", "2.0", &dial(&trunk, first, Some("ANSWER"))),
        block("DialBegin", "5.0", &dial(&trunk, second, None)),
        block("Hangup", "5.5", &gone("PJSIP/101-1", "1.1")),
        block("DialEnd", "6.0", &dial(&trunk, second, Some("ANSWER"))),
        block("Hangup", "9.0", &gone("PJSIP/102-1", "1.2")),
        block("Hangup", "9.0", &gone("PJSIP/trunk-1", "1.0")),
    ];
    let events = told(&mut Fake::default(), &ami(), &all, 64);
    assert_eq!(steps(&events), ["call:1.0:appeared", "call:1.0:answered", "call:1.0:transferred:102", "call:1.0:ended"]);
    let (interaction, it) = call(&events[3]).expect("a call");
    assert_eq!((it.result, it.talk_s), (Some(CallResult::Answered), Some(7)));
    assert_eq!(interaction.author.as_ref().and_then(|it| it.id.as_deref()), Some("102"));
}

#[test]
fn who_was_consulted_before_a_transfer_becomes_part_of_the_call() {
    let trunk = channel("PJSIP/trunk-1", "1.0", "1.0", "+79001234567", "100");
    let consult = channel("PJSIP/101-2", "2.0", "2.0", "101", "102");
    let first = ["PJSIP/101-1", "1.1", "101"];
    let mut asked = dial(&consult, ["PJSIP/102-1", "2.1", "102"], Some("ANSWER"));
    asked.iter_mut().filter(|it| it.0 == "DestLinkedid").for_each(|it| it.1 = "2.0");
    let gone = |name, id| {
        let mut fields = channel(name, id, "1.0", "1", "100");
        fields.push(("Cause", "16"));
        fields
    };
    let all = [
        block("Newchannel", "1.0", &trunk),
        block("DialEnd", "2.0", &dial(&trunk, first, Some("ANSWER"))),
        block("Newchannel", "3.0", &consult),
        block("DialEnd", "4.0", &asked),
        block("Hangup", "5.0", &gone("PJSIP/101-1", "1.1")),
        block("Hangup", "5.0", &gone("PJSIP/101-2", "2.0")),
        block("BridgeEnter", "5.1", &[channel("PJSIP/102-1", "2.1", "1.0", "102", ""), vec![("BridgeUniqueid", "b")]].concat()),
        block("Hangup", "9.0", &gone("PJSIP/trunk-1", "1.0")),
        block("Hangup", "9.0", &gone("PJSIP/102-1", "2.1")),
    ];
    let events = told(&mut Fake::default(), &ami(), &all, 64);
    let outside: Vec<&Event> = events.iter().filter(|it| call(it).is_some()).collect();
    assert!(outside.iter().all(|it| it.id.starts_with("call:1.0:")), "{:?}", steps(&events));
    let (_, it) = call(outside.last().expect("an end")).expect("a call");
    assert_eq!((it.result, it.talk_s), (Some(CallResult::Answered), Some(7)));
}

#[test]
fn what_ended_while_nobody_listened_is_closed_as_unknown() {
    let trunk = channel("PJSIP/trunk-1", "1.0", "1.0", "+79001234567", "100");
    let other = channel("PJSIP/trunk-2", "2.0", "2.0", "+79001112233", "100");
    let mut hub = Fake { now: 60_000, ..Fake::default() };
    let begun = [
        block("Newchannel", "1.0", &trunk),
        block("DialEnd", "2.0", &dial(&trunk, ["PJSIP/101-1", "1.1", "101"], Some("ANSWER"))),
        block("Newchannel", "1.0", &other),
    ];
    assert_eq!(told(&mut hub, &ami(), &begun, 64).len(), 3);
    let Frames { events, send } = opened::opened(&mut hub, &ami()).expect("it stands");
    // What was told last is told again, since nobody knows whether it was kept.
    assert_eq!(steps(&events), ["call:1.0:answered", "call:2.0:appeared"]);
    assert!(
        matches!(&send[0][..], [Piece::Bytes(start), Piece::Secret(secret)] if secret == "password" && start.starts_with(b"Action: Login"))
    );
    let login = b"Response: Success\r\nActionID: patchbay-login\r\nMessage: Authentication accepted".to_vec();
    let asked = map::frames(&mut hub, &ami(), &[login]).expect("we are in");
    assert!(
        matches!(&asked.send[..], [pieces] if matches!(&pieces[..], [Piece::Bytes(it)] if it.starts_with(b"Action: CoreShowChannels")))
    );
    let done = b"Event: CoreShowChannelsComplete\r\nActionID: patchbay-channels\r\nListItems: 0".to_vec();
    let closed = map::frames(&mut hub, &ami(), &[done]).expect("the list").events;
    assert_eq!(steps(&closed), ["call:1.0:ended", "call:2.0:ended"]);
    let results: Vec<_> = closed.iter().map(|it| call(it).expect("a call").1.result).collect();
    assert_eq!(results, [Some(CallResult::Answered), None]);
}

#[test]
fn ari_is_asked_for_its_channels_when_the_stream_stands() {
    let mut hub = Fake { now: 1_795_305_600_000, ..Fake::default() };
    let begun = frames("call-missed-noanswer-by-ari.jsonl");
    told(&mut hub, &Config::default(), &begun[..3], 64);
    hub.vendor = Vendor::answering([(200, json!([]))]);
    let events = opened::opened(&mut hub, &Config::default()).expect("it stands").events;
    assert_eq!(steps(&events), ["call:1795305597.2:appeared", "call:1795305597.2:ended"]);
    assert_eq!(hub.vendor.asked[0].0, "GET /ari/channels");
    hub.vendor = Vendor::answering([(401, json!({ "message": "Authentication required" }))]);
    assert_eq!(opened::opened(&mut hub, &Config::default()).expect_err("refused").retry, Retry::Reauthorise);
}
