//! Mango Office: the real connector in the real hub, beside a PBX whose notifications come doubled and out of order.

use patchbay_tests::api::Connection;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::mango::{FakeMango, Misbehave, signed};
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until;
use serde_json::{Value, json};

const ANNA: &str = "79123456789";
const LINE: &str = "74951234567";
const START: i64 = 1_760_000_000;

async fn connected(engine: Engine, calls: &str) -> (Hub, FakeMango, Connection) {
    let (hub, mango) = (Hub::start(engine).await, FakeMango::start());
    hub.folder().install("mango", "mango");
    let mut config = mango.config();
    config["calls"] = calls.into();
    let connection = hub.connect("mango", config).await;
    (hub, mango, connection)
}

fn step(entry: &str, seq: i64, state: &str, after: i64) -> (&'static str, Value) {
    let mut step = json!({
        "entry_id": entry, "call_id": format!("{entry}-leg"), "seq": seq, "call_state": state, "timestamp": START + after, "location": "abonent",
        "from": { "number": ANNA }, "to": { "extension": "101", "number": "sip:user1@vpbx.mangosip.ru", "line_number": LINE },
    });
    if state == "Disconnected" {
        step["disconnect_reason"] = 1110.into();
    }
    ("/events/call", step)
}

fn summary(entry: &str, answered_after: i64, ended_after: i64) -> (&'static str, Value) {
    let talk = if answered_after > 0 { START + answered_after } else { 0 };
    let summary = json!({
        "entry_id": entry, "call_direction": 1, "from": { "number": ANNA }, "to": { "extension": "101" }, "line_number": LINE,
        "create_time": START, "forward_time": START, "talk_time": talk, "end_time": START + ended_after,
        "entry_result": i32::from(answered_after > 0), "disconnect_reason": 1110,
    });
    ("/events/summary", summary)
}

fn recording(entry: &str) -> (&'static str, Value) {
    let document = json!({ "entry_id": entry, "recording_id": format!("{entry}-rec"), "recording_state": "Started", "seq": 1,
        "call_id": format!("{entry}-leg"), "extension": "101", "timestamp": START + 7 });
    ("/events/recording", document)
}

fn answered_call(entry: &str) -> Vec<(&'static str, Value)> {
    let steps = [("Appeared", 0), ("Connected", 7), ("Disconnected", 67)];
    let steps = steps.iter().zip(1..).map(|((state, after), seq)| step(entry, seq, state, *after));
    steps.chain([recording(entry), summary(entry, 7, 67)]).collect()
}

/// The calls in the timeline.
async fn calls(hub: &Hub) -> Vec<Value> {
    let all = hub.api().all("/interactions").await;
    all.into_iter().filter(|it| it["event"]["kind"] == "call").map(|it| it["event"]["payload"].clone()).collect()
}

#[tokio::test]
async fn a_call_is_reported_once_whatever_the_order_and_however_often_it_is_told() {
    for engine in Engine::each() {
        let (hub, mango, connection) = connected(engine, "ended").await;
        for (turn, entry) in ["c0", "c1", "c2", "c3"].iter().enumerate() {
            let all = answered_call(entry);
            // Everything but the summary in another order for each call, all of it twice, the summary three times.
            let (last, others) = all.split_last().unwrap();
            let mixed = (0..others.len() * 2).map(|it| &others[(turn + it * 3) % others.len()]);
            for (path, document) in mixed.chain([last, last, last]) {
                assert_eq!(mango.notify(&connection, path, document).await.status, 200);
            }
        }
        let calls = calls(&hub).await;
        assert_eq!(calls.len(), 4, "{calls:#?}");
        for call in &calls {
            let facts = [&call["call"]["result"], &call["call"]["wait_s"], &call["call"]["talk_s"], &call["source"]["line"]];
            assert_eq!(facts, [&json!("answered"), &json!(7), &json!(60), &json!(LINE)], "{call}");
            assert_eq!(call["call"]["recording"], format!("{}-rec", call["call"]["id"].as_str().unwrap()));
            assert_eq!(call["author"]["id"], "101");
        }
        assert_eq!(hub.api().all("/leads").await.len(), 1, "one person called four times");
    }
}

#[tokio::test]
async fn a_live_call_is_one_interaction_that_shows_how_it_develops() {
    let (hub, mango, connection) = connected(Engine::Sqlite, "live").await;
    let mut all = answered_call("c1");
    all.extend(answered_call("c1"));
    for (turn, (path, document)) in all.iter().enumerate() {
        assert_eq!(mango.notify(&connection, path, document).await.status, 200);
        assert_eq!(calls(&hub).await.len(), 1, "after step {turn}");
    }
    assert_eq!(hub.api().all("/leads").await.len(), 1);
    let calls = calls(&hub).await;
    assert_eq!(calls.len(), 1, "one call, however often it is told: {calls:#?}");
    let call = &calls[0]["call"];
    assert_eq!([&call["id"], &call["result"], &call["recording"]], ["c1", "answered", "c1-rec"]);
    assert_eq!(call["talk_s"], 60);
}

