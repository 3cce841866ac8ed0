//! The event that tells of a call as far as it is known.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::interaction::Call;
use patchbay_sdk::schemas::{Author, ConversationRef, Detail, Direction, Event, Interaction, Notice, Source, Timestamp, time};

use crate::leg::Side;
use crate::party::{digits, is_phone, person};
use crate::story::{Phase, Story};

/// The event of a call that came to this. All events of a call have its `call.id`, each says all that is known by then.
#[must_use]
pub fn call(entry: &str, story: &Story, phase: Phase, at: Option<i64>, recording: Option<String>, extra: Object) -> Event {
    let name = match phase {
        Phase::Appeared => "appeared",
        Phase::Connected => "connected",
        Phase::Ended => "ended",
        Phase::Told => "summary",
    };
    event(entry, name, story, at, recording, extra)
}

/// The event of a call whose recording is there.
#[must_use]
pub fn recorded(entry: &str, story: &Story, at: Option<i64>, recording: &str, extra: Object) -> Event {
    event(entry, &["recorded:", recording].concat(), story, at, Some(recording.to_owned()), extra)
}

fn event(entry: &str, name: &str, story: &Story, at: Option<i64>, recording: Option<String>, mut extra: Object) -> Event {
    let occurred_at = at.and_then(moment);
    let id = ["call:", entry, ":", name].concat();
    let (Some(side @ (Side::In | Side::Out)), number) = (story.side, story.number.as_deref()) else {
        // Nobody outside had part in it: it is no contact with anybody.
        extra.put_text("entry_id", entry);
        if let Some(extension) = &story.extension {
            extra.put_text("extension", extension);
        }
        let notice = Notice { what: "call".to_owned(), person: None, conversation: None, extra: extra.rest() };
        return Event { id, occurred_at, body: EventBody::Other(notice) };
    };
    let from_to = |from: Option<i64>, to: Option<i64>| Some(to? - from?).and_then(|it| u32::try_from(it).ok());
    let call = Call {
        id: entry.to_owned(),
        result: story.result,
        started_at: story.started.and_then(moment),
        answered_at: story.answered.and_then(moment),
        ended_at: story.ended.and_then(moment),
        wait_s: from_to(story.started, story.answered.or(story.ended)),
        talk_s: from_to(story.answered, story.ended),
        recording,
    };
    let interaction = Interaction {
        direction: if side == Side::In { Direction::In } else { Direction::Out },
        person: person(number),
        // All calls with one number are one thread, so that it can be called back.
        conversation: number.filter(|it| is_phone(it)).map(|it| ConversationRef { key: digits(it), title: None }),
        text: None,
        author: story.extension.clone().map(|it| Author { id: Some(it), name: None }),
        attachments: Vec::new(),
        source: Source { line: story.line.clone(), ..Source::default() },
        detail: Detail::Call(call),
        extra: extra.rest(),
    };
    Event { id, occurred_at, body: EventBody::Call(interaction) }
}

/// Mango labels its times UTC+3, yet they are seconds since 1970.
#[must_use]
pub fn moment(seconds: i64) -> Option<Timestamp> {
    time::from_seconds(seconds)
}
