//! One question to the mail box: what came since, and if nothing did, a wait for it.
//!
//! The cursor is `{uidvalidity}:{uidnext}`. Where the server numbered its mails anew, what is there is read once more from the day before
//! the change on: events of mails that are known already are duplicates to the hub.

use patchbay_sdk::schemas::{Event, Timestamp};
use patchbay_sdk::{Failure, Page};

use crate::config::Config;
use crate::imap::{MailBox, Session, Wire};

/// How long one question waits for news. Servers end a wait after half an hour, routers after less.
const IDLE_MS: u32 = 540_000;
/// Days whose mails are read again where the server numbered them anew.
const DAYS_AGAIN: i64 = 14;

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub MailBox);

impl Cursor {
    /// Reads one. What is none counts as none: reading begins anew, and nothing is doubled by that.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (validity, next) = text.split_once(':')?;
        Some(Self(MailBox { uid_validity: validity.parse().ok()?, uid_next: next.parse().ok()? }))
    }

    /// As it is kept.
    #[must_use]
    pub fn write(self) -> String {
        format!("{}:{}", self.0.uid_validity, self.0.uid_next)
    }
}

/// Takes at most `limit` mails. Where there are none it waits for one.
pub fn poll<W: Wire>(
    session: &mut Session<W>,
    config: &Config,
    cursor: Option<&str>,
    limit: u32,
    now: Timestamp,
    read: impl Fn(&[u8]) -> Option<Event>,
) -> Result<Page, Failure> {
    let here = session.select(config)?;
    let known = cursor.and_then(Cursor::parse);
    let from = match known {
        Some(Cursor(it)) if it.uid_validity == here.uid_validity => it.uid_next,
        None if !config.reads_old => here.uid_next,
        None => 1,
        // Numbered anew: of these days everything, of the time before it nothing.
        Some(_) => session.search(&format!("SINCE {}", day(now, -DAYS_AGAIN)))?.first().copied().unwrap_or(here.uid_next),
    };
    // Written down before the first wait: what comes from now on is new, whatever happens to this session.
    if known.is_none_or(|it| it.0.uid_validity != here.uid_validity) && from >= here.uid_next {
        return Ok(Page { events: Vec::new(), next_cursor: Some(Cursor(MailBox { uid_next: from, ..here }).write()), more: true });
    }
    let mut found = since(session, from)?;
    if found.is_empty() && session.idle(IDLE_MS)? {
        found = since(session, from)?;
    }
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let mut events = Vec::new();
    let mut next = from;
    // One after the other: a mail box of large mails must not fill the memory.
    for uid in &found {
        for (uid, raw) in session.fetch(&[*uid])? {
            events.extend(read(&raw));
            next = next.max(uid + 1);
        }
        // One that was deleted meanwhile is passed over.
        next = next.max(uid + 1);
    }
    if config.marks_read && !found.is_empty() {
        session.mark_read(&found)?;
    }
    Ok(Page { events, next_cursor: Some(Cursor(MailBox { uid_next: next, ..here }).write()), more })
}

/// Numbers from this one on. `n:*` always names the last mail as well, also one before `n`.
fn since<W: Wire>(session: &mut Session<W>, from: u32) -> Result<Vec<u32>, Failure> {
    Ok(session.search(&format!("UID {from}:*"))?.into_iter().filter(|it| *it >= from).collect())
}

/// `1-Feb-2026`, so many days later.
fn day(now: Timestamp, days: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let ms = now.as_millisecond() + days * 86_400_000;
    let date = patchbay_sdk::schemas::time::from_millis(ms).unwrap_or(now).to_string();
    let number = |from: usize, to: usize| date.get(from..to).and_then(|it| it.parse::<usize>().ok()).unwrap_or(1);
    format!("{}-{}-{}", number(8, 10), MONTHS[(number(5, 7) - 1) % 12], number(0, 4))
}
