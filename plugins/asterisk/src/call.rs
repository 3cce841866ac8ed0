//! Click to call: rings at the employee's phone, then at the number.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::CallStart;

use crate::ami::Block;
use crate::book::Book;
use crate::config::{Config, Interface};
use crate::hub::Hub;
use crate::opened::refused;
use crate::step::Channel;

/// How long a command is remembered: longer than it waits between our answer and the hub's commit.
const REMEMBERED_MS: u64 = 2 * 24 * 60 * 60 * 1000;
/// What the ids of the channels begin with that are made here.
pub const OURS: &str = "patchbay-";
/// How long the employee's phone rings, seconds.
const RINGS_S: &str = "30";
const RINGS_MS: &str = "30000";

/// What Asterisk is asked for.
struct Wanted<'a> {
    /// `PJSIP/101`
    endpoint: String,
    /// Whom to dial then, in which context.
    number: &'a str,
    context: &'a str,
    /// `"79001234567" <101>`: the employee sees who is called, the dialplan whose call it is.
    caller: String,
    /// The id that the channel gets.
    channel: String,
}

/// Has Asterisk call the employee, and then the number.
///
/// The channel gets an id that is made of the command's key: Asterisk refuses a second one while the first is there, and the stream tells
/// of it, so a second try knows that it rang even where the answer to the first was lost.
pub fn start(hub: &mut impl Hub, config: &Config, idempotency_key: &str, call: &CallStart) -> Result<Receipt, Failure> {
    let wanted = wanted(config, idempotency_key, call)?;
    let receipt = Receipt { remote_id: Some(wanted.channel.clone()), ..Receipt::default() };
    let note = ["sent:", idempotency_key].concat();
    let channel = Channel { id: wanted.channel.clone(), ..Channel::default() };
    if hub.recall(&note)?.is_some() || Book::new(hub).home(&channel)?.is_some() {
        return Ok(receipt);
    }
    match config.interface {
        Interface::Ari => by_ari(hub, &wanted)?,
        Interface::Ami => by_ami(hub, config, &wanted)?,
    }
    // Asterisk took it: a note that cannot be kept is no reason to say otherwise.
    let _ = hub.note(&note, "1", REMEMBERED_MS);
    Ok(receipt)
}

fn by_ari(hub: &mut impl Hub, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let fields = [
        ("endpoint", wanted.endpoint.as_str()),
        ("extension", wanted.number),
        ("context", wanted.context),
        ("priority", "1"),
        ("callerId", &wanted.caller),
        ("channelId", &wanted.channel),
        ("timeout", RINGS_S),
    ];
    let query: Vec<String> = fields.iter().map(|(name, value)| [*name, "=", &encoded(value)].concat()).collect();
    let (status, body) = hub.ask("POST", &["/ari/channels?", &query.join("&")].concat())?;
    match status {
        // 409: a channel of this id is there, so this is the second try.
        200..=299 | 409 => Ok(()),
        400 | 404 | 405 | 422 => Err(Failure::never("asterisk.refused", said("Asterisk does not make the call: ", &body))),
        // "Allocation failed": the phone is not registered, or there is no such one.
        500 if String::from_utf8_lossy(&body).contains("Allocation failed") => {
            Err(Failure::later("asterisk.unreachable", ["the phone ", &wanted.endpoint, " cannot be called: is it registered?"].concat()))
        }
        _ => Err(refused(status)),
    }
}

/// AMI takes the call and tells the stream what becomes of it: that a phone is not registered, too.
fn by_ami(hub: &mut impl Hub, config: &Config, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let fields = [
        ("Action", "Originate"),
        ("ActionID", &wanted.channel),
        ("Channel", &wanted.endpoint),
        ("Context", wanted.context),
        ("Exten", wanted.number),
        ("Priority", "1"),
        ("CallerID", &wanted.caller),
        ("ChannelId", &wanted.channel),
        ("Timeout", RINGS_MS),
        ("Async", "true"),
    ];
    let lines: Vec<String> = fields.iter().map(|(name, value)| [*name, ": ", value, "\r\n"].concat()).collect();
    accepted(&hub.act(&config.username, &lines.concat(), &wanted.channel)?)
}

/// What AMI says to an action: nothing to say where it does it.
fn accepted(answer: &Block) -> Result<(), Failure> {
    let said = answer.get("message").unwrap_or_default();
    match answer.get("response").unwrap_or_default() {
        it if it.eq_ignore_ascii_case("success") => Ok(()),
        _ if said.contains("ermission") => Err(Failure::reauthorise(
            "asterisk.right",
            ["the user of manager.conf may not do it (write = call,originate): ", said].concat(),
        )),
        _ => Err(Failure::never("asterisk.refused", ["Asterisk does not make the call: ", said].concat())),
    }
}

fn wanted<'a>(config: &'a Config, idempotency_key: &str, call: &'a CallStart) -> Result<Wanted<'a>, Failure> {
    let refused = |code: &str, reason: &str| Err(Failure::never(code, reason));
    let is_number = |it: &str| {
        let digits = it.strip_prefix('+').unwrap_or(it);
        (3..=20).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit())
    };
    if !is_number(&call.number) || call.line.as_deref().is_some_and(|it| !is_number(it)) {
        return refused("asterisk.number", "what is to be called, or shown, is no telephone number");
    }
    let extension = match call.extension.as_deref().or(config.extension.as_deref()) {
        // Whatever else stands in it could begin another field of AMI's.
        Some(it) if it.len() <= 40 && it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b'-')) => it,
        Some(_) => return refused("asterisk.extension", "the extension has characters that no extension has"),
        None => return refused("asterisk.extension", "a call is made for an employee: set `extension` in the configuration, or name one"),
    };
    let shown = call.line.as_deref().unwrap_or(extension);
    Ok(Wanted {
        endpoint: config.originate_endpoint.replace("{extension}", extension),
        number: &call.number,
        context: &config.originate_context,
        caller: ["\"", &call.number, "\" <", shown, ">"].concat(),
        channel: channel(idempotency_key),
    })
}

fn channel(idempotency_key: &str) -> String {
    let clean = idempotency_key.chars().filter(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.'));
    [OURS, &clean.take(100).collect::<String>()].concat()
}

fn said(start: &str, body: &[u8]) -> String {
    let said: String = String::from_utf8_lossy(body).chars().take(200).collect();
    [start, said.trim()].concat()
}

fn encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        }
    }
    encoded
}
