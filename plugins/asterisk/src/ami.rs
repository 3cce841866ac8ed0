//! AMI: blocks of `Key: value` lines (AMI v2 specification).

use patchbay_sdk::Piece;
use patchbay_sdk::json::Object;

use crate::step::{Channel, Step, What};

/// A block, its keys in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block(Vec<(String, String, String)>);

/// What a field says when nothing is known.
const NOTHING: [&str; 6] = ["<unknown>", "unknown", "anonymous", "unavailable", "restricted", "(null)"];

impl Block {
    /// Reads a block. Lines that are no field (the greeting of Asterisk) are passed over; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn read(frame: &[u8]) -> Self {
        let text = String::from_utf8_lossy(frame);
        let field = |line: &str| {
            let (key, value) = line.trim_end_matches('\r').split_once(':')?;
            let key = key.trim();
            (!key.is_empty()).then(|| (key.to_ascii_lowercase(), key.to_owned(), value.trim().to_owned()))
        };
        Self(text.split('\n').filter_map(field).collect())
    }

    /// The value of a field; an empty one is none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(it, ..)| it == key).map(|(.., value)| value.as_str()).filter(|it| !it.is_empty())
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    /// The same for numbers and names, of which Asterisk may say that it knows none.
    fn known(&self, key: &str) -> Option<String> {
        self.get(key).filter(|it| !NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(it))).map(str::to_owned)
    }

    /// When it happened, milliseconds.
    fn at(&self) -> Option<i64> {
        let (seconds, fraction) = self.get("timestamp").map(|it| it.split_once('.').unwrap_or((it, "")))?;
        let seconds: i64 = seconds.parse().ok()?;
        let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
        seconds.checked_mul(1000)?.checked_add(millis.parse().ok()?)
    }

    /// The channel whose fields begin with this.
    fn channel(&self, prefix: &str) -> Option<Channel> {
        let key = |name: &str| [prefix, name].concat();
        let id = self.text(&key("uniqueid"))?;
        Some(Channel {
            linked: self.text(&key("linkedid")),
            name: self.text(&key("channel")).unwrap_or_default(),
            state: self.text(&key("channelstatedesc")).or_else(|| self.text(&key("state"))),
            number: self.known(&key("calleridnum")),
            caller_name: self.known(&key("calleridname")),
            context: self.text(&key("context")),
            exten: self.text(&key("exten")),
            app: self.text(&key("application")),
            created: None,
            id,
        })
    }

    fn extra(&self) -> Object<'static> {
        let mut extra = Object::default();
        for (_, key, value) in &self.0 {
            extra.put(key.clone(), value.clone());
        }
        extra
    }
}

/// The step that a block tells of. None: none.
#[must_use]
pub fn step(block: &Block) -> Option<Step> {
    let event = block.text("event")?;
    let step = |channel: Channel, what: What| Some(Step { event: event.clone(), at: block.at(), channel, what, extra: block.extra() });
    let own = || block.channel("");
    match event.to_ascii_lowercase().as_str() {
        "newchannel" | "newstate" | "coreshowchannel" | "status" => step(own()?, What::Is),
        "hangup" => step(own()?, What::Gone { cause: block.get("cause").and_then(|it| it.parse().ok()) }),
        "dialbegin" | "dialstate" | "dialend" => dial(block, step),
        // Asterisk 11 and before.
        "dial" => {
            let peer = Channel {
                id: block.text("destuniqueid").unwrap_or_default(),
                name: block.text("destination").unwrap_or_default(),
                number: None,
                ..Channel::default()
            };
            let status = block.text("dialstatus");
            step(own()?, What::Dials { peer: Box::new(peer), status, dialled: block.text("dialstring") })
        }
        "bridgeenter" => step(own()?, What::Joins { bridge: block.text("bridgeuniqueid")? }),
        "newexten" => step(own()?, What::Application(block.text("application")?)),
        "varset" => step(own()?, What::Variable { name: block.text("variable")?, value: block.text("value").unwrap_or_default() }),
        "queuecallerjoin" | "join" => step(own()?, What::Queue(block.text("queue")?)),
        "agentconnect" => {
            let member = block.text("interface").or_else(|| block.text("destchannel")).or_else(|| block.text("membername"))?;
            step(own()?, What::Connected { member })
        }
        "queuecallerleave" | "queuecallerabandon" | "agentcalled" | "agentcomplete" | "agentringnoanswer" | "bridgeleave" | "hold"
        | "unhold" | "musiconhold" | "bridge" | "link" | "unlink" | "originateresponse" | "newcallerid" | "newconnectedline" | "pickup"
        | "cdr" => {
            let channel = own().or_else(|| block.channel("channel")).unwrap_or_default();
            let is_told = matches!(event.to_ascii_lowercase().as_str(), "bridge" | "link" | "unlink" | "originateresponse");
            step(channel, if is_told { What::News } else { What::Application(String::new()) })
        }
        "attendedtransfer" => moved(block, step),
        "dtmfend" | "dtmf" if block.get("end") != Some("No") => step(own()?, What::Notice("dtmf")),
        "localbridge" => step(Channel::default(), What::Notice("local_bridge")),
        _ => None,
    }
}

fn dial(block: &Block, step: impl Fn(Channel, What) -> Option<Step>) -> Option<Step> {
    let peer = block.channel("dest")?;
    // A channel that nobody calls from: it is being originated.
    let Some(caller) = block.channel("") else { return step(peer, What::Is) };
    let status = block.text("dialstatus").filter(|it| !matches!(it.as_str(), "RINGING" | "PROGRESS" | "PROCEEDING"));
    step(caller, What::Dials { peer: Box::new(peer), status, dialled: block.text("dialstring") })
}

/// Whoever was consulted becomes part of the call that was transferred.
fn moved(block: &Block, step: impl Fn(Channel, What) -> Option<Step>) -> Option<Step> {
    let target = block.channel("transfertarget")?;
    let to = block.text("transfereeuniqueid")?;
    step(target, What::Moved { to })
}

/// Logs in; the secret is filled in by the host. Of the events those classes that calls are told by.
#[must_use]
pub fn login(username: &str) -> Vec<Piece> {
    let start =
        ["Action: Login\r\nActionID: patchbay-login\r\nUsername: ", username, "\r\nEvents: call,agent,dialplan,dtmf,cdr\r\nSecret: "];
    vec![Piece::Bytes(start.concat().into_bytes()), Piece::Secret("password".to_owned())]
}

/// Asks which channels there are.
pub const SHOW_CHANNELS: &str = "Action: CoreShowChannels\r\nActionID: patchbay-channels";
