//! Link tokens: what a deep link or a QR code carries, so that whoever opens it in a messenger is known to be who was on the other side.
//!
//! A token is `pb` and sixteen letters and digits: 95 bits that nobody guesses, short enough for every vendor's payload (Telegram takes 64
//! characters of `A-Za-z0-9_-`), and recognised in the text that opens a chat where the vendor carries nothing else.

use std::collections::BTreeMap;

use patchbay_schemas::{Direction, EventBody, Source, Timestamp};
use serde_json::Value;

use super::identity::IdentityKey;
use crate::ids::{ContactId, LeadId, LinkId};

/// What every token begins with.
const PREFIX: &str = "pb";
/// Letters and digits after it.
const LENGTH: usize = 16;
/// Hours after its making in which a link that is used once speaks for the person by itself. An older one has had time to be passed on.
pub const FRESH_HOURS: i64 = 24;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token of these random bytes; none where they hold too few that are fit. Twice as many bytes as letters are enough in practice.
#[must_use]
pub fn token(random: &[u8]) -> Option<String> {
    // Bytes above the last multiple of 62 would make some letters likelier than others.
    let fit = random.iter().filter(|it| **it < 248).map(|it| char::from(ALPHABET[usize::from(*it) % ALPHABET.len()]));
    let letters: String = fit.take(LENGTH).collect();
    (letters.len() == LENGTH).then(|| format!("{PREFIX}{letters}"))
}

/// The token that an event carries: what a deep link gave, else the first one in the text of a person's message.
#[must_use]
pub fn carried(body: &EventBody) -> Option<&str> {
    let interaction = body.interaction().filter(|it| it.direction == Direction::In)?;
    let start = interaction.source.start.as_deref().filter(|it| is_token(it));
    start.or_else(|| {
        let text = interaction.text.as_deref().filter(|it| it.contains(PREFIX))?;
        text.split(|it: char| !it.is_ascii_alphanumeric()).find(|it| is_token(it))
    })
}

fn is_token(text: &str) -> bool {
    text.len() == PREFIX.len() + LENGTH && text.starts_with(PREFIX) && text.bytes().all(|it| it.is_ascii_alphanumeric())
}

/// Why no address can be made of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The connection does not say it.
    #[error("the connection has no `{0}`, which its links are made of: set it with `patchbay connection update`")]
    Missing(String),
}

/// The address of a link: `{token}`, `{text}` (what the chat opens with, the token last) and `{property}` for values of the connection's configuration,
/// each percent-encoded.
pub fn address(template: &str, config: &Value, token: &str, text: &str) -> Result<String, AddressError> {
    let opening = if text.trim().is_empty() { token.to_owned() } else { format!("{} {token}", text.trim()) };
    let (mut url, mut rest) = (String::with_capacity(template.len() + opening.len()), template);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        url.push_str(before);
        let value = match name {
            "token" => token.to_owned(),
            "text" => opening.clone(),
            property => match &config[property] {
                Value::String(it) if !it.is_empty() => it.trim_start_matches(['@', '+']).to_owned(),
                Value::Number(it) => it.to_string(),
                _ => return Err(AddressError::Missing(property.to_owned())),
            },
        };
        encode(&value, &mut url);
        rest = after;
    }
    url.push_str(rest);
    Ok(url)
}

fn encode(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A link as a batch finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: LinkId,
    /// Whom it was made for.
    pub whom: Whom,
    /// Campaign and page that it stands for.
    pub source: Source,
    /// How often it may be used; none: as often as anybody likes.
    pub uses: Option<i64>,
    /// How often it was.
    pub used: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it ties nothing any more.
    pub expires_at: Option<Timestamp>,
    /// It was taken back.
    pub revoked: bool,
}

/// Whom a link was made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Whom {
    /// Nobody in particular: it stands for a campaign or a page.
    #[default]
    Anybody,
    /// A person, and perhaps one of their leads.
    Person {
        /// The contact that it was made for.
        contact: ContactId,
        /// The lead.
        lead: Option<LeadId>,
    },
    /// A visitor of a site, whom nobody may know yet: the account by which the site's forms name them.
    Visitor(IdentityKey),
}

