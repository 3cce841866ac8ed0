//! Where a message stands and where an answer goes: the key of a conversation.

use patchbay_sdk::Failure;

/// A chat and the part of it that an answer must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Telegram's id of the chat: negative for groups and channels, up to 52 bits.
    pub chat: i64,
    /// The part of the chat.
    pub part: Part,
}

/// The part of a chat that an answer must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The chat has no parts, or this is its general one.
    Whole,
    /// A topic of a forum (`message_thread_id`).
    Topic(i64),
    /// A person's topic in the direct messages of a channel (`direct_messages_topic_id`).
    Direct(i64),
    /// A chat of a business account that the bot serves (`business_connection_id`).
    Business(String),
}

impl Place {
    /// `123`, `-100123/topic/7`, `-100123/direct/7` or `123/business/<connection>`.
    #[must_use]
    pub fn key(&self) -> String {
        let chat = self.chat;
        match &self.part {
            Part::Whole => chat.to_string(),
            Part::Topic(id) => format!("{chat}/topic/{id}"),
            Part::Direct(id) => format!("{chat}/direct/{id}"),
            Part::Business(id) => format!("{chat}/business/{id}"),
        }
    }

    /// Reads what [`Place::key`] wrote.
    pub fn parse(key: &str) -> Result<Self, Failure> {
        let unknown = || Failure::never("telegram.conversation", format!("`{key}` is not the key of a Telegram conversation"));
        let number = |text: &str| text.parse::<i64>().map_err(|_| unknown());
        let (chat, rest) = key.split_once('/').map_or((key, None), |(chat, rest)| (chat, Some(rest)));
        let part = match rest.map(|it| it.split_once('/')) {
            None => Part::Whole,
            Some(Some(("topic", id))) => Part::Topic(number(id)?),
            Some(Some(("direct", id))) => Part::Direct(number(id)?),
            Some(Some(("business", id))) if !id.is_empty() => Part::Business(id.to_owned()),
            Some(_) => return Err(unknown()),
        };
        Ok(Self { chat: number(chat)?, part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_written() {
        for part in [Part::Whole, Part::Topic(7), Part::Direct(9_007_199_254_740_991), Part::Business("a/b=c".to_owned())] {
            let place = Place { chat: -1_001_293_752_024, part };
            assert_eq!(Place::parse(&place.key()), Ok(place));
        }
    }

    #[test]
    fn a_key_of_another_connector_is_refused() {
        for key in ["", "abc", "12/", "12/topic", "12/topic/x", "12/business/", "12/thread/4", "+7 912"] {
            assert!(Place::parse(key).is_err(), "{key}");
        }
    }
}
