//! Who is on the other side. A person has a phone (`wa_id`), an id that holds within our business (`user_id`, "BSUID"), or both;
//! since user names exist, the phone may be missing:
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids>.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::{Identity, Name, Person};

use crate::place::To;

/// What a change says of people, in `contacts`.
#[derive(Debug, Default)]
pub struct People<'a> {
    contacts: Vec<Contact<'a>>,
    /// True when one contact stands beside one message: they belong together, whatever the ids are.
    is_pair: bool,
}

/// One of `contacts`.
#[derive(Debug, Default)]
pub struct Contact<'a> {
    wa_id: Option<String>,
    user_id: Option<String>,
    name: Option<String>,
    username: Option<String>,
    rest: Object<'a>,
}

/// Somebody as a message, call or status names them.
#[derive(Debug, Clone, Default)]
pub struct Party {
    /// `from`, `to`, `recipient_id`: digits, or what stands there instead of a phone.
    pub number: Option<String>,
    /// `from_user_id`, `to_user_id`, `recipient_user_id`.
    pub user_id: Option<String>,
}

impl<'a> Contact<'a> {
    /// Reads one of `contacts`.
    #[must_use]
    pub fn read(mut fields: Object<'a>) -> Self {
        let mut profile = fields.object("profile").unwrap_or_default();
        Self {
            wa_id: word(&mut fields, "wa_id"),
            user_id: word(&mut fields, "user_id"),
            name: profile.text("name"),
            username: word(&mut profile, "username"),
            rest: fields,
        }
    }

    fn is(&self, party: &Party) -> bool {
        let same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        same(&self.wa_id, &party.number) || same(&self.user_id, &party.user_id) || same(&self.user_id, &party.number)
    }
}

impl<'a> People<'a> {
    /// Reads `contacts`, which stand beside so many messages.
    #[must_use]
    pub fn read(contacts: Vec<Node<'a>>, messages: usize) -> Self {
        let contacts: Vec<Contact> = contacts.into_iter().filter_map(Node::object).map(Contact::read).collect();
        let is_pair = contacts.len() == 1 && messages == 1;
        Self { contacts, is_pair }
    }

    /// What is known of a person. `ourselves` is our own number, which nobody else has.
    #[must_use]
    pub fn of(&self, party: &Party, ourselves: Option<&str>) -> Option<&Contact<'a>> {
        let known = self.contacts.iter().find(|it| it.is(party));
        let paired = || self.contacts.first().filter(|it| self.is_pair && (ourselves.is_none() || it.wa_id.as_deref() != ourselves));
        known.or_else(paired)
    }
}

impl Party {
    /// Takes somebody out of a message: `from` and `from_user_id`.
    #[must_use]
    pub fn take(fields: &mut Object, number: &str, user_id: &str) -> Self {
        Self { number: word(fields, number), user_id: word(fields, user_id) }
    }

    /// Fills in the id that stands elsewhere.
    #[must_use]
    pub fn with_id(mut self, user_id: Option<String>) -> Self {
        self.user_id = self.user_id.or(user_id);
        self
    }

    /// Fills in what the contact knows besides.
    #[must_use]
    pub fn with(mut self, contact: Option<&Contact>) -> Self {
        if let Some(contact) = contact {
            self.number = self.number.or_else(|| contact.wa_id.clone());
            self.user_id = self.user_id.or_else(|| contact.user_id.clone());
        }
        self
    }

    /// Where an answer goes.
    #[must_use]
    pub fn to(&self) -> Option<To> {
        let phone = self.number.as_deref().filter(|it| is_phone(it)).map(|it| To::Phone(digits(it)));
        phone.or_else(|| self.user_id.as_ref().or(self.number.as_ref()).map(|it| To::User(it.clone())))
    }

    /// The person: how they are recognised, without a name.
    #[must_use]
    pub fn person(&self, contact: Option<&Contact>) -> Person {
        let (wa_id, label) = contact.map_or((None, None), |it| (it.wa_id.as_deref(), it.username.as_deref()));
        let wa_id = wa_id.or(self.number.as_deref());
        let user_id = self.user_id.as_deref();
        let mut identities = Vec::new();
        let (first, second) = if wa_id.is_some_and(is_phone) { (wa_id, user_id) } else { (user_id, wa_id) };
        for handle in [first, second.filter(|it| Some(*it) != first)].into_iter().flatten() {
            let handle = if is_phone(handle) { digits(handle) } else { handle.to_owned() };
            identities.push(Identity::handle(handle).labelled(label.map(|it| ["@", it.trim_start_matches('@')].concat())));
        }
        identities.extend(self.number.as_deref().filter(|it| is_phone(it)).map(phone));
        Person { identities, ..Person::default() }
    }

    /// The person with the name and whatever else the contact has.
    #[must_use]
    pub fn named(&self, contact: Option<&Contact>) -> Person {
        let mut person = self.person(contact);
        if let Some(contact) = contact {
            person.name = contact.name.as_deref().map(Name::full).unwrap_or_default();
            person.extra = contact.rest.clone().rest();
        }
        person
    }
}

/// A phone as Meta gives it: an international number, which is written without its plus.
#[must_use]
pub fn phone(number: &str) -> Identity {
    Identity::phone(["+", &digits(number)].concat())
}

/// True for the digits of an international number, with or without a plus.
#[must_use]
pub fn is_phone(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    (1..=20).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit())
}

/// The digits alone.
#[must_use]
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Takes a text that is not empty; a number counts as its digits.
#[inline(never)]
pub fn word(fields: &mut Object, key: &str) -> Option<String> {
    let word = fields.text(key).or_else(|| fields.int(key).map(|it| it.to_string()))?;
    Some(word).filter(|it| !it.is_empty())
}
