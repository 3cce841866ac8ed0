//! Telegram's own shapes, as far as the mapping names their fields: <https://core.telegram.org/bots/api#available-types>.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::{ConversationRef, Extra, Identity, Name, Person, Timestamp, time as moment};

use crate::place::{Part, Place};

/// One update: what Telegram posts, and what `getUpdates` lists.
#[derive(Debug)]
pub struct Update<'a> {
    /// Rising; the same update has the same id, whichever way it comes.
    pub id: i64,
    /// The name of its one field (`message`, `callback_query`) and what stands there. None: nothing at all.
    pub what: Option<(String, Node<'a>)>,
}

/// Updates that are a message.
const MESSAGES: [&str; 7] =
    ["message", "edited_message", "business_message", "edited_business_message", "channel_post", "edited_channel_post", "guest_message"];

impl<'a> Update<'a> {
    /// Says what is wrong with something that is no update, or with a message that could belong to any chat.
    pub fn check(update: &Node) -> Result<(), Failure> {
        let has = |it: &Node, name: &str| it.get(name).and_then(|it| it.get("id")).and_then(Node::as_i64).is_some();
        let fault = if !matches!(update, Node::Object(_)) {
            "an update is a JSON object"
        } else if update.get("update_id").and_then(Node::as_i64).is_none() {
            "`update_id` is missing or not a whole number"
        } else if !MESSAGES.iter().filter_map(|it| update.get(it)).all(|it| has(it, "chat")) {
            "the message has no `chat.id`, or one that is not a whole number"
        } else if !update.get("callback_query").is_none_or(|it| has(it, "from")) {
            "the callback query has no `from.id`, or one that is not a whole number"
        } else {
            return Ok(());
        };
        Err(Failure::never("telegram.update", fault))
    }

    /// Reads the envelope of an update that was checked. What is inside is read by the mapping.
    #[must_use]
    pub fn read(update: Node<'a>) -> Self {
        let mut fields = update.object().unwrap_or_default();
        let id = fields.int("update_id").unwrap_or_default();
        let what = fields.names().filter(|it| fields.peek(it).is_some()).min().map(str::to_owned);
        Self { id, what: what.and_then(|it| fields.take(&it).map(|content| (it, content))) }
    }

    /// True for updates that are a message.
    #[must_use]
    pub fn is_message(what: &str) -> bool {
        MESSAGES.contains(&what)
    }
}

/// An account: a person or a bot.
#[derive(Debug, Default)]
pub struct User {
    /// Up to 52 bits. None: nothing that could be recognised.
    pub id: Option<i64>,
    /// True for bots.
    pub is_bot: bool,
    name: Name,
    username: Option<String>,
    language_code: Option<String>,
    rest: Extra,
}

impl User {
    /// Reads an account.
    #[inline(never)]
    #[must_use]
    pub fn read(mut fields: Object) -> Self {
        Self {
            id: fields.int("id"),
            is_bot: fields.flag("is_bot"),
            name: Name::parts(fields.text("first_name"), fields.text("last_name")),
            username: fields.text("username"),
            language_code: fields.text("language_code"),
            rest: fields.rest(),
        }
    }

    /// The name to show.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.name.display()
    }

    /// The person behind the account.
    #[inline(never)]
    #[must_use]
    pub fn person(self) -> Person {
        Person {
            identities: handle(self.id, self.username.as_deref()),
            name: self.name,
            language: self.language_code,
            extra: self.rest,
            ..Person::default()
        }
    }
}

/// A private chat, group or channel.
#[derive(Debug)]
pub struct Chat<'a> {
    /// Negative for groups and channels.
    pub id: i64,
    /// True for a chat with one person.
    pub is_private: bool,
    /// True for the chat in which people write to a channel.
    pub is_direct_messages: bool,
    /// Of groups and channels.
    pub title: Option<String>,
    name: Name,
    username: Option<String>,
    rest: Object<'a>,
}

