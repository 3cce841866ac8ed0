//! The outline of an event: the eight facts that any two connectors can be compared by.

use jiff::Timestamp;
use serde::Serialize;

use crate::{Direction, Event, EventBody, IdentityKind, Person};

/// What an event says, in eight flat facts. `patchbay connector map` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outline {
    /// `message`, `call`, `form`, `email`, `status` or `other`.
    pub kind: &'static str,
    /// The vendor's id of the outside person; of a call, the outside number; of a mail, the outside address in small letters.
    pub external_user_id: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// The person's phone as written.
    pub phone: Option<String>,
    /// The person's e-mail address.
    pub email: Option<String>,
    /// What was said.
    pub text: Option<String>,
    /// Who started it.
    pub direction: Option<Direction>,
    /// The vendor's own time.
    pub occurred_at: Option<Timestamp>,
    /// The event's deduplication key.
    pub id: String,
    /// For a changed record, the vendor's name of its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// For a changed record, the vendor's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

impl Outline {
    /// The outline of one event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let nobody = Person::default();
        let (kind, person) = match &event.body {
            EventBody::Message(it) | EventBody::Comment(it) => ("message", &it.person),
            EventBody::Call(it) => ("call", &it.person),
            EventBody::Form(it) => ("form", &it.person),
            EventBody::Mail(it) => ("email", &it.person),
            EventBody::Rating(it) => ("other", &it.person),
            EventBody::Status(it) => ("status", it.person.as_ref().unwrap_or(&nobody)),
            EventBody::Record(it) => ("other", it.fields.person.as_ref().unwrap_or(&nobody)),
            EventBody::Person(it) => ("other", it),
            // A call between two of us: nobody outside had part in it, so it is kept as a notice.
            EventBody::Other(it) if it.what == "call" => ("call", it.person.as_ref().unwrap_or(&nobody)),
            EventBody::Other(it) => ("other", it.person.as_ref().unwrap_or(&nobody)),
        };
        let interaction = event.body.interaction();
        let phone = value(person, IdentityKind::Phone);
        let email = value(person, IdentityKind::Email);
        let handle = value(person, IdentityKind::Handle);
        let record = match &event.body {
            EventBody::Record(it) => Some(it),
            _ => None,
        };
        Self {
            kind,
            external_user_id: handle.or_else(|| match kind {
                "call" => phone.clone(),
                // Who writes mails has no other id than the address.
                "email" | "status" => email.as_deref().map(str::to_lowercase),
                _ => None,
            }),
            name: person.name.display(),
            phone,
            email,
            text: interaction.and_then(|it| it.text.clone()),
            direction: direction(&event.body),
            occurred_at: event.occurred_at,
            id: event.id.clone(),
            entity: record.map(|it| it.entity.clone()),
            external_id: record.map(|it| it.external_id.clone()),
        }
    }
}

fn direction(body: &EventBody) -> Option<Direction> {
    match body {
        EventBody::Status(it) => Some(it.direction),
        body => body.interaction().map(|it| it.direction),
    }
}

fn value(person: &Person, kind: IdentityKind) -> Option<String> {
    person.identities.iter().find(|it| it.kind == kind).map(|it| it.value.clone())
}
