//! The window in which we may write freely.

use patchbay_sdk::Retry;
use patchbay_sdk::schemas::Timestamp;
use patchbay_sdk::schemas::command::MessageSend;
use serde_json::json;
use whatsapp::deliver::deliver;
use whatsapp::map::Heard;
use whatsapp::window::heard;

use crate::fake::{Fake, config, sent};

const HOUR: i64 = 3600;

fn wrote(hub: &Fake, by_advertisement: bool) -> [Heard; 1] {
    [Heard { key: "79123456789".to_owned(), at: Timestamp::from_second(hub.now).expect("a time"), by_advertisement }]
}

fn send(hub: &mut Fake, id: &str, template: bool) -> Result<(), (String, Retry)> {
    let attachment = template.then(|| json!({ "kind": "other", "extra": { "type": "template", "name": "hello", "language": "ru" } }));
    let text = (!template).then_some("привет");
    let document = json!({ "conversation": { "key": "79123456789" }, "text": text, "attachment": attachment });
    let message: MessageSend = serde_json::from_value(document).expect("a message");
    deliver(hub, &config(), id, &message).map(|_| ()).map_err(|it| (it.code, it.retry))
}

#[test]
fn a_closed_window_is_named_and_nothing_is_sent_but_a_template() {
    let mut hub = Fake::answering([sent("wamid.1"), sent("wamid.2")]);
    let other = Heard { key: "79990000002".to_owned(), ..wrote(&hub, false)[0].clone() };
    heard(&mut hub, &[other]).expect("noted");
    hub.now += 100 * HOUR;
    let now = wrote(&hub, false);
    heard(&mut hub, &now).expect("noted");
    hub.now += 23 * HOUR;
    assert_eq!(send(&mut hub, "out_1", false), Ok(()));
    hub.now += 2 * HOUR;
    let closed = Err(("whatsapp.window_closed".to_owned(), Retry::Never));
    assert_eq!(send(&mut hub, "out_2", false), closed);
    assert_eq!(hub.vendor.asked.len(), 1);
    assert_eq!(send(&mut hub, "out_3", true), Ok(()));
    // What was sent while it was open is not sent again, and no failure either.
    assert_eq!(send(&mut hub, "out_1", false), Ok(()));
    assert_eq!(hub.vendor.asked.len(), 2);
}

#[test]
fn a_connector_that_is_new_lets_meta_decide() {
    let mut hub = Fake::answering([sent("wamid.1"), sent("wamid.2")]);
    assert_eq!(send(&mut hub, "out_1", false), Ok(()));
    heard(&mut hub, &[Heard { key: "79990000002".to_owned(), ..wrote(&Fake::answering([]), false)[0].clone() }]).expect("noted");
    hub.now += 30 * HOUR;
    assert_eq!(send(&mut hub, "out_2", false), Ok(()));
}

#[test]
fn every_message_opens_it_anew_and_an_advertisement_for_longer() {
    let mut hub = Fake::answering([]);
    heard(&mut hub, &wrote(&Fake::answering([]), true)).expect("noted");
    hub.now += 71 * HOUR;
    hub.vendor.answers.push_back(sent("wamid.1"));
    assert_eq!(send(&mut hub, "out_1", false), Ok(()));
    let now = wrote(&hub, false);
    heard(&mut hub, &now).expect("noted");
    hub.now += 20 * HOUR;
    hub.vendor.answers.push_back(sent("wamid.2"));
    assert_eq!(send(&mut hub, "out_2", false), Ok(()));
}

#[test]
fn a_burst_of_messages_is_noted_once_and_old_ones_not_at_all() {
    let mut hub = Fake::answering([]);
    let now = wrote(&hub, false);
    heard(&mut hub, &now).expect("noted");
    let first = hub.notes["window:79123456789"].clone();
    hub.now += 60;
    let now = wrote(&hub, false);
    heard(&mut hub, &now).expect("noted");
    assert_eq!(hub.notes["window:79123456789"], first);
    let long_ago =
        Heard { key: "1".to_owned(), at: Timestamp::from_second(hub.now - 200 * HOUR).expect("a time"), by_advertisement: false };
    heard(&mut hub, &[long_ago]).expect("read");
    assert!(!hub.notes.contains_key("window:1"));
}

#[test]
fn what_could_not_be_noted_does_not_count_as_closed() {
    let mut hub = Fake::answering([sent("wamid.1")]);
    let other = Heard { key: "1".to_owned(), ..wrote(&hub, false)[0].clone() };
    heard(&mut hub, &[other]).expect("noted");
    hub.now += 100 * HOUR;
    hub.is_full = true;
    let now = wrote(&hub, false);
    heard(&mut hub, &now).expect("the delivery is taken all the same");
    assert_eq!(hub.warnings.len(), 1);
    hub.is_full = false;
    assert_eq!(send(&mut hub, "out_1", false), Ok(()));
}