impl<'a> Chat<'a> {
    /// Reads a chat.
    #[inline(never)]
    #[must_use]
    pub fn read(mut fields: Object<'a>) -> Self {
        let id = fields.int("id").unwrap_or_default();
        let title = fields.text("title");
        Self {
            id,
            is_private: fields.peek_text("type").map_or(id > 0, |it| it == "private"),
            is_direct_messages: fields.flag("is_direct_messages"),
            name: match &title {
                Some(title) => Name::full(title.as_str()),
                None => Name::parts(fields.text("first_name"), fields.text("last_name")),
            },
            title,
            username: fields.text("username"),
            rest: fields,
        }
    }

    /// The one on whose behalf was written: the person of a private chat, else the group or channel itself.
    #[inline(never)]
    #[must_use]
    pub fn person(&self) -> Person {
        Person { identities: handle(Some(self.id), self.username.as_deref()), name: self.name.clone(), ..Person::default() }
    }

    /// The conversation of this chat and one part of it.
    #[inline(never)]
    #[must_use]
    pub fn conversation(&self, part: Part) -> ConversationRef {
        ConversationRef { key: Place { chat: self.id, part }.key(), title: self.title.clone() }
    }

    /// Adds what else is known of a group or channel.
    #[inline(never)]
    pub fn tell(mut self, extra: &mut Object<'a>) {
        if !self.is_private {
            if let Some(username) = self.username {
                self.rest.put("username", username);
            }
            extra.put("chat", self.rest);
        }
    }
}

/// The envelope of a message: everything but what was said.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Unique within the chat.
    pub id: Option<i64>,
    /// When it was sent.
    pub date: Option<Timestamp>,
    /// When it was last edited.
    pub edit_date: Option<Timestamp>,
    /// Where it stands.
    pub chat: Chat<'a>,
    /// Who wrote it. None in channels.
    pub from: Option<User>,
    /// The group or channel on whose behalf it was written.
    pub sender_chat: Option<Chat<'a>>,
    /// The part of the chat that an answer must name.
    pub part: Part,
    /// The person of a topic in a channel's direct messages.
    pub topic_user: Option<User>,
}

impl<'a> Envelope<'a> {
    /// Takes the envelope out of a message; the content stays in `fields`.
    #[inline(never)]
    pub fn take(fields: &mut Object<'a>) -> Self {
        let chat = Chat::read(fields.object("chat").unwrap_or_default());
        let mut direct = fields.object("direct_messages_topic");
        let is_topic = fields.flag("is_topic_message");
        let part = if let Some(connection) = fields.text("business_connection_id") {
            Part::Business(connection)
        } else if let Some(id) = direct.as_mut().and_then(|it| it.int("topic_id")) {
            Part::Direct(id)
        } else if is_topic && let Some(id) = fields.int("message_thread_id") {
            Part::Topic(id)
        } else {
            Part::Whole
        };
        Self {
            id: fields.int("message_id"),
            date: time(fields, "date"),
            edit_date: time(fields, "edit_date"),
            from: fields.object("from").map(User::read),
            sender_chat: fields.object("sender_chat").map(Chat::read),
            topic_user: direct.and_then(|mut it| it.object("user")).map(User::read),
            part,
            chat,
        }
    }

    /// True when the bot serves the account that the message was written to or by.
    #[must_use]
    pub fn is_business(&self) -> bool {
        matches!(self.part, Part::Business(_))
    }

    /// The conversation that an answer goes to.
    #[must_use]
    pub fn conversation(&self) -> ConversationRef {
        self.chat.conversation(self.part.clone())
    }
}

/// Takes a time in seconds since 1970. Zero means that Telegram does not say.
#[inline(never)]
pub fn time(fields: &mut Object, key: &str) -> Option<Timestamp> {
    fields.int(key).filter(|it| *it > 0).and_then(moment::from_seconds)
}

fn handle(id: Option<i64>, username: Option<&str>) -> Vec<Identity> {
    let Some(id) = id else { return Vec::new() };
    vec![Identity::handle(id.to_string()).labelled(username.map(|it| ["@", it].concat()))]
}