/// What a redeemed link says of an event's person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    /// The link.
    pub link: LinkId,
    /// The identity that ties the person by itself, unless names say otherwise; none where the link may have been passed on.
    pub identity: Option<IdentityKey>,
    /// The contact that it was made for: where it turns out not to be the same person by itself, somebody is asked.
    pub contact: Option<ContactId>,
    /// The lead that it was made for.
    pub lead: Option<LeadId>,
    /// Campaign and page.
    pub source: Source,
}

impl Known {
    /// True while it ties.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|it| now < it) && self.uses.is_none_or(|it| self.used < it)
    }

    /// Uses it once; none where it ties nothing any more.
    pub fn redeem(&mut self, now: Timestamp) -> Option<Tie> {
        if !self.is_open(now) {
            return None;
        }
        self.used += 1;
        // Whoever may open it twice may have passed it on, and so may whoever had it for long.
        let fresh = now.duration_since(self.created_at).as_hours() < FRESH_HOURS;
        let strong = self.uses == Some(1) && fresh;
        let (identity, contact, lead) = match &self.whom {
            Whom::Anybody => (None, None, None),
            Whom::Person { contact, lead } => (strong.then(|| own_identity(self.id)), Some(*contact), *lead),
            Whom::Visitor(key) => (strong.then(|| key.clone()), None, None),
        };
        Some(Tie { link: self.id, identity, contact, lead, source: self.source.clone() })
    }
}

/// What the contact of a link is known by, and whoever opens it: an account of the hub's own, which no vendor can name.
#[must_use]
pub fn own_identity(link: LinkId) -> IdentityKey {
    IdentityKey { kind: patchbay_schemas::IdentityKind::Handle, value: format!("link:{link}") }
}

