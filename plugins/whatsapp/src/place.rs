//! Where a message stands and where an answer goes: the key of a conversation.

use patchbay_sdk::Failure;

/// Somebody, and the number of ours that they talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Who.
    pub to: To,
    /// Meta's id of our number, where it is not the connection's own.
    pub from: Option<String>,
}

/// Who is talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A phone, its digits.
    Phone(String),
    /// A person without a phone, by the id that holds within our business.
    User(String),
    /// A group.
    Group(String),
}

impl Place {
    /// `79123456789`, `US.13491208655302741918`, `group/<id>`, each with `/from/<number id>` where it is not the connection's own.
    #[must_use]
    pub fn key(&self) -> String {
        let (kind, id) = match &self.to {
            To::Phone(id) | To::User(id) => ("", id.as_str()),
            To::Group(id) => ("group/", id.as_str()),
        };
        match &self.from {
            Some(from) => [kind, id, "/from/", from].concat(),
            None => [kind, id].concat(),
        }
    }

    /// Reads what [`Place::key`] wrote.
    pub fn parse(key: &str) -> Result<Self, Failure> {
        let unknown = || Failure::never("whatsapp.conversation", ["`", key, "` is not the key of a WhatsApp conversation"].concat());
        let (who, from) = match key.rsplit_once("/from/") {
            Some((who, from)) if is_id(from) => (who, Some(from.to_owned())),
            Some(_) => return Err(unknown()),
            None => (key, None),
        };
        let to = match who.strip_prefix("group/") {
            Some(id) if is_id(id) => To::Group(id.to_owned()),
            None if is_id(who) && who.bytes().all(|it| it.is_ascii_digit()) => To::Phone(who.to_owned()),
            // `US.1349…`: a country and what Meta made up.
            None if is_id(who) && who.contains('.') => To::User(who.to_owned()),
            _ => return Err(unknown()),
        };
        Ok(Self { to, from })
    }
}

fn is_id(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_' | b'=' | b'@' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_written() {
        let all = [To::Phone("79123456789".to_owned()), To::User("US.1349".to_owned()), To::Group("Y2Fub-_=".to_owned())];
        for to in all {
            for from in [None, Some("123456".to_owned())] {
                let place = Place { to: to.clone(), from };
                assert_eq!(Place::parse(&place.key()), Ok(place));
            }
        }
    }

    #[test]
    fn a_key_of_another_connector_is_refused() {
        for key in ["", "abc", "-100123", "+7912", "group/", "7912/from/", "7912/topic/7", "7912/from/1/from/2"] {
            assert!(Place::parse(key).is_err(), "{key}");
        }
    }
}
