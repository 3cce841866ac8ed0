//! The window in which we may write freely: 24 hours from the last time that somebody wrote or called
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages#customer-service-windows>).
//!
//! Meta does not say whether it is open, and refuses too late: the message is taken, and a status says 131047 afterwards. So the
//! connector notes who turned to us, for as long as the window is open. Nobody noted means a closed window, but only once the
//! connector has listened for longer than a window lasts; until then nobody knows, and Meta decides.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Object;

use crate::hub::Hub;
use crate::map::Heard;

/// How long the window is open.
const OPEN_S: i64 = 24 * 60 * 60;
/// How long it may be open for somebody whom an advertisement brought.
const OPEN_BY_ADVERTISEMENT_S: i64 = 72 * 60 * 60;
/// A note is not written again before this time, so it is kept so much longer than the window is open: in between Meta decides.
const REFRESHED_S: i64 = 10 * 60;
/// Since when every message is noted.
const SINCE: &str = "window.since";

/// Notes who turned to us.
pub fn heard(hub: &mut impl Hub, all: &[Heard]) -> Result<(), Failure> {
    for it in all {
        let now = hub.now().as_second();
        let lasts = if it.by_advertisement { OPEN_BY_ADVERTISEMENT_S } else { OPEN_S };
        let left = it.at.as_second() + lasts + REFRESHED_S - now;
        let known = seconds(hub.recall(&key(&it.key))?);
        if left <= 0 || known.is_some_and(|until| until >= now + left - REFRESHED_S) {
            continue;
        }
        let until = (now + left).to_string();
        let ttl_ms = u64::try_from(left).unwrap_or_default().saturating_mul(1000);
        let noted = since(hub, now).and_then(|()| hub.note(&key(&it.key), &until, Some(ttl_ms)));
        if let Err(failure) = noted {
            // What is not noted must not count as a closed window.
            hub.forget(SINCE);
            let mut fields = Object::default();
            fields.put("failure.code", failure.code);
            hub.warn("could not note who wrote; until tomorrow Meta alone decides whether a window is open", &fields);
        }
    }
    Ok(())
}

/// Refuses to write into a window that is surely closed.
pub fn check(hub: &mut impl Hub, conversation: &str) -> Result<(), Failure> {
    if hub.recall(&key(conversation))?.is_some() {
        return Ok(());
    }
    let now = hub.now().as_second();
    let has_listened = seconds(hub.recall(SINCE)?).is_some_and(|it| now - it > OPEN_BY_ADVERTISEMENT_S);
    if has_listened {
        return Err(Failure::never(
            "whatsapp.window_closed",
            "the person has not written for 24 hours, so WhatsApp takes nothing but a template: send one, or wait until they write",
        ));
    }
    Ok(())
}

fn since(hub: &mut impl Hub, now: i64) -> Result<(), Failure> {
    if hub.recall(SINCE)?.is_some() { Ok(()) } else { hub.note(SINCE, &now.to_string(), None) }
}

fn key(conversation: &str) -> String {
    ["window:", conversation].concat()
}

fn seconds(note: Option<String>) -> Option<i64> {
    note.and_then(|it| it.parse().ok())
}
