//! The events that tell of a call as far as it is known, and of what is no call.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::interaction::Call;
use patchbay_sdk::schemas::{Author, ConversationRef, Detail, Direction, Event, Extra, Interaction, Notice, Source, Timestamp, time};

use crate::config::Config;
use crate::party::{Side, digits, is_phone, person};
use crate::step::Step;
use crate::story::{Phase, Story};

/// The event of a call that came to this. All events of a call have its `call.id`, each says all that is known by then.
#[must_use]
pub fn call(config: &Config, key: &str, story: &Story, phase: Phase, at: Option<i64>, extra: Object) -> Event {
    let id = match (phase, &story.extension) {
        (Phase::Transferred, Some(extension)) => ["call:", key, ":transferred:", extension].concat(),
        (phase, _) => ["call:", key, ":", phase.name()].concat(),
    };
    event(config, key, story, id, at, extra)
}

/// The event of a call whose recording is there after its end.
#[must_use]
pub fn recorded(config: &Config, key: &str, story: &Story, recording: &str, at: Option<i64>, extra: Object) -> Event {
    event(config, key, story, ["call:", key, ":recorded:", recording].concat(), at, extra)
}

fn event(config: &Config, key: &str, story: &Story, id: String, at: Option<i64>, mut extra: Object) -> Event {
    if let Some(queue) = &story.queue {
        extra.put("queue", queue.clone());
    }
    let occurred_at = at.and_then(moment);
    let someone = person(config, story.number.as_deref(), story.name.as_deref());
    let Some(side @ (Side::In | Side::Out)) = story.side else {
        // Nobody outside had part in it: it is no contact with anybody.
        return Event { id, occurred_at, body: notice("call", Some(someone), extra.rest()) };
    };
    let seconds = |from: Option<i64>, to: Option<i64>| u32::try_from((to? - from?).max(0) / 1000).ok();
    let call = Call {
        id: key.to_owned(),
        result: story.result,
        started_at: story.started.and_then(moment),
        answered_at: story.answered.and_then(moment),
        ended_at: story.ended.and_then(moment),
        wait_s: seconds(story.started, story.answered.or(story.ended)),
        talk_s: seconds(story.answered, story.ended),
        recording: story.recording.clone(),
    };
    let interaction = Interaction {
        direction: if side == Side::In { Direction::In } else { Direction::Out },
        person: someone,
        // All calls with one number are one thread, so that it can be called back.
        conversation: story.number.as_deref().filter(|it| is_phone(config, it)).map(|it| ConversationRef { key: digits(it), title: None }),
        text: None,
        author: story.extension.clone().map(|it| Author { id: Some(it), name: None }),
        attachments: Vec::new(),
        source: Source { line: story.line.clone(), ..Source::default() },
        detail: Detail::Call(call),
        extra: extra.rest(),
    };
    Event { id, occurred_at, body: EventBody::Call(interaction) }
}

/// What a step says by itself, where its call is not known or it is about none.
#[must_use]
pub fn alone(config: &Config, step: Step, what: &str) -> Event {
    let Step { event, at, channel, extra, .. } = step;
    let when = at.map(|it| it.to_string()).unwrap_or_default();
    let state = channel.state.as_deref().unwrap_or_default();
    let id = [event.as_str(), ":", &channel.id, ":", state, ":", &when].concat();
    let someone = (what == "call").then(|| person(config, channel.number.as_deref(), channel.caller_name.as_deref()));
    Event { id, occurred_at: at.and_then(moment), body: notice(what, someone, extra.rest()) }
}

fn notice(what: &str, person: Option<patchbay_sdk::schemas::Person>, extra: Extra) -> EventBody {
    let person = person.filter(|it| !it.identities.is_empty() || it.name.full.is_some());
    EventBody::Other(Notice { what: what.to_owned(), person, conversation: None, extra })
}

fn moment(ms: i64) -> Option<Timestamp> {
    time::from_millis(ms)
}
