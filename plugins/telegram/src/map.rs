//! From an update to what it means for the hub.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::interaction::Message;
use patchbay_sdk::schemas::{Detail, Direction, Event, Interaction, Person, Source, Timestamp};

use crate::config::Config;
use crate::payload::{Envelope, Update, User};
use crate::{message, notice};

/// The event that an update is. None: of no interest to the business.
pub fn event(update: Node, config: Config) -> Result<Option<Event>, Failure> {
    Update::check(&update)?;
    Ok(checked(update, config))
}

/// The event that an update is which passed [`Update::check`].
#[must_use]
pub fn checked(update: Node, config: Config) -> Option<Event> {
    let update = Update::read(update);
    let (what, content) = update.what?;
    let fact = match what.as_str() {
        // Typing into the bot's inline mode happens in other people's chats.
        "inline_query" | "chosen_inline_result" => None,
        "callback_query" => button(content.object()?, config),
        _ if Update::is_message(&what) => message::fact(&what, content.object()?, config),
        _ => notice::fact(what, content, config),
    }?;
    Some(Event { id: update_key(update.id), occurred_at: fact.occurred_at, body: fact.body })
}

/// The id of the event that an update is.
#[must_use]
pub fn update_key(id: i64) -> String {
    ["update:", &id.to_string()].concat()
}

/// An event without its id.
pub struct Fact {
    /// None: Telegram does not say when.
    pub occurred_at: Option<Timestamp>,
    /// What happened.
    pub body: EventBody,
}

/// Somebody pressed a button under a message. Telegram does not say when.
fn button(mut query: Object, config: Config) -> Option<Fact> {
    let person = query.object("from").map(User::read).map(User::person).unwrap_or_default();
    let choice = query.text("data");
    let under = query.object("message").map(|mut it| Envelope::take(&mut it));
    if under.as_ref().is_some_and(|it| config.ignores(&it.chat)) {
        return None;
    }
    let message = Message {
        id: query.text("id"),
        reply_to: under.as_ref().and_then(|it| it.id).map(|it| it.to_string()),
        choice: choice.clone(),
        ..Message::default()
    };
    let interaction = Interaction {
        direction: Direction::In,
        person,
        conversation: under.map(|it| it.conversation()),
        text: choice,
        author: None,
        attachments: Vec::new(),
        source: Source::default(),
        detail: Detail::Message(message),
        extra: query.rest(),
    };
    Some(Fact { occurred_at: None, body: EventBody::Message(interaction) })
}

/// The person, unless the account is a bot's: a bot is nobody who could buy.
#[must_use]
pub fn person(user: User) -> Option<Person> {
    (!user.is_bot).then(|| user.person())
}
