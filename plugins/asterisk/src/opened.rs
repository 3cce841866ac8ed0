//! The connection stands: log in, and find out what became of the calls that were going on.

use patchbay_sdk::json::{self, Node};
use patchbay_sdk::{Failure, Frames};

use crate::ami::{self, Block};
use crate::ari;
use crate::book::Book;
use crate::config::{Config, Interface};
use crate::hub::{Hub, not_let_in};
use crate::map;
use crate::party;
use crate::step::{Step, What};

/// Where the channels are noted while AMI lists them.
const SEEN: &str = "seen";
/// How long that takes at most.
const LISTING_MS: u64 = 10 * 60 * 1000;

/// The connection stands.
pub fn opened(hub: &mut impl Hub, config: &Config) -> Result<Frames, Failure> {
    let mut told = Frames::default();
    let mut book = Book::new(hub);
    tell_again(&mut book, config, &mut told)?;
    if config.interface == Interface::Ami {
        told.send.push(ami::login(&config.username));
        return Ok(told);
    }
    let (status, body) = book.hub().ask("GET", "/ari/channels")?;
    if status != 200 {
        return Err(refused(status));
    }
    let list =
        Node::parse(&body).map_err(|error| Failure::later("asterisk.answer", ["the list of channels is ", &error.to_string()].concat()))?;
    let mut seen = Vec::new();
    for node in list.items() {
        let Some(channel) = ari::channel(node) else { continue };
        seen.push(channel.id.clone());
        if party::placed(config, &channel).is_some() {
            let extra = node.clone().into_owned().object().unwrap_or_default();
            let step = Step { event: "GET channels".to_owned(), at: None, channel, what: What::Is, extra };
            told.events.extend(map::one(&mut book, config, step)?);
        }
    }
    missing(&mut book, config, &seen, &mut told)?;
    book.close()?;
    Ok(told)
}

/// What ARI's refusal asks for.
#[must_use]
pub fn refused(status: u16) -> Failure {
    let message = ["Asterisk answered ", &status.to_string()].concat();
    match status {
        401 | 403 => Failure::reauthorise("asterisk.login", message),
        _ => Failure::later("asterisk.answer", message),
    }
}

/// Tells again what was told last: whether the hub kept it before it ended, nobody knows here, and twice is once there.
fn tell_again<H: Hub>(book: &mut Book<'_, H>, config: &Config, told: &mut Frames) -> Result<(), Failure> {
    for key in book.index()?.clone() {
        let Some(story) = book.call(&key)? else { continue };
        let is_told = config.internal_calls || story.side != Some(party::Side::Internal);
        if let Some(phase) = story.last_told().filter(|_| is_told) {
            told.events.push(map::again(config, &key, story, phase));
        }
    }
    Ok(())
}

/// Calls none of whose channels is there any more ended while nobody listened.
fn missing<H: Hub>(book: &mut Book<'_, H>, config: &Config, seen: &[String], told: &mut Frames) -> Result<(), Failure> {
    let now = book.hub().now();
    for key in book.index()?.clone() {
        let Some(story) = book.call(&key)? else { continue };
        if story.ended.is_some() || story.present().any(|it| seen.iter().any(|seen| seen == it)) {
            continue;
        }
        story.close(now);
        let is_told = config.internal_calls || story.side != Some(party::Side::Internal);
        if let Some(phase) = story.news().filter(|_| is_told) {
            told.events.push(map::again(config, &key, story, phase));
        }
    }
    Ok(())
}

/// An answer of AMI to something that was asked here.
pub fn answered<H: Hub>(book: &mut Book<'_, H>, config: &Config, block: &Block, told: &mut Frames) -> Result<(), Failure> {
    let is_error = block.get("response").is_some_and(|it| it.eq_ignore_ascii_case("error"));
    match (block.get("actionid").unwrap_or_default(), block.get("event").unwrap_or_default()) {
        ("patchbay-login", _) if is_error => Err(not_let_in(block)),
        ("patchbay-login", "") => {
            book.hub().note(SEEN, "[]", LISTING_MS)?;
            told.say(ami::SHOW_CHANNELS);
            Ok(())
        }
        ("patchbay-channels", "CoreShowChannel") => {
            let Some(step) = ami::step(block) else { return Ok(()) };
            let mut seen = seen(book)?;
            seen.push(step.channel.id.clone());
            let list: Vec<Node> = seen.into_iter().map(Node::from).collect();
            book.hub().note(SEEN, &json::write(&Node::from(list)).unwrap_or_default(), LISTING_MS)?;
            told.events.extend(map::one(book, config, step)?);
            Ok(())
        }
        ("patchbay-channels", "CoreShowChannelsComplete") => {
            let seen = seen(book)?;
            missing(book, config, &seen, told)
        }
        // Pongs; answers to what others asked; a refusal of the list, without which what ended meanwhile stays open until it is forgotten.
        ("patchbay-ping", _) | (_, "") => Ok(()),
        _ => {
            if let Some(step) = ami::step(block) {
                told.events.extend(map::one(book, config, step)?);
            }
            Ok(())
        }
    }
}

fn seen<H: Hub>(book: &mut Book<'_, H>) -> Result<Vec<String>, Failure> {
    let kept = book.hub().recall(SEEN)?.unwrap_or_default();
    let list = Node::parse(kept.as_bytes()).ok();
    Ok(list.as_ref().map(Node::items).unwrap_or_default().iter().filter_map(Node::as_str).map(str::to_owned).collect())
}
