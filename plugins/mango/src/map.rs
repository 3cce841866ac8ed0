//! From a notification to what it means for the hub.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Event;

use crate::config::Config;
use crate::deliver;
use crate::hub::Hub;
use crate::leg::Leg;
use crate::notice;
use crate::party::{int, word};
use crate::report;
use crate::story::Story;
use crate::summary::Summary;

/// How long a call that goes on is remembered: longer than any call, and than its recording takes.
const REMEMBERED_MS: u64 = 6 * 60 * 60 * 1000;

/// The event that a notification is. None: it tells nothing new.
pub fn event(hub: &mut impl Hub, config: &Config, path: &str, body: &[u8]) -> Result<Option<Event>, Failure> {
    let wrong = |what: &str| Failure::never("mango.body", what);
    // `vpbx_api_key`, `sign` and `json`.
    let text = form_urlencoded::parse(body).find(|it| it.0 == "json").ok_or_else(|| wrong("the form has no field `json`"))?.1;
    let document = Node::parse(text.as_bytes()).map_err(|error| wrong(&["the field `json` is ", &error.to_string()].concat()))?;
    let mut fields = document.object().ok_or_else(|| wrong("the field `json` is not an object"))?;
    match kind(path, &fields) {
        "call" => {
            let leg = Leg::take(&mut fields).ok_or_else(|| wrong("a call has neither `entry_id` nor `call_id`"))?;
            if let Some(command) = fields.peek_text("command_id").filter(|it| is_ours(it)) {
                deliver::is_done(hub, command)?;
            }
            step(hub, config, &leg, fields)
        }
        "summary" => {
            let summary = Summary::take(&mut fields).ok_or_else(|| wrong("a summary has no `entry_id`"))?;
            end(hub, &summary, fields)
        }
        "recording" => {
            if let (Some(entry), Some(recording)) = (fields.peek_text("entry_id"), fields.peek_text("recording_id")) {
                hub.note(&recording_key(entry), recording, REMEMBERED_MS)?;
            }
            Ok(Some(notice::other("recording", fields)))
        }
        "record/added" => added(hub, config, fields),
        "sms" => Ok(notice::sms(fields)),
        what => Ok(Some(notice::other(what, fields))),
    }
}

/// What the notification is about: the end of the address, or what its fields say where somebody posts all to one address.
fn kind<'a>(path: &'a str, fields: &Object) -> &'a str {
    let path = path.trim_end_matches('/');
    for start in ["/events/", "/result/"] {
        if let Some((_, rest)) = path.rsplit_once(start) {
            return match rest {
                "sms" | "call" | "summary" | "recording" | "record/added" if start == "/events/" || rest == "sms" => rest,
                _ if start == "/result/" => "result",
                _ if is_name(rest) => rest,
                _ => "event",
            };
        }
    }
    let has = |name: &str| fields.peek(name).is_some();
    if has("call_state") || has("call_id") && has("from") {
        "call"
    } else if has("call_direction") || has("entry_result") {
        "summary"
    } else if has("recording_state") {
        "recording"
    } else if has("dtmf") {
        "dtmf"
    } else {
        "event"
    }
}

/// True for an id of the hub's outbox: commands that others gave are nothing to us.
fn is_ours(command_id: &str) -> bool {
    command_id.len() <= 64 && command_id.strip_prefix("out_").is_some_and(|it| it.bytes().all(|it| it.is_ascii_alphanumeric()))
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'/' | b'_' | b'-' | b'.'))
}

fn step(hub: &mut impl Hub, config: &Config, leg: &Leg, mut fields: Object) -> Result<Option<Event>, Failure> {
    let (story, phase) = changed(hub, &leg.entry, |story| story.add(leg))?;
    let Some(phase) = phase.filter(|_| !config.only_ended) else { return Ok(None) };
    let recording = hub.recall(&recording_key(&leg.entry))?;
    fields.put_text("call_id", &leg.id);
    fields.put("seq", leg.seq);
    if let Some(reason) = leg.reason {
        fields.put("disconnect_reason", reason);
    }
    Ok(Some(report::call(&leg.entry, &story, phase, leg.at, recording, fields)))
}

fn end(hub: &mut impl Hub, summary: &Summary, mut fields: Object) -> Result<Option<Event>, Failure> {
    let (story, phase) = changed(hub, &summary.entry, |story| story.close(summary))?;
    let recording = hub.recall(&recording_key(&summary.entry))?;
    if let Some(reason) = summary.reason {
        fields.put("disconnect_reason", reason);
    }
    let at = summary.created.or(story.started);
    Ok(Some(report::call(&summary.entry, &story, phase, at, recording, fields)))
}

/// A recording can be fetched. It is news of its call where that is known, and was not told with its end already.
fn added(hub: &mut impl Hub, config: &Config, mut fields: Object) -> Result<Option<Event>, Failure> {
    let (Some(entry), Some(recording)) = (fields.peek_text("entry_id"), fields.peek_text("recording_id")) else {
        return Ok(Some(notice::other("record/added", fields)));
    };
    let (entry, recording) = (entry.to_owned(), recording.to_owned());
    let known = hub.recall(&key(&entry))?;
    let story = Story::read(known.as_deref());
    let was_told = story.is_told && hub.recall(&recording_key(&entry))?.as_deref() == Some(recording.as_str());
    if known.is_none() || was_told || config.only_ended {
        return Ok(Some(notice::other("record/added", fields)));
    }
    hub.note(&recording_key(&entry), &recording, REMEMBERED_MS)?;
    let at = int(&mut fields, "timestamp");
    word(&mut fields, "entry_id");
    Ok(Some(report::recorded(&entry, &story, at, &recording, fields)))
}

/// Changes what is known of a call.
///
/// Two steps that come at the same moment may overwrite each other. That costs nothing for long: the summary says all of it again.
fn changed<T>(hub: &mut impl Hub, entry: &str, change: impl FnOnce(&mut Story) -> T) -> Result<(Story, T), Failure> {
    let key = key(entry);
    let before = hub.recall(&key)?;
    let mut story = Story::read(before.as_deref());
    let outcome = change(&mut story);
    let after = story.kept();
    if before.as_deref() != Some(after.as_str()) {
        hub.note(&key, &after, REMEMBERED_MS)?;
    }
    Ok((story, outcome))
}

fn key(entry: &str) -> String {
    ["call:", entry].concat()
}

fn recording_key(entry: &str) -> String {
    ["recording:", entry].concat()
}
