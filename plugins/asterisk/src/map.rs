//! From frames to what they mean for the hub.

use patchbay_sdk::schemas::Event;
use patchbay_sdk::{Failure, Frames};

use crate::ami::{self, Block};
use crate::ari;
use crate::book::Book;
use crate::config::Config;
use crate::hub::Hub;
use crate::opened;
use crate::party;
use crate::report;
use crate::step::{Step, What};
use crate::story::{Phase, Story};

/// Longest id of a channel; Asterisk's own are a quarter of it.
const LONGEST_ID: usize = 200;

/// What frames tell, in their order.
pub fn frames(hub: &mut impl Hub, config: &Config, frames: &[Vec<u8>]) -> Result<Frames, Failure> {
    let mut told = Frames::default();
    let mut book = Book::new(hub);
    for frame in frames {
        let step = if frame.trim_ascii_start().starts_with(b"{") {
            ari::step(frame)?
        } else {
            let block = Block::read(frame);
            if block.get("response").is_some() || block.get("actionid").is_some() {
                opened::answered(&mut book, config, &block, &mut told)?;
                continue;
            }
            if block.get("event").is_none() && !is_greeting(frame) {
                return Err(Failure::never("asterisk.frame", "what came in is neither an event of ARI nor a block of AMI"));
            }
            ami::step(&block)
        };
        if let Some(step) = step {
            told.events.extend(one(&mut book, config, step)?);
        }
    }
    book.close()?;
    Ok(told)
}

/// `Asterisk Call Manager/11.0.0`
fn is_greeting(frame: &[u8]) -> bool {
    frame.starts_with(b"Asterisk Call Manager/")
}

/// What a step tells. None: nothing that is new.
pub fn one<H: Hub>(book: &mut Book<'_, H>, config: &Config, mut step: Step) -> Result<Option<Event>, Failure> {
    let is_too_long = |it: &str| it.len() > LONGEST_ID;
    if is_too_long(&step.channel.id) || step.channel.linked.as_deref().is_some_and(is_too_long) {
        return Err(Failure::never("asterisk.channel", "the id of a channel is longer than any of Asterisk's"));
    }
    if let What::Notice(what) = step.what {
        return Ok(Some(report::alone(config, step, what)));
    }
    let now = book.hub().now();
    let Some(key) = key(book, config, &step, now)? else { return Ok(unknown(config, step)) };
    if let What::Dials { peer, .. } = &mut step.what {
        if is_too_long(&peer.id) {
            return Err(Failure::never("asterisk.channel", "the id of a channel is longer than any of Asterisk's"));
        }
        if let Some(other) = book.home(peer)?.filter(|it| *it != key) {
            // It was taken for a call of its own until somebody was seen to call it.
            book.transfer(&peer.id, &other, &key, step.at.unwrap_or(now))?;
        }
        book.settle(&peer.id, &key)?;
    }
    let Some(story) = book.call(&key)? else { return Ok(None) };
    let was_over = story.ended.is_some();
    let before = story.recording.clone();
    story.add(config, &step, now);
    let is_told = config.internal_calls || story.side != Some(party::Side::Internal);
    if let (true, What::Recorded(name)) = (was_over && story.side.is_some() && is_told, &step.what) {
        return Ok((before.as_ref() != Some(name)).then(|| report::recorded(config, &key, story, name, step.at, step.extra)));
    }
    let phase = story.news().filter(|_| is_told);
    Ok(phase.map(|phase| report::call(config, &key, story, phase, step.at, step.extra)))
}

/// The call that a step belongs to; a new one where it begins one.
fn key<H: Hub>(book: &mut Book<'_, H>, config: &Config, step: &Step, now: i64) -> Result<Option<String>, Failure> {
    let channel = &step.channel;
    if channel.id.is_empty() {
        return Ok(None);
    }
    let at = step.at.unwrap_or(now);
    let home = book.home(channel)?;
    let other = match &step.what {
        What::Moved { to } => book.home(&crate::step::Channel { id: to.clone(), ..Default::default() })?,
        _ => match &channel.linked {
            Some(linked) if book.call(linked)?.is_some() => Some(linked.clone()),
            _ => None,
        },
    };
    match (home, other) {
        (Some(home), Some(other)) if home != other => {
            book.transfer(&channel.id, &home, &other, at)?;
            return Ok(Some(other));
        }
        (Some(home), _) => return Ok(Some(home)),
        (None, Some(other)) => {
            book.settle(&channel.id, &other)?;
            return Ok(Some(other));
        }
        (None, None) => {}
    }
    let begins = match step.what {
        What::Is | What::Dials { .. } => true,
        What::Gone { .. } => party::placed(config, channel).is_some(),
        _ => false,
    };
    let is_told = party::placed(config, channel).is_some() || is_followed(step);
    if !begins || !is_told {
        return Ok(None);
    }
    let key = channel.linked.clone().unwrap_or_else(|| channel.id.clone());
    book.begin(&key, Story::of(channel, at))?;
    book.settle(&channel.id, &key)?;
    Ok(Some(key))
}

/// True where more will be heard of a channel that does not tell yet what kind of call it is part of.
fn is_followed(step: &Step) -> bool {
    step.channel.linked.is_some() || matches!(step.channel.exten.as_deref(), Some("s"))
}

/// What a step tells of a call that nobody knows.
fn unknown(config: &Config, step: Step) -> Option<Event> {
    let speaks_of_a_call = matches!(step.what, What::Is | What::Dials { .. } | What::Gone { .. } | What::News);
    let is_told = speaks_of_a_call && !is_followed(&step) && config.internal_calls;
    is_told.then(|| report::alone(config, step, "call"))
}

/// Tells again what was told last of a call: the hub may have ended before it was kept.
#[must_use]
pub fn again(config: &Config, key: &str, story: &Story, phase: Phase) -> Event {
    let at = match phase {
        Phase::Appeared => story.started,
        Phase::Answered | Phase::Transferred => story.answered,
        Phase::Ended => story.ended,
    };
    report::call(config, key, story, phase, at, patchbay_sdk::json::Object::default())
}
