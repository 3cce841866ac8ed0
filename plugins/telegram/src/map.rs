//! From an update to what it means for the hub.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::interaction::Message;
use patchbay_sdk::schemas::{Detail, Direction, Event, Interaction, Person, Source, Timestamp};
use serde_json::Value;

use crate::config::Config;
use crate::fields::{Fields, wrong};
use crate::payload::{Envelope, Update, User};
use crate::{message, notice};

/// The event that an update is. None: of no interest to the business.
pub fn event(update: Value, config: Config) -> Result<Option<Event>, Failure> {
    let update = Update::read(update)?;
    let Some((what, content)) = update.what else { return Ok(None) };
    let fact = match what.as_str() {
        // Typing into the bot's inline mode happens in other people's chats.
        "inline_query" | "chosen_inline_result" => None,
        "callback_query" => button(Fields::new("callback_query", content)?, config)?,
        "message"
        | "edited_message"
        | "business_message"
        | "edited_business_message"
        | "channel_post"
        | "edited_channel_post"
        | "guest_message" => message::fact(&what, Fields::new("message", content)?, config)?,
        _ => notice::fact(&what, content, config)?,
    };
    Ok(fact.map(|it| Event { id: format!("update:{}", update.id), occurred_at: it.occurred_at, body: it.body }))
}

/// An event without its id.
pub struct Fact {
    /// None: Telegram does not say when.
    pub occurred_at: Option<Timestamp>,
    /// What happened.
    pub body: EventBody,
}

/// Somebody pressed a button under a message. Telegram does not say when.
fn button(mut query: Fields, config: Config) -> Result<Option<Fact>, Failure> {
    let from = query.object("from")?.ok_or_else(|| wrong("`callback_query.from` is missing"))?;
    let choice = query.text("data")?;
    let under = query.object("message")?.map(|mut it| Envelope::take(&mut it)).transpose()?;
    if under.as_ref().is_some_and(|it| config.ignores(&it.chat)) {
        return Ok(None);
    }
    let message = Message {
        id: query.text("id")?,
        reply_to: under.as_ref().and_then(|it| it.id).map(|it| it.to_string()),
        choice: choice.clone(),
        ..Message::default()
    };
    let interaction = Interaction {
        direction: Direction::In,
        person: User::read(from)?.person(),
        conversation: under.map(|it| it.conversation()),
        text: choice,
        author: None,
        attachments: Vec::new(),
        source: Source::default(),
        detail: Detail::Message(message),
        extra: query.rest(),
    };
    Ok(Some(Fact { occurred_at: None, body: EventBody::Message(interaction) }))
}

/// The person, unless the account is a bot's: a bot is nobody who could buy.
pub fn person(user: Option<User>) -> Option<Person> {
    user.filter(|it| !it.is_bot).map(User::person)
}
