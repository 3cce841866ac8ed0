//! ARI: JSON events of a WebSocket, and requests by HTTP (Asterisk REST Interface).

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::{Timestamp, time};

use crate::step::{Channel, Step, What};

/// Where the events are: all of them, whether or not a dialplan sends calls to the application.
#[must_use]
pub fn events_path(app: &str) -> String {
    ["/ari/events?subscribeAll=true&app=", app].concat()
}

/// The step that an event tells of. None: none.
pub fn step(frame: &[u8]) -> Result<Option<Step>, Failure> {
    let wrong = |what: &str| Failure::never("asterisk.frame", what);
    let document = Node::parse(frame).map_err(|error| wrong(&["an event is ", &error.to_string()].concat()))?;
    let event = document.object().ok_or_else(|| wrong("an event is not an object"))?;
    let kind = event.peek_text("type").ok_or_else(|| wrong("an event has no `type`"))?.to_owned();
    Ok(read(&kind, event.into_owned()))
}

fn read(kind: &str, event: Object<'static>) -> Option<Step> {
    let at = event.peek_text("timestamp").and_then(millis);
    let text = |name: &str| event.peek_text(name).filter(|it| !it.is_empty()).map(str::to_owned);
    let own = event.peek("channel").and_then(channel);
    let what = match kind {
        "ChannelCreated" | "StasisStart" | "ChannelStateChange" | "ChannelCallerId" => What::Is,
        "StasisEnd" => What::News,
        "ChannelDestroyed" => What::Gone { cause: event.peek_int("cause") },
        "Dial" => {
            let peer = event.peek("peer").and_then(channel)?;
            let status = text("dialstatus").filter(|it| !matches!(it.as_str(), "RINGING" | "PROGRESS" | "PROCEEDING"));
            let dialled = text("dialstring");
            let (channel, what) = match event.peek("caller").and_then(channel) {
                Some(caller) => (caller, What::Dials { peer: Box::new(peer), status, dialled }),
                // A channel that nobody calls from: it is being originated.
                None => (peer, What::Is),
            };
            return Some(Step { event: kind.to_owned(), at, channel, what, extra: event });
        }
        "ChannelEnteredBridge" => What::Joins { bridge: event.peek("bridge")?.get("id")?.as_str()?.to_owned() },
        "ChannelVarset" => What::Variable { name: text("variable")?, value: text("value").unwrap_or_default() },
        "ChannelDialplan" => What::Application(text("dialplan_app")?),
        "ChannelDtmfReceived" => What::Notice("dtmf"),
        "RecordingFinished" => {
            let recording = event.peek("recording")?;
            let word = |name: &str| recording.get(name).and_then(Node::as_str);
            let id = word("target_uri")?.strip_prefix("channel:")?.to_owned();
            let name = [word("name")?, ".", word("format").unwrap_or("wav")].concat();
            let channel = Channel { id, ..Channel::default() };
            return Some(Step { event: kind.to_owned(), at, channel, what: What::Recorded(name), extra: event });
        }
        "BridgeAttendedTransfer" => {
            let to = event.peek("transferee").and_then(channel)?.id;
            let channel = event.peek("transfer_target").and_then(channel)?;
            return Some(Step { event: kind.to_owned(), at, channel, what: What::Moved { to }, extra: event });
        }
        _ => return None,
    };
    Some(Step { event: kind.to_owned(), at, channel: own?, what, extra: event })
}

/// A channel as ARI shows it.
#[must_use]
pub fn channel(node: &Node) -> Option<Channel> {
    let text = |node: &Node, name: &str| node.get(name).and_then(Node::as_str).filter(|it| !it.is_empty()).map(str::to_owned);
    let known = |it: String| Some(it).filter(|it| !it.eq_ignore_ascii_case("anonymous") && it != "<unknown>");
    let (nobody, nowhere) = (Node::Null, Node::Null);
    let (caller, dialplan) = (node.get("caller").unwrap_or(&nobody), node.get("dialplan").unwrap_or(&nowhere));
    Some(Channel {
        id: text(node, "id")?,
        linked: None,
        name: text(node, "name").unwrap_or_default(),
        state: text(node, "state"),
        number: text(caller, "number").and_then(known),
        caller_name: text(caller, "name").and_then(known),
        context: text(dialplan, "context"),
        exten: text(dialplan, "exten"),
        app: text(dialplan, "app_name"),
        created: text(node, "creationtime").and_then(|it| millis(&it)),
    })
}

/// `2020-04-24T06:07:48.202+0000` has no colon in its offset.
#[must_use]
pub fn millis(text: &str) -> Option<i64> {
    let at = text.len().checked_sub(5)?;
    let moment = match text.as_bytes().get(at) {
        Some(b'+' | b'-') if text.is_ascii() => time::parse(&[&text[..at + 3], ":", &text[at + 3..]].concat()),
        _ => time::parse(text),
    };
    moment.map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn a_moment_has_an_offset_with_or_without_a_colon() {
        assert_eq!(millis("2014-05-20T13:15:27.131-0500"), Some(1_400_609_727_131));
        assert_eq!(millis("2014-05-20T18:15:27.131Z"), Some(1_400_609_727_131));
        assert_eq!(millis("2014-05-20T18:15:27.131+00:00"), Some(1_400_609_727_131));
        for wrong in ["", "+0000", "soon", "2014-05-20T18:15:27", "é+000"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }
}
