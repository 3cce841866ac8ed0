//! What a connection can do that gets in as an application, against the fake Bitrix24: the offline queue, and open lines.

use bitrix24::application::poll;
use bitrix24::config::Config;
use patchbay_schemas::command::InteractionAdd;
use patchbay_schemas::{Event, EventBody, RecordAction};
use patchbay_sdk::{Failure, Page, Retry};
use patchbay_testing::Schema;
use serde_json::{Value, json};

use crate::common::{Server, first, id, lead, note};

const NOW: &str = "2026-11-22T12:00:00Z";
pub const CONVERSATION: &str = "cnv_01JPA3Q6X3R8M5N2T7V9W0Y1ZH";

pub fn application() -> (Server, Config) {
    let server = Server::start();
    server.as_application.set(true);
    server.fake.store().scopes.push("imopenlines");
    let config = Config { endpoint: "app", ..server.config() };
    (server, config)
}

fn ask(server: &Server, config: &Config, cursor: Option<&str>) -> Result<Page, Failure> {
    server.with(|client| poll(client, config, cursor, 50, NOW.parse().expect("a time")))
}

/// All pages until nothing is left: the events and the cursor behind them.
pub fn round(server: &Server, config: &Config, cursor: Option<&str>) -> (Vec<Event>, String) {
    let (mut cursor, mut events) = (cursor.map(str::to_owned), Vec::new());
    loop {
        let page = ask(server, config, cursor.as_deref()).expect("a page");
        events.extend(page.events);
        cursor = page.next_cursor;
        if !page.more {
            return (events, cursor.expect("a cursor"));
        }
    }
}

fn deleted(events: &[Event]) -> Vec<&str> {
    let id = |it: &'_ Event| match &it.body {
        EventBody::Record(it) if it.action == RecordAction::Deleted => Some(it.external_id.clone()),
        _ => None,
    };
    events.iter().filter(|it| id(it).is_some()).map(|it| it.id.as_str()).collect()
}

fn titles(events: &[Event]) -> Vec<String> {
    let title = |it: &Event| match &it.body {
        EventBody::Record(it) => it.fields.title.clone(),
        _ => None,
    };
    events.iter().filter_map(title).collect()
}

#[test]
fn what_happened_while_nobody_asked_waits_in_the_queue_deletions_too() {
    let (server, config) = application();
    let (none, cursor) = round(&server, &config, None);
    assert_eq!((none.len(), server.fake.store().application.waiting()), (0, 0));
    let add = |title: &str| server.fake.by_hand("crm.lead.add", &json!({ "fields": { "TITLE": title } })).to_string();
    let (kept, gone) = (add("kept"), add("gone"));
    for title in ["kept once", "kept twice"] {
        server.fake.by_hand("crm.lead.update", &json!({ "id": kept, "fields": { "TITLE": title } }));
    }
    server.fake.by_hand("crm.lead.delete", &json!({ "id": gone }));
    assert_eq!(server.fake.store().application.waiting(), 4, "one entry for each record and event");
    let (events, cursor) = round(&server, &config, Some(&cursor));
    for event in &events {
        assert_eq!(Schema::event().faults(event), Vec::<String>::new(), "{event:?}");
    }
    assert_eq!((deleted(&events).len(), titles(&events).last().map(String::as_str)), (1, Some("kept twice")));
    assert_eq!(server.fake.store().application.waiting(), 0, "what the hub has is cleared");
    assert_eq!(deleted(&round(&server, &config, Some(&cursor)).0).len(), 0);
}

