//! Identities, people, conversations.

use patchbay_schemas::{Assurance, Contact, Conversation, ConversationRef, Identity, IdentityKind, Name, Person};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::{extra, id, line, moment, ours, word};

/// An identity.
pub fn identity() -> BoxedStrategy<Identity> {
    let kind = select(vec![IdentityKind::Phone, IdentityKind::Email, IdentityKind::Handle]);
    let assurance = select(vec![Assurance::Vendor, Assurance::Stated]);
    (kind, id(), assurance, of(line())).prop_map(|(kind, value, assurance, label)| Identity { kind, value, assurance, label }).boxed()
}

/// The person of an event.
pub fn person() -> BoxedStrategy<Person> {
    let known = (of(line()), of(line()), of(line()));
    (vec(identity(), 0..4), name(), known, extra())
        .prop_map(|(identities, name, (company, city, language), extra)| Person { identities, name, company, city, language, extra })
        .boxed()
}

fn name() -> impl Strategy<Value = Name> {
    (of(line()), of(line()), of(line()), of(line())).prop_map(|(full, given, middle, family)| Name { full, given, middle, family })
}

/// A contact of the hub.
pub fn contact() -> BoxedStrategy<Contact> {
    let known = (of(line()), of(line()), of(line()), of(line()));
    (ours("con"), known, vec(identity(), 0..4), moment())
        .prop_map(|(id, (name, company, city, language), identities, created_at)| Contact {
            id,
            name,
            company,
            city,
            language,
            identities,
            created_at,
        })
        .boxed()
}

/// A vendor's thread as a connector names it.
pub fn conversation_ref() -> BoxedStrategy<ConversationRef> {
    (id(), of(line())).prop_map(|(key, title)| ConversationRef { key, title }).boxed()
}

/// A conversation of the hub.
pub fn conversation() -> impl Strategy<Value = Conversation> {
    (ours("cnv"), ours("cxn"), word(), conversation_ref(), ours("con"), moment()).prop_map(
        |(id, connection, channel, ConversationRef { key, title }, contact, last_at)| Conversation {
            id,
            connection,
            channel,
            key,
            title,
            contact,
            last_at,
        },
    )
}