#[tokio::test]
async fn a_missed_call_is_there_before_its_summary() {
    let (hub, mango, connection) = connected(Engine::Sqlite, "live").await;
    for (path, document) in [step("m1", 1, "Appeared", 0), step("m1", 2, "Disconnected", 15)] {
        assert_eq!(mango.notify(&connection, path, &document).await.status, 200);
    }
    let calls = calls(&hub).await;
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!((&calls[0]["call"]["result"], &calls[0]["call"]["wait_s"]), (&json!("missed"), &json!(15)));
    assert_eq!(hub.api().all("/leads").await[0]["temperature"], "hot");
}

#[tokio::test]
async fn a_call_among_ourselves_makes_no_contact() {
    let (hub, mango, connection) = connected(Engine::Sqlite, "live").await;
    let (path, mut document) = step("i1", 1, "Appeared", 0);
    document["from"] = json!({ "extension": "102", "number": "sip:user2@vpbx.mangosip.ru" });
    assert_eq!(mango.notify(&connection, path, &document).await.status, 200);
    assert_eq!(hub.api().sums(&connection.id).await["accepted"], 1);
    assert!(hub.api().all("/leads").await.is_empty() && hub.api().all("/interactions").await.is_empty());
}

#[tokio::test]
async fn only_what_mango_signed_is_taken_and_what_it_cannot_write_itself_is_refused() {
    let (hub, _mango, connection) = connected(Engine::Sqlite, "live").await;
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let post = async |body: String| connection.deliver("/events/call", &headers, body).await.expect("the hub answers").status;
    let (_, document) = step("c1", 1, "Appeared", 0);
    assert_eq!(post(signed(&document, "another salt")).await, 401);
    assert_eq!(post("vpbx_api_key=x&sign=y".to_owned()).await, 401);
    assert_eq!(hub.api().sums(&connection.id).await["received"].as_u64().unwrap_or_default(), 0);
    assert_eq!(post(signed(&json!([1]), patchbay_tests::fake::mango::SALT)).await, 422);
    assert_eq!(hub.api().sums(&connection.id).await["refused"], 1);
}

#[tokio::test]
async fn a_caller_is_called_back_and_written_to_once_though_mango_refuses_at_first() {
    for engine in Engine::each() {
        let (hub, mango, connection) = connected(engine, "ended").await;
        let (path, document) = summary("m1", 0, 15);
        mango.notify(&connection, path, &document).await;
        let conversations = hub.api().all("/conversations").await;
        assert_eq!(conversations[0]["key"], ANNA);
        let messages = format!("/conversations/{}/messages", conversations[0]["id"].as_str().unwrap());

        mango.misbehave(Misbehave::TooMany);
        mango.misbehave(Misbehave::Result(5001));
        let calls = messages.replace("/messages", "/calls");
        let asked = hub.api().post(&calls, &json!({ "extension": "205" })).await.expect(202)["outbox"].as_str().unwrap().to_owned();
        let sms = hub.api().post(&messages, &json!({ "text": "Мы вам перезвоним" })).await.expect(202)["outbox"].clone();
        hub.api().until_delivered().await;
        let commands = mango.commands();
        let paths: Vec<&str> = commands.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["/vpbx/commands/callback", "/vpbx/commands/sms"]);
        assert_eq!(commands[0].1, json!({ "command_id": asked, "from": { "extension": "205" }, "to_number": ANNA }));
        assert_eq!([&commands[1].1["from_extension"], &commands[1].1["command_id"]], [&json!("101"), &sms]);

        mango.misbehave(Misbehave::Result(4300));
        let lost = hub.api().post(&messages, &json!({ "text": "again" })).await.expect(202)["outbox"].clone();
        let dead = until("the SMS is dead", async || hub.api().all("/dead-letters").await.into_iter().find(|it| it["id"] == lost)).await;
        assert!(dead["reason"].as_str().unwrap().starts_with("mango.sms"), "{dead}");
    }
}

#[tokio::test]
async fn the_check_signs_a_question_and_tells_what_is_left() {
    let (hub, _mango, connection) = connected(Engine::Sqlite, "live").await;
    let report = hub.api().post(&format!("/connections/{}/test", connection.id), &json!({})).await;
    assert!(report.is_success() && report.text.contains("963592.45"), "{}", report.text);
}
