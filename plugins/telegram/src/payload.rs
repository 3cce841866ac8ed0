//! Telegram's own shapes, as far as the mapping names their fields: <https://core.telegram.org/bots/api#available-types>.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::{ConversationRef, Extra, Identity, Name, Person, Timestamp};
use serde_json::Value;

use crate::fields::{Fields, wrong};
use crate::place::{Part, Place};

/// One update: what Telegram posts, and what `getUpdates` lists.
#[derive(Debug)]
pub struct Update {
    /// Rising; the same update has the same id, whichever way it comes.
    pub id: i64,
    /// The name of its one field (`message`, `callback_query`) and what stands there. None: nothing that Telegram documents.
    pub what: Option<(String, Value)>,
}

impl Update {
    /// Reads the envelope. What is inside is read by the mapping.
    pub fn read(value: Value) -> Result<Self, Failure> {
        let mut fields = Fields::new("update", value)?;
        let id = fields.need_int("update_id")?;
        let what = fields.rest().into_iter().find(|(_, it)| !it.is_null());
        Ok(Self { id, what })
    }
}

/// An account: a person or a bot.
#[derive(Debug, Clone)]
pub struct User {
    /// Up to 52 bits.
    pub id: i64,
    /// True for bots.
    pub is_bot: bool,
    first_name: Option<String>,
    last_name: Option<String>,
    username: Option<String>,
    language_code: Option<String>,
    rest: Extra,
}

impl User {
    /// Reads an account.
    pub fn read(mut fields: Fields) -> Result<Self, Failure> {
        Ok(Self {
            id: fields.need_int("id")?,
            is_bot: fields.flag("is_bot"),
            first_name: fields.text("first_name")?,
            last_name: fields.text("last_name")?,
            username: fields.text("username")?,
            language_code: fields.text("language_code")?,
            rest: fields.rest(),
        })
    }

    /// The name to show.
    pub fn name(&self) -> Option<String> {
        Name::parts(self.first_name.clone(), self.last_name.clone()).display()
    }

    /// The person behind the account.
    pub fn person(self) -> Person {
        Person {
            identities: vec![handle(self.id, self.username.as_deref())],
            name: Name::parts(self.first_name, self.last_name),
            language: self.language_code,
            extra: self.rest,
            ..Person::default()
        }
    }
}

/// A private chat, group or channel.
#[derive(Debug)]
pub struct Chat {
    /// Negative for groups and channels.
    pub id: i64,
    /// True for a chat with one person.
    pub is_private: bool,
    /// True for the chat in which people write to a channel.
    pub is_direct_messages: bool,
    /// Of groups and channels.
    pub title: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    username: Option<String>,
    rest: Extra,
}

impl Chat {
    /// Reads a chat.
    pub fn read(mut fields: Fields) -> Result<Self, Failure> {
        let id = fields.need_int("id")?;
        Ok(Self {
            id,
            is_private: fields.peek("type").and_then(Value::as_str).map_or(id > 0, |it| it == "private"),
            is_direct_messages: fields.flag("is_direct_messages"),
            title: fields.text("title")?,
            first_name: fields.text("first_name")?,
            last_name: fields.text("last_name")?,
            username: fields.text("username")?,
            rest: fields.rest(),
        })
    }

    /// The one on whose behalf was written: the person of a private chat, else the group or channel itself.
    pub fn person(&self) -> Person {
        let name = match &self.title {
            Some(title) => Name::full(title.as_str()),
            None => Name::parts(self.first_name.clone(), self.last_name.clone()),
        };
        Person { identities: vec![handle(self.id, self.username.as_deref())], name, ..Person::default() }
    }

    /// What else is known of a group or channel.
    pub fn about(self) -> Option<Extra> {
        if self.is_private {
            return None;
        }
        let mut about = self.rest;
        if let Some(username) = self.username {
            about.insert("username".to_owned(), Value::String(username));
        }
        Some(about)
    }
}

/// The envelope of a message: everything but what was said.
#[derive(Debug)]
pub struct Envelope {
    /// Unique within the chat.
    pub id: Option<i64>,
    /// When it was sent.
    pub date: Option<Timestamp>,
    /// When it was last edited.
    pub edit_date: Option<Timestamp>,
    /// Where it stands.
    pub chat: Chat,
    /// Who wrote it. None in channels.
    pub from: Option<User>,
    /// The group or channel on whose behalf it was written.
    pub sender_chat: Option<Chat>,
    /// The conversation that an answer goes to.
    pub place: Place,
    /// The person of a topic in a channel's direct messages.
    pub topic_user: Option<User>,
}

impl Envelope {
    /// Takes the envelope out of a message; the content stays in `fields`.
    pub fn take(fields: &mut Fields) -> Result<Self, Failure> {
        let chat = Chat::read(fields.object("chat")?.ok_or_else(|| wrong("the message has no `chat`"))?)?;
        let mut direct = fields.object("direct_messages_topic")?;
        let part = if let Some(connection) = fields.text("business_connection_id")? {
            Part::Business(connection)
        } else if let Some(topic) = &mut direct {
            Part::Direct(topic.need_int("topic_id")?)
        } else if fields.flag("is_topic_message")
            && let Some(thread) = fields.int("message_thread_id")?
        {
            Part::Topic(thread)
        } else {
            Part::Whole
        };
        let topic_user = direct.map_or(Ok(None), |mut it| it.object("user"))?;
        Ok(Self {
            id: fields.int("message_id")?,
            date: time(fields, "date")?,
            edit_date: time(fields, "edit_date")?,
            from: fields.object("from")?.map(User::read).transpose()?,
            sender_chat: fields.object("sender_chat")?.map(Chat::read).transpose()?,
            topic_user: topic_user.map(User::read).transpose()?,
            place: Place { chat: chat.id, part },
            chat,
        })
    }

    /// True when the bot serves the account that the message was written to or by.
    pub fn is_business(&self) -> bool {
        matches!(self.place.part, Part::Business(_))
    }

    /// The conversation that an answer goes to.
    pub fn conversation(&self) -> ConversationRef {
        ConversationRef { key: self.place.key(), title: self.chat.title.clone() }
    }
}

/// Takes a time in seconds since 1970. Zero means that Telegram does not say.
pub fn time(fields: &mut Fields, key: &str) -> Result<Option<Timestamp>, Failure> {
    let seconds = fields.int(key)?.filter(|it| *it > 0);
    Ok(seconds.and_then(|it| Timestamp::from_second(it).ok()))
}

fn handle(id: i64, username: Option<&str>) -> Identity {
    Identity::handle(id.to_string()).labelled(username.map(|it| format!("@{it}")))
}
