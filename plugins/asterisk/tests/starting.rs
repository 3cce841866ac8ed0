//! Calls that the hub starts, by either interface.

use asterisk::call;
use asterisk::config::{Config, Interface};
use asterisk::map;
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::CallStart;
use patchbay_sdk::{Failure, Retry};
use patchbay_testing::Vendor;
use serde_json::{Value, json};

use crate::fake::Fake;

fn config(interface: Interface) -> Config {
    Config { interface, username: "hub".to_owned(), extension: Some("101".to_owned()), ..Config::default() }
}

fn start(hub: &mut Fake, config: &Config, call: Value) -> Result<Receipt, Failure> {
    let call: CallStart = serde_json::from_value(call).expect("a call");
    call::start(hub, config, "out_1", &call)
}

fn answering(answers: impl IntoIterator<Item = (u16, Value)>) -> Fake {
    Fake { vendor: Vendor::answering(answers), ..Fake::default() }
}

const QUEUED: &str = "Response: Success\nMessage: Originate successfully queued";

#[test]
fn the_employees_phone_rings_first_and_shows_whom_it_is_about() {
    let mut hub = answering([(200, json!({}))]);
    start(&mut hub, &config(Interface::Ari), json!({ "number": "+79001234567", "line": "74951234567" })).expect("done");
    let asked = &hub.vendor.asked[0].0;
    for part in
        ["POST /ari/channels?endpoint=PJSIP%2F101&", "extension=%2B79001234567&", "callerId=%22%2B79001234567%22%20%3C74951234567%3E&"]
    {
        assert!(asked.contains(part), "{asked}");
    }
    let mut hub = answering([(0, json!(QUEUED))]);
    start(&mut hub, &config(Interface::Ami), json!({ "number": "+79001234567", "extension": "205" })).expect("done");
    let action = hub.vendor.asked[0].1.as_str().expect("a text").to_owned();
    for line in
        ["Channel: PJSIP/205\r\n", "Exten: +79001234567\r\n", "CallerID: \"+79001234567\" <205>\r\n", "ChannelId: patchbay-out_1\r\n"]
    {
        assert!(action.contains(line), "{action}");
    }
    assert!(action.ends_with("Async: true\r\n"), "{action}");
}

#[test]
fn a_second_try_rings_nowhere_twice() {
    for (interface, done) in [(Interface::Ari, json!({})), (Interface::Ami, json!(QUEUED))] {
        let config = config(interface);
        let call = json!({ "number": "79001234567" });
        let mut hub = answering([(200, done)]);
        let first = start(&mut hub, &config, call.clone()).expect("done");
        assert_eq!(start(&mut hub, &config, call.clone()), Ok(first.clone()), "{interface:?}");
        assert_eq!(hub.vendor.asked.len(), 1, "{interface:?}");

        // The answer was lost, but the stream told of the channel.
        let mut hub = Fake::default();
        assert_eq!(start(&mut hub, &config, call.clone()).expect_err("no answer").retry, Retry::Later, "{interface:?}");
        let told = "Event: Newchannel\r\nChannel: PJSIP/101-00000001\r\nChannelStateDesc: Down\r\nContext: from-internal\r\nExten: 79001234567\r\n\
                    Uniqueid: patchbay-out_1\r\nLinkedid: patchbay-out_1";
        map::frames(&mut hub, &config, &[told.as_bytes().to_vec()]).expect("a block");
        assert_eq!(start(&mut hub, &config, call), Ok(first), "{interface:?}");
        assert_eq!(hub.vendor.asked.len(), 1, "{interface:?}");
    }
}

#[test]
fn a_channel_of_this_id_that_is_there_already_is_the_first_try() {
    let mut hub = answering([(409, json!({ "message": "Channel with given unique ID already exists" }))]);
    assert!(start(&mut hub, &config(Interface::Ari), json!({ "number": "79001234567" })).is_ok());
}

#[test]
fn what_asterisk_refuses_says_whether_to_try_again() {
    for (interface, status, said, code, retry) in [
        (Interface::Ari, 500, json!({ "error": "Allocation failed" }), "asterisk.unreachable", Retry::Later),
        (Interface::Ari, 400, json!({ "message": "Invalid endpoint" }), "asterisk.refused", Retry::Never),
        (Interface::Ari, 401, json!({}), "asterisk.login", Retry::Reauthorise),
        (Interface::Ari, 503, json!({}), "asterisk.answer", Retry::Later),
        (Interface::Ami, 0, json!("Response: Error\nMessage: Permission denied"), "asterisk.right", Retry::Reauthorise),
        (Interface::Ami, 0, json!("Response: Error\nMessage: Channel not specified"), "asterisk.refused", Retry::Never),
    ] {
        let mut hub = answering([(status, said)]);
        let failure = start(&mut hub, &config(interface), json!({ "number": "79001234567" })).expect_err(code);
        assert_eq!((failure.code.as_str(), failure.retry), (code, retry));
        assert!(!hub.notes.keys().any(|it| it.starts_with("sent:")), "{code}");
    }
}

#[test]
fn nothing_is_asked_of_asterisk_that_could_be_another_field() {
    let nobody = Config { extension: None, ..config(Interface::Ami) };
    let somebody = config(Interface::Ami);
    for (config, call, code) in [
        (&nobody, json!({ "number": "79001234567" }), "asterisk.extension"),
        (&somebody, json!({ "number": "79001234567", "extension": "101\r\nApplication: System" }), "asterisk.extension"),
        (&somebody, json!({ "number": "79001234567\r\nData: rm" }), "asterisk.number"),
        (&somebody, json!({ "number": "79001234567", "line": "x\"<1>" }), "asterisk.number"),
    ] {
        let mut hub = Fake::default();
        let failure = start(&mut hub, config, call).expect_err(code);
        assert_eq!((failure.code.as_str(), failure.retry), (code, Retry::Never));
        assert!(hub.vendor.asked.is_empty());
    }
}
