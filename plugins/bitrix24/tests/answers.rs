//! What operators see of their answers, against the fake Bitrix24.

use bitrix24::config::Config;
use patchbay_schemas::command::{AnswerStatus, CommandBody};
use patchbay_schemas::{MessageStatus, Receipt};
use patchbay_sdk::{Failure, Retry};
use serde_json::{Value, json};

use crate::application::{CONVERSATION, application, says, with_line};
use crate::common::{Server, first, id, lead};

/// An operator answered somebody who wrote in the open line; the number of the answer.
fn answered() -> (Server, Config, i64) {
    let (server, config) = application();
    let config = with_line(&server, &config);
    let made = server.upsert(&config, first(&lead("lead_a", "wish", &server.phone()))).expect("a record");
    let said = json!({ "direction": "in", "person": { "name": { "full": "Анна" } }, "text": "Сколько стоит?", "message": { "id": "1" } });
    server.add(&config, says(id(&made), "int_1", &said)).expect("it is shown");
    server.fake.operator_answers(CONVERSATION, "100", 1);
    (server, config, 86_001)
}

/// Tells what became of the answer, by the event that the connector itself made of it.
fn tell(server: &Server, config: &Config, number: i64, status: MessageStatus, error: Option<&str>) -> Result<Receipt, Failure> {
    let body = format!(
        "event=ONIMCONNECTORMESSAGEADD&data[MESSAGES][0][im][chat_id]=1807&data[MESSAGES][0][im][message_id]={number}\
         &data[MESSAGES][0][message][user_id]=7&data[MESSAGES][0][message][text]=100 [b]roubles[/b] {}&data[MESSAGES][0][chat][id]={CONVERSATION}&ts=1",
        "and so on ".repeat(20)
    );
    let event = server.hook(config, &body).expect("events").remove(0);
    let (interaction_id, at) = ("int_2".to_owned(), "2026-11-22T12:00:00Z".parse().expect("a time"));
    let it = AnswerStatus { interaction_id, event, status, error: error.map(str::to_owned), at };
    server.execute(config, CommandBody::MessageStatus(Box::new(it)))
}

#[test]
fn an_answer_that_arrived_is_marked_and_one_that_was_read_too_in_one_request() {
    let (server, config, number) = answered();
    for (status, methods) in [
        (MessageStatus::Sent, &["imconnector.send.status.delivery"][..]),
        (MessageStatus::Delivered, &["imconnector.send.status.delivery"]),
        (MessageStatus::Read, &["imconnector.send.status.delivery", "imconnector.send.status.reading"]),
    ] {
        server.asked.borrow_mut().clear();
        server.fake.store().application.statuses.clear();
        tell(&server, &config, number, status, None).expect("it is marked");
        assert_eq!(server.asked.borrow().len(), 1, "{status:?}");
        let store = server.fake.store();
        let marked = &store.application.statuses;
        assert_eq!(marked.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), methods);
        assert!(marked.iter().all(|(_, it)| it["message"]["id"] == json!(["int_2"]) && it["chat"]["id"] == CONVERSATION), "{marked:?}");
    }
    assert_eq!(server.fake.store().application.shown.len(), 1, "nothing is written into the chat");
}

#[test]
fn an_answer_that_will_not_arrive_is_a_note_in_the_same_chat() {
    let (server, config, number) = answered();
    tell(&server, &config, number, MessageStatus::Failed, Some("whatsapp.131047: [b]24 hours[/b] have passed")).expect("it is noted");
    let store = server.fake.store();
    assert!(store.application.statuses.is_empty(), "it is not marked as delivered");
    let [_, note] = &store.application.shown[..] else { panic!("{:?}", store.application.shown) };
    assert_eq!((&note["chat"]["id"], &note["user"]["id"]), (&json!(CONVERSATION), &json!(CONVERSATION)));
    assert_eq!((&note["message"]["disable_crm"], &note["user"]["name"]), (&json!("Y"), &Value::Null));
    let text = note["message"]["text"].as_str().expect("a text");
    assert!(
        text.starts_with("Not delivered: “100 roubles and so on") && text.contains("…”\nwhatsapp.131047: [\u{200b}b]24 hours"),
        "{text}"
    );
    assert!(text.chars().count() < 200, "{text}");
}

#[test]
fn a_status_that_cannot_be_shown_is_no_reason_to_try_again() {
    let (server, config, number) = answered();
    let never = |config: &Config, number| {
        let failure = tell(&server, config, number, MessageStatus::Sent, None).expect_err("it cannot be shown");
        assert_eq!(failure.retry, Retry::Never, "{failure:?}");
        failure.code
    };
    never(&config, number + 1);
    assert_eq!(never(&config, 0), "bitrix24.answer");
    assert_eq!(never(&Config { open_line: String::new(), ..config.clone() }, number), "bitrix24.line");
    never(&Config { open_line: "9".to_owned(), ..config }, number);
}