#[test]
fn what_a_poll_fetched_and_the_hub_did_not_keep_is_told_again_with_the_same_id() {
    let (server, config) = application();
    let (_, cursor) = round(&server, &config, None);
    let made = server.fake.by_hand("crm.lead.add", &json!({ "fields": { "TITLE": "gone" } })).to_string();
    server.fake.by_hand("crm.lead.delete", &json!({ "id": made }));
    let lost = ask(&server, &config, Some(&cursor)).expect("a page");
    assert_eq!(deleted(&lost.events).len(), 1);
    // The hub was killed before it kept the page: it asks with the cursor of before.
    let (again, cursor) = round(&server, &config, Some(&cursor));
    assert_eq!(deleted(&again), deleted(&lost.events));
    assert_eq!(server.fake.store().application.waiting(), 0, "what the lost poll had reserved is cleared too");
    assert_eq!(deleted(&round(&server, &config, Some(&cursor)).0).len(), 0);
}

#[test]
fn more_than_a_page_comes_page_by_page() {
    let (server, config) = application();
    let (_, cursor) = round(&server, &config, None);
    let add = |number| server.fake.by_hand("crm.lead.add", &json!({ "fields": { "TITLE": format!("lead {number}") } }));
    let made: Vec<Value> = (0..120).map(add).collect();
    for id in made {
        server.fake.by_hand("crm.lead.delete", &json!({ "id": id.to_string() }));
    }
    let (events, _) = round(&server, &config, Some(&cursor));
    let mut ids = deleted(&events);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), server.fake.store().application.waiting()), (120, 0));
}

#[test]
fn without_the_queue_the_poll_goes_on_as_ever() {
    for modest in [false, true] {
        let (server, config) = application();
        {
            let mut store = server.fake.store();
            (store.application.modest, store.application.poor) = (modest, !modest);
        }
        let (_, cursor) = round(&server, &config, None);
        server.fake.store().pass(2);
        server.fake.by_hand("crm.lead.add", &json!({ "fields": { "TITLE": "polled" } }));
        assert_eq!(titles(&round(&server, &config, Some(&cursor)).0), ["polled"]);
    }
    let server = Server::start();
    let (_, cursor) = round(&server, &server.config(), None);
    assert!(!cursor.contains("app"), "an incoming webhook has neither queue nor open lines");
}

pub fn with_line(server: &Server, config: &Config) -> Config {
    let config = Config { open_line: "107".to_owned(), hub_address: "http://127.0.0.1:9/in/cxn_1".to_owned(), ..config.clone() };
    round(server, &config, None);
    config
}

pub fn says(record: &str, interaction: &str, payload: &Value) -> InteractionAdd {
    InteractionAdd { conversation_id: Some(CONVERSATION.to_owned()), ..note(record, interaction, "message", payload) }
}

#[test]
fn what_a_person_writes_appears_in_the_open_line_and_what_we_write_in_the_timeline() {
    let (server, config) = application();
    let config = with_line(&server, &config);
    let made = server.upsert(&config, first(&lead("lead_a", "wish", &server.phone()))).expect("a record");
    let person = json!({ "name": { "full": "Анна 🙂 (VIP) Константинопольская-Переславская" }, "identities": [{ "kind": "phone", "value": "+79120000001" }] });
    let said = json!({ "direction": "in", "person": person, "text": "Сколько [b]стоит[/b]?", "message": { "id": "1" },
        "attachments": [{ "kind": "photo", "url": "https://files.example/1.jpg" }] });
    let receipt = server.add(&config, says(id(&made), "int_1", &said)).expect("it is shown");
    assert_eq!(receipt.details["result"], "shown");
    {
        let store = server.fake.store();
        let [shown] = &store.application.shown[..] else { panic!("{:?}", store.application.shown) };
        assert_eq!((&shown["chat"]["id"], &shown["user"]["id"]), (&json!(CONVERSATION), &json!(CONVERSATION)));
        assert_eq!((&shown["message"]["id"], &shown["user"]["phone"]), (&json!("int_1"), &json!("+79120000001")));
        assert_eq!(shown["message"]["text"], "Сколько [\u{200b}b]стоит[\u{200b}/b]?");
        assert_eq!(shown["message"]["files"][0]["url"], "https://files.example/1.jpg");
    }
    assert_eq!(server.count("comment"), 0);
    let ours = json!({ "direction": "out", "person": {}, "text": "100", "message": { "id": "2" } });
    server.add(&config, says(id(&made), "int_2", &ours)).expect("a comment");
    let corrected = json!({ "direction": "in", "person": {}, "text": "Сколько?", "message": { "id": "1", "revision": "edited" } });
    server.add(&config, says(id(&made), "int_3", &corrected)).expect("a comment");
    server.add(&config, note(id(&made), "int_4", "message", &said)).expect("a comment: it is of no conversation");
    assert_eq!((server.count("comment"), server.fake.store().application.shown.len()), (3, 1));
}