/// What is known of where somebody came from, with what the link says where nothing was.
#[must_use]
pub fn with_source(mut said: Source, link: &Source) -> Source {
    let fill = |ours: &mut BTreeMap<String, String>, theirs: &BTreeMap<String, String>| {
        for (key, value) in theirs {
            ours.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    fill(&mut said.utm, &link.utm);
    fill(&mut said.clicks, &link.clicks);
    said.page = said.page.or_else(|| link.page.clone());
    said.referrer = said.referrer.or_else(|| link.referrer.clone());
    said
}

/// Where a lead that is there already came from, once its person has opened a link: the link's campaign as a whole where none is known, page
/// and referrer where they are not.
#[must_use]
pub fn attributed(mut known: Source, link: &Source) -> Source {
    if known.utm.is_empty() && known.clicks.is_empty() {
        known.utm.clone_from(&link.utm);
        known.clicks.clone_from(&link.clicks);
    }
    known.page = known.page.or_else(|| link.page.clone());
    known.referrer = known.referrer.or_else(|| link.referrer.clone());
    known
}

#[cfg(test)]
mod tests {
    use patchbay_schemas::interaction::Message;
    use patchbay_schemas::{Detail, Interaction, Person};
    use serde_json::json;

    use super::*;

    fn message(text: &str, start: Option<&str>, direction: Direction) -> EventBody {
        let mut it = Interaction::new(direction, Person::default(), Detail::Message(Message::default()));
        it.text = Some(text.to_owned());
        it.source.start = start.map(str::to_owned);
        EventBody::Message(it)
    }

    #[test]
    fn tokens_are_short_and_fit_every_vendor() {
        let random: Vec<u8> = (200..=255).chain(0..10).collect();
        let token = token(&random).unwrap();
        assert!(is_token(&token) && token.len() == 18, "{token}");
        assert_eq!(super::token(&[255; 100]), None);
    }

    #[test]
    fn a_token_is_found_where_the_vendor_or_the_person_put_it() {
        let token = "pbAb3dE6gH9jK2mN5p";
        for (text, start) in [
            ("/start pbAb3dE6gH9jK2mN5p", Some(token)),
            ("Здравствуйте! pbAb3dE6gH9jK2mN5p", None),
            ("(pbAb3dE6gH9jK2mN5p).", None),
            ("x", Some(token)),
        ] {
            assert_eq!(carried(&message(text, start, Direction::In)), Some(token), "{text}");
        }
        for text in ["pbAb3dE6gH9jK2mN5", "xpbAb3dE6gH9jK2mN5p", "pbAb3dE6gH9jK2mN5pp", "PBAb3dE6gH9jK2mN5p", "pb", ""] {
            assert_eq!(carried(&message(text, None, Direction::In)), None, "{text}");
        }
        assert_eq!(carried(&message(token, None, Direction::Out)), None, "what we write ourselves ties nobody");
    }

    #[test]
    fn addresses_are_made_of_the_connections_own_values() {
        let config = json!({ "username": "@shop_bot", "number": "+79001112233", "page": 17 });
        for (template, url) in [
            ("https://t.me/{username}?start={token}", "https://t.me/shop_bot?start=pbX"),
            ("https://wa.me/{number}?text={text}", "https://wa.me/79001112233?text=%D0%94%D0%B0%21%20pbX"),
            ("https://m.me/{page}?ref={token}", "https://m.me/17?ref=pbX"),
        ] {
            assert_eq!(address(template, &config, "pbX", " Да! ").unwrap(), url);
        }
        assert_eq!(address("{text}", &config, "pbX", "").unwrap(), "pbX");
        assert_eq!(address("https://vk.me/{group}", &config, "pbX", ""), Err(AddressError::Missing("group".to_owned())));
    }

    #[test]
    fn a_link_ties_once_or_often_until_it_expires_and_speaks_for_the_person_while_it_is_fresh() {
        let at = |hours: i64| Timestamp::from_second(1_700_000_000 + hours * 3_600).unwrap();
        let contact = ContactId::of_number(1);
        let link = Known {
            id: LinkId::of_number(2),
            whom: Whom::Person { contact, lead: None },
            source: Source::default(),
            uses: Some(1),
            used: 0,
            created_at: at(0),
            expires_at: Some(at(100)),
            revoked: false,
        };
        let strong = |mut it: Known, hours| it.redeem(at(hours)).map(|it| (it.identity.is_some(), it.contact));
        assert_eq!(strong(link.clone(), 23), Some((true, Some(contact))));
        assert_eq!(strong(link.clone(), 24), Some((false, Some(contact))), "somebody is asked");
        assert_eq!(strong(Known { uses: None, ..link.clone() }, 1), Some((false, Some(contact))), "anybody may open it");
        assert_eq!(strong(link.clone(), 100), None);
        assert_eq!(strong(Known { revoked: true, ..link.clone() }, 1), None);
        let mut once = link.clone();
        assert!(once.redeem(at(1)).is_some() && once.redeem(at(1)).is_none());
        let visitor = Known { whom: Whom::Visitor(own_identity(link.id)), uses: Some(5), ..link };
        assert_eq!(strong(visitor, 1), Some((false, None)), "others may have got it");
    }

    #[test]
    fn a_links_campaign_fills_what_the_vendor_did_not_say() {
        let source = |utm: &[(&str, &str)], page: Option<&str>| Source {
            utm: utm.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            page: page.map(str::to_owned),
            ..Source::default()
        };
        let merged = with_source(source(&[("source", "vk")], None), &source(&[("source", "qr"), ("campaign", "expo")], Some("https://x")));
        assert_eq!(merged, source(&[("campaign", "expo"), ("source", "vk")], Some("https://x")));
    }

    #[test]
    fn a_campaign_that_is_known_is_not_mixed_with_a_links() {
        let source = |utm: &[(&str, &str)], page: Option<&str>| Source {
            utm: utm.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            page: page.map(str::to_owned),
            ..Source::default()
        };
        let link = source(&[("source", "qr"), ("campaign", "expo")], Some("https://x"));
        assert_eq!(attributed(Source::default(), &link), link);
        assert_eq!(attributed(source(&[("source", "vk")], None), &link), source(&[("source", "vk")], Some("https://x")));
        let clicked = Source { clicks: [("yclid".to_owned(), "1".to_owned())].into(), ..Source::default() };
        assert!(attributed(clicked, &link).utm.is_empty());
    }
}
