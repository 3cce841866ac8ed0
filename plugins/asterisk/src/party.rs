//! Who is on a channel: somebody outside, by a number, or one of us, by an extension.

use patchbay_sdk::schemas::{Identity, Name, Person};

use crate::config::Config;
use crate::step::Channel;

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Somebody outside called us.
    In,
    /// One of us called somebody outside.
    Out,
    /// Two of us.
    Internal,
}

/// A call as its first channel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Who called whom.
    pub side: Side,
    /// The number outside; of a call from an odd place, whatever stands for one.
    pub number: Option<String>,
    /// The name that came with the number.
    pub name: Option<String>,
    /// The employee who calls.
    pub extension: Option<String>,
    /// Our number that was called.
    pub line: Option<String>,
}

/// The words in the name of a context that calls from outside begin in, and of one for our own phones.
const OUTSIDE: [&str; 8] = ["trunk", "pstn", "inbound", "incoming", "external", "provider", "from-did", "from-sip"];
const INSIDE: [&str; 8] = ["internal", "agent", "user", "phone", "extension", "local", "outbound", "outgoing"];

/// What kind of call begins on this channel. None: it does not tell.
#[must_use]
pub fn placed(config: &Config, channel: &Channel) -> Option<Placed> {
    // Both ends of a local channel are Asterisk itself.
    if channel.name.starts_with("Local/") {
        return None;
    }
    let exten = channel.exten.as_deref().filter(|it| !matches!(*it, "s" | "h" | "i" | "t"));
    let rings = channel.state.as_deref() == Some("Ring");
    let exten = match (exten, channel.exten.as_deref()) {
        (Some(exten), _) => Some(exten),
        // An analogue line rings without saying what was dialled.
        (None, Some("s")) if rings && channel.number.as_deref().is_some_and(|it| is_phone(config, it)) => None,
        _ => return None,
    };
    let caller = channel.number.as_deref();
    let calls_out = exten.is_some_and(|it| is_phone(config, it));
    let is_outside = caller.is_some_and(|it| is_phone(config, it));
    // What the hub had Asterisk call shows our own line, if any: by its number it would be a caller outside.
    let is_started_here = channel.id.starts_with(crate::call::OURS);
    let side = match (whence(config, channel.context.as_deref()), calls_out) {
        (_, true) if is_started_here => Side::Out,
        (Some(true), _) => Side::In,
        (Some(false), true) => Side::Out,
        (_, _) if is_outside => Side::In,
        (_, true) if caller.is_some() => Side::Out,
        (_, _) if caller.is_none() => Side::In,
        (_, _) => Side::Internal,
    };
    let text = |it: Option<&str>| it.map(str::to_owned);
    Some(match side {
        Side::In => Placed { side, number: text(caller), name: channel.caller_name.clone(), extension: None, line: text(exten) },
        Side::Out => {
            // Our own number shown to the other side is no extension.
            let extension = caller.filter(|it| !is_phone(config, it)).or_else(|| extension(&channel.name));
            Placed { side, number: text(exten), name: None, extension: text(extension), line: None }
        }
        Side::Internal => Placed { side, number: text(caller), name: channel.caller_name.clone(), extension: text(exten), line: None },
    })
}

/// Whether calls that begin in this context come from outside. None: its name does not tell.
fn whence(config: &Config, context: Option<&str>) -> Option<bool> {
    let context = context?;
    let is_one_of = |list: &[String]| list.iter().any(|it| it == context);
    if is_one_of(&config.outside_contexts) || is_one_of(&config.inside_contexts) {
        return Some(is_one_of(&config.outside_contexts));
    }
    let lower = context.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    if config.outside_contexts.is_empty() && (lower.starts_with("in-") || has(&OUTSIDE)) {
        Some(true)
    } else if config.inside_contexts.is_empty() && has(&INSIDE) {
        Some(false)
    } else {
        None
    }
}

/// True for what is dialled to reach somebody outside: digits, with what is written between them, more of them than an extension has.
#[must_use]
pub fn is_phone(config: &Config, text: &str) -> bool {
    let is_part = |it: u8| it.is_ascii_digit() || matches!(it, b'+' | b' ' | b'-' | b'(' | b')' | b'.');
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.bytes().all(is_part) && (digits > config.longest_extension || (text.starts_with('+') && digits > 2)) && digits <= 20
}

/// The digits alone.
#[must_use]
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The person behind a number and a name. A caller who hides both is nobody.
#[must_use]
pub fn person(config: &Config, number: Option<&str>, name: Option<&str>) -> Person {
    let identity = number.map(|it| if is_phone(config, it) { Identity::phone(it) } else { Identity::handle(it) });
    // Some networks put the number where the name belongs.
    let name = name.filter(|it| !it.bytes().all(|it| it.is_ascii_digit() || matches!(it, b'+' | b' ' | b'-')));
    Person {
        identities: identity.into_iter().collect(),
        name: Name { full: name.map(str::to_owned), ..Name::default() },
        ..Person::default()
    }
}

/// The extension in a channel's name: of `PJSIP/101-00000001` and `Local/101@from-queue-00000001;1` it is `101`.
#[must_use]
pub fn extension(channel: &str) -> Option<&str> {
    let (_, rest) = channel.split_once('/')?;
    let end = rest.find('@').or_else(|| rest.rfind('-')).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|it| !it.is_empty())
}
