//! What points at a person, in the one form in which two spellings of it are equal.

use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{Assurance, Identity, IdentityKind};
use rlibphonenumber::{PhoneNumber, PhoneNumberFormat, Region};

/// An identity that two connections would write alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey {
    /// Its kind.
    pub kind: IdentityKind,
    /// E.164, address in lower case, or `scope:id`.
    pub value: String,
}

/// Where an identity was heard.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// ISO 3166 country of phones that are written without a country code.
    pub region: &'a str,
    /// The connector's id.
    pub connector: &'a str,
    /// The connection.
    pub connection: &'a str,
    /// How far the vendor's ids of people reach.
    pub handles: HandleScope,
}

/// The identity in its one form; none where it points at nobody (no valid phone, no address).
#[must_use]
pub fn normalise(identity: &Identity, heard: Heard<'_>) -> Option<IdentityKey> {
    let value = match identity.kind {
        IdentityKind::Phone => phone(&identity.value, heard.region, identity.assurance)?,
        IdentityKind::Email => email(&identity.value)?,
        IdentityKind::Handle => handle(&identity.value, heard)?,
    };
    Some(IdentityKey { kind: identity.kind, value })
}

/// A valid phone number in E.164.
///
/// A vendor that vouches for a number often leaves out the plus (WhatsApp, Telegram): digits that are no number of the region are
/// then tried as an international number.
fn phone(text: &str, region: &str, assurance: Assurance) -> Option<String> {
    let valid = |text: &str| {
        let number = PhoneNumber::parse(text, region.parse::<Region>().ok()).ok()?;
        number.is_valid().then(|| number.format_as(PhoneNumberFormat::E164).into_owned())
    };
    let text = text.trim();
    valid(text).or_else(|| {
        let international = assurance == Assurance::Vendor && !text.starts_with('+') && text.chars().all(|it| it.is_ascii_digit());
        if international { valid(&format!("+{text}")) } else { None }
    })
}

/// An address in lower case. The rules of providers (dots, tags) come with identity resolution.
fn email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (local, domain) = text.rsplit_once('@')?;
    let sound = !local.is_empty()
        && local.len() <= 64
        && domain.len() <= 253
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !domain.contains("..")
        && !text.contains(|it: char| it.is_whitespace() || it.is_control() || matches!(it, ',' | ';' | '<' | '>' | '"' | '(' | ')'))
        && !local.contains('@');
    sound.then_some(text)
}

/// A vendor's id of a person, within the scope in which it is unique.
fn handle(text: &str, heard: Heard<'_>) -> Option<String> {
    let text = text.trim();
    let scope = match heard.handles {
        HandleScope::Vendor => heard.connector,
        HandleScope::Connection => heard.connection,
    };
    (!text.is_empty() && text.len() <= 512).then(|| format!("{scope}:{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARD: Heard<'_> = Heard { region: "RU", connector: "telegram", connection: "cxn_1", handles: HandleScope::Vendor };

    fn value(identity: &Identity) -> Option<String> {
        normalise(identity, HEARD).map(|it| it.value)
    }

    #[test]
    fn one_phone_has_one_form() {
        for written in ["8 (912) 345-67-89", "+7 912 345-67-89", "79123456789", "9123456789", " +7(912)345 67 89 "] {
            assert_eq!(value(&Identity::phone(written)).as_deref(), Some("+79123456789"), "{written}");
        }
        assert_eq!(value(&Identity::phone("4915123456789")).as_deref(), Some("+4915123456789"), "an international number without its plus");
        assert_eq!(value(&Identity::phone("4915123456789").stated()), None, "a person who types that may mean anything");
    }

    #[test]
    fn what_is_no_phone_points_at_nobody() {
        for written in ["112", "+7 (xxx) xxx-xx-xx", "", "00000000000", "12345", "anonymous"] {
            assert_eq!(value(&Identity::phone(written)), None, "{written}");
        }
    }

    #[test]
    fn one_address_has_one_form() {
        assert_eq!(value(&Identity::email(" Anna@Example.COM ")).as_deref(), Some("anna@example.com"));
        for written in ["anna", "anna@", "@example.com", "anna@example", "a b@example.com", "a@b@example.com", "a@example..com"] {
            assert_eq!(value(&Identity::email(written)), None, "{written}");
        }
    }

    #[test]
    fn a_handle_belongs_to_its_scope() {
        assert_eq!(value(&Identity::handle("42")).as_deref(), Some("telegram:42"));
        let scoped = Heard { handles: HandleScope::Connection, ..HEARD };
        assert_eq!(normalise(&Identity::handle("42"), scoped).unwrap().value, "cxn_1:42");
        assert_eq!(value(&Identity::handle(" ")), None);
    }
}
