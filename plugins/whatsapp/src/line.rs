//! Our number, and the conversation that somebody has with it.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::{ConversationRef, Source, Timestamp, time as moment};

use crate::config::Config;
use crate::people::{Party, digits};
use crate::place::{Place, To};

/// Our number that a change is about.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// As Meta shows it: with blanks or without.
    pub number: Option<String>,
    /// Meta's id, where it is not the number of the connection's configuration: answers must name it.
    pub other_id: Option<String>,
}

impl Line {
    /// Reads `metadata`.
    #[must_use]
    pub fn read(metadata: Option<Object>, config: &Config) -> Self {
        let Some(mut metadata) = metadata else { return Self::default() };
        let id = metadata.text("phone_number_id").filter(|it| !it.is_empty());
        let other_id = id.filter(|it| !config.phone_number_id.is_empty() && *it != config.phone_number_id);
        Self { number: metadata.text("display_phone_number"), other_id }
    }

    /// True when this is our own number.
    #[must_use]
    pub fn is(&self, number: &str) -> bool {
        self.number.as_deref().is_some_and(|it| !digits(it).is_empty() && digits(it) == digits(number))
    }

    /// The conversation with a person, or that of a group.
    #[must_use]
    pub fn conversation(&self, group: Option<&str>, party: &Party) -> Option<ConversationRef> {
        let to = match group {
            Some(group) => To::Group(group.to_owned()),
            None => party.to()?,
        };
        let key = Place { to, from: self.other_id.clone() }.key();
        Some(ConversationRef { key, title: None })
    }

    /// Which of our numbers a person turned to.
    #[must_use]
    pub fn source(&self) -> Source {
        Source { line: self.number.clone(), ..Source::default() }
    }
}

/// Takes a time in seconds since 1970, a text or a number. Zero means that Meta does not say.
#[inline(never)]
pub fn time(fields: &mut Object, key: &str) -> Option<Timestamp> {
    let seconds = match fields.int(key) {
        Some(seconds) => seconds,
        None => fields.peek_text(key)?.trim().parse().ok()?,
    };
    let time = moment::from_seconds(seconds).filter(|_| seconds > 0)?;
    fields.take(key);
    Some(time)
}
