//! What points at a person, in the one form in which two spellings of it are equal. The rules stand in `host/identity`; here the schema's
//! identities and the connection's scope of handles meet them.

use patchbay_identity::normalise::email::{Reach, email};
use patchbay_identity::normalise::handle::{Handle, handle};
use patchbay_identity::normalise::phone::{Line, phone};
use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{Assurance, Identity, IdentityKind};

/// An identity that two connections would write alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey {
    /// Its kind.
    pub kind: IdentityKind,
    /// E.164, address in lower case, or `scope:id`.
    pub value: String,
}

/// An identity in its one form, and what is known of it by its form alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normal {
    /// The one form: equal for two spellings of one identity.
    pub key: IdentityKey,
    /// What was said, where it is another valid spelling: the one to show, to dial and to write to.
    pub shown: Option<String>,
    /// It may be several people's, or pass to somebody else: a role's address, an address of a minute, a landline, a messenger's name.
    pub weak: bool,
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
    /// The company's own phones and mail addresses, as [`own`] reads them: they point at nobody.
    pub own: &'a [String],
}

/// A phone or a mail address of the company itself, in its one form; none of what is neither. Service numbers are phones here.
#[must_use]
pub fn own(written: &str, region: &str) -> Option<String> {
    if written.contains('@') { email(written).map(|it| it.value) } else { phone(written, region, true).map(|it| it.value) }
}

/// The identity in its one form; none where it points at nobody (no valid phone, a service number, no address, one of the company's own).
#[must_use]
pub fn normalise(identity: &Identity, heard: Heard<'_>) -> Option<Normal> {
    read(identity, heard).filter(|it| !heard.own.contains(&it.key.value))
}

fn read(identity: &Identity, heard: Heard<'_>) -> Option<Normal> {
    match identity.kind {
        IdentityKind::Phone => of_phone(&identity.value, heard.region, identity.assurance == Assurance::Vendor),
        IdentityKind::Email => {
            let read = email(&identity.value)?;
            Some(Normal { key: key(IdentityKind::Email, read.value), shown: read.written, weak: read.reach != Reach::Person })
        }
        IdentityKind::Handle => {
            let scope = match heard.handles {
                HandleScope::Vendor => heard.connector,
                HandleScope::Connection => heard.connection,
            };
            match handle(scope, &identity.value)? {
                Handle::Account(id) => Some(Normal { key: key(IdentityKind::Handle, id), shown: None, weak: false }),
                Handle::Username(id) => Some(Normal { key: key(IdentityKind::Handle, id), shown: None, weak: true }),
                Handle::Phone(number) => of_phone(&number, heard.region, true),
            }
        }
    }
}

fn of_phone(text: &str, region: &str, vouched: bool) -> Option<Normal> {
    let read = phone(text, region, vouched).filter(|it| it.line != Line::Service)?;
    let weak = read.line == Line::Landline || read.extension.is_some();
    Some(Normal { key: key(IdentityKind::Phone, read.value), shown: read.written, weak })
}

fn key(kind: IdentityKind, value: String) -> IdentityKey {
    IdentityKey { kind, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARD: Heard<'_> = Heard { region: "RU", connector: "telegram", connection: "cxn_1", handles: HandleScope::Vendor, own: &[] };

    fn value(identity: &Identity) -> Option<String> {
        normalise(identity, HEARD).map(|it| it.key.value)
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
        for written in ["112", "+7 (xxx) xxx-xx-xx", "", "00000000000", "12345", "anonymous", "8 800 555-35-35"] {
            assert_eq!(value(&Identity::phone(written)), None, "{written}");
        }
    }

    #[test]
    fn what_is_the_companys_own_points_at_nobody() {
        let written = ["8 (495) 123-45-67", "8 800 555-35-35", "Sales+site@GMail.com"];
        let ours: Vec<String> = written.iter().filter_map(|it| own(it, "RU")).collect();
        assert_eq!(ours, ["+74951234567", "+78005553535", "sales@gmail.com"]);
        let heard = Heard { own: &ours, ..HEARD };
        for identity in [Identity::phone("+7 495 123 45 67"), Identity::phone("84951234567").stated(), Identity::email("sales@gmail.com")] {
            assert!(normalise(&identity, HEARD).is_some() && normalise(&identity, heard).is_none(), "{identity:?}");
        }
        assert!(normalise(&Identity::phone("+79123456789"), heard).is_some());
        for neither in ["sales", "12345", "@anna", ""] {
            assert_eq!(own(neither, "RU"), None, "{neither}");
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
        assert_eq!(normalise(&Identity::handle("42"), scoped).unwrap().key.value, "cxn_1:42");
        assert_eq!(value(&Identity::handle(" ")), None);
        let phone = normalise(&Identity::handle("79123456789:3@s.whatsapp.net"), HEARD).unwrap();
        assert_eq!((phone.key.kind, phone.key.value.as_str()), (IdentityKind::Phone, "+79123456789"), "a phone in disguise");
    }

    #[test]
    fn what_the_provider_ignores_is_one_address_and_what_was_said_is_shown() {
        let said = normalise(&Identity::email("An.Na+shop@googlemail.com"), HEARD).unwrap();
        assert_eq!((said.key.value.as_str(), said.shown.as_deref()), ("anna@gmail.com", Some("an.na+shop@googlemail.com")));
        assert_eq!(normalise(&Identity::email("Anna@Example.com"), HEARD).unwrap().shown, None);
    }

    #[test]
    fn what_may_be_several_peoples_is_weak() {
        let weak = |identity: Identity| normalise(&identity, HEARD).unwrap().weak;
        assert!(weak(Identity::email("info@example.com")) && weak(Identity::email("x@mailinator.com")));
        assert!(weak(Identity::phone("+7 495 123-45-67")) && weak(Identity::handle("@anna")));
        assert!(!weak(Identity::phone("+79123456789")) && !weak(Identity::email("anna@example.com")) && !weak(Identity::handle("42")));
    }
}