#[test]
fn an_open_line_is_set_up_once_and_anew_when_the_address_changes() {
    let (server, config) = application();
    let config = with_line(&server, &config);
    let registered = || server.fake.counts().methods.iter().filter(|it| *it == "imconnector.register").count();
    let (_, cursor) = round(&server, &config, None);
    assert_eq!(registered(), 2, "a cursor that knows nothing sets it up again, which does no harm");
    let (_, cursor) = round(&server, &config, Some(&cursor));
    assert_eq!(registered(), 2);
    let moved = Config { hub_address: "http://127.0.0.1:9/in/cxn_2".to_owned(), ..config };
    round(&server, &moved, Some(&cursor));
    assert_eq!(registered(), 3);
}

#[test]
fn an_open_line_that_cannot_be_had_says_what_is_missing() {
    let (server, config) = application();
    let config = Config { open_line: "107".to_owned(), hub_address: "http://127.0.0.1:9/in/cxn_1".to_owned(), ..config };
    server.fake.store().scopes.pop();
    let failure = ask(&server, &config, None).expect_err("a right is missing");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.line", Retry::Reauthorise));
    assert!(failure.message.contains("imopenlines"), "{}", failure.message);
    for wrong in [Config { endpoint: "api", ..config.clone() }, Config { hub_address: String::new(), ..config }] {
        let failure = server.with(|client| bitrix24::check::check(client, &wrong)).expect_err("it cannot work");
        assert_eq!(failure.code, "bitrix24.line");
    }
}

#[test]
fn an_answer_in_a_conversation_of_the_hub_is_one_event_however_often_it_is_told() {
    let (server, config) = application();
    let body = |event: &str, ts: &str| {
        format!(
            "event={event}&data[MESSAGES][0][im][chat_id]=1807&data[MESSAGES][0][im][message_id]=86497&data[MESSAGES][0][message][user_id]=27\
             &data[MESSAGES][0][message][text]=[b]Hello[/b]&data[MESSAGES][0][chat][id]={CONVERSATION}&ts={ts}"
        )
    };
    let told = |event: &str, ts: &str| server.hook(&config, &body(event, ts)).expect("events").remove(0);
    let (first, again) = (told("ONIMCONNECTORMESSAGEADD", "1773759161"), told("ONIMCONNECTORMESSAGEADD", "1773759170"));
    assert_eq!(first.id, again.id);
    assert_ne!(first.id, told("ONIMCONNECTORMESSAGEUPDATE", "1773759161").id);
    assert_eq!(Schema::event().faults(&first), Vec::<String>::new());
    let interaction = first.body.interaction().expect("a message");
    assert_eq!(interaction.conversation.as_ref().map(|it| it.key.as_str()), Some(CONVERSATION));
    assert_eq!((interaction.text.as_deref(), interaction.person.identities.len()), (Some("Hello"), 0));
    let line = format!(
        "event=ONOPENLINEMESSAGEADD&data[DATA][0][connector][chat_id]={CONVERSATION}&data[DATA][0][connector][user_id]=5\
         &data[DATA][0][message][id]=1&data[DATA][0][message][user_id]=27&data[DATA][0][message][text]=Hello&ts=1"
    );
    assert_eq!(server.hook(&config, &line).expect("events").len(), 0, "the hub has it from elsewhere");
}
