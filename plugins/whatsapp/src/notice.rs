//! What is worth keeping but is not said by anybody, and what becomes known of people besides.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::{ConversationRef, Identity, Name, Notice, Person};

use crate::line::time;
use crate::map::{Found, Scene};
use crate::people::{Party, digits, is_phone, phone, word};

/// Something that happened to a message or a person.
#[must_use]
pub fn about(what: String, id: &str, person: Person, conversation: Option<ConversationRef>, mut extra: Object) -> EventBody {
    extra.put_text("id", id);
    let person = Some(person).filter(|it| *it != Person::default());
    EventBody::Other(Notice { what, person, conversation, extra: extra.rest() })
}

/// What WhatsApp writes into a chat by itself: somebody has another number, another id, another phone.
#[must_use]
pub fn system(id: &str, mut person: Person, conversation: Option<ConversationRef>, mut fields: Object) -> EventBody {
    fields.take("type");
    let mut system = fields.object("system").unwrap_or_default();
    let what = word(&mut system, "type").unwrap_or_else(|| "system".to_owned());
    let number = word(&mut system, "wa_id").or_else(|| word(&mut system, "new_wa_id")).filter(|it| is_phone(it));
    let user_id = word(&mut system, "user_id");
    if what.ends_with("_changed_number") || what.ends_with("_changed_user_id") {
        // The person is known by the old number, so that the new one becomes theirs, too.
        let now = Party { number, user_id }.person(None);
        for identity in now.identities {
            if !person.identities.contains(&identity) {
                person.identities.push(identity);
            }
        }
        person.extra.insert("system".to_owned(), system.value());
        return EventBody::Person(person);
    }
    fields.put("system", system);
    about(what, id, person, conversation, fields)
}

/// Somebody does not want advertisements, or wants them again.
#[must_use]
pub fn preference(scene: &Scene, mut fields: Object) -> Found {
    let party = Party::take(&mut fields, "wa_id", "user_id");
    let contact = scene.people.of(&party, None);
    let party = party.with(contact);
    let (occurred_at, person) = (time(&mut fields, "timestamp"), party.named(contact));
    let who = party.number.as_deref().or(party.user_id.as_deref()).unwrap_or_default();
    let value = fields.peek_text("value").unwrap_or_default();
    let at = occurred_at.map(|it| it.as_second().to_string()).unwrap_or_default();
    let id = ["preference:", who, ":", value, ":", &at].concat();
    let conversation = scene.line.conversation(None, &party);
    let body = EventBody::Other(Notice { what: "user_preferences".to_owned(), person: Some(person), conversation, extra: fields.rest() });
    Found::new(id, occurred_at, body)
}

/// Somebody without a phone has another id.
#[must_use]
pub fn renamed(mut fields: Object) -> Option<Found> {
    let number = word(&mut fields, "wa_id");
    let mut ids = fields.object("user_id")?;
    let (before, now) = (word(&mut ids, "previous")?, word(&mut ids, "current")?);
    let mut person = Party { number, user_id: Some(before) }.person(None);
    let id = ["user_id:", &now].concat();
    person.identities.push(Identity::handle(now));
    let occurred_at = time(&mut fields, "timestamp");
    person.extra = fields.rest();
    Some(Found::new(id, occurred_at, EventBody::Person(person)))
}

/// An entry of the business app's address book.
#[must_use]
pub fn address_book(mut fields: Object) -> Option<Found> {
    let mut card = fields.object("contact")?;
    let number = word(&mut card, "phone_number").filter(|it| is_phone(it))?;
    let occurred_at = fields.object("metadata").and_then(|mut it| time(&mut it, "timestamp"));
    let mut person = Person { identities: vec![Identity::handle(digits(&number)), phone(&number)], ..Person::default() };
    let at = occurred_at.map(|it| it.as_second().to_string()).unwrap_or_default();
    let action = word(&mut fields, "action").unwrap_or_default();
    let id = ["address_book:", &digits(&number), ":", &action, ":", &at].concat();
    if action == "remove" {
        let notice = Notice { what: "address_book.remove".to_owned(), person: Some(person), conversation: None, extra: card.rest() };
        return Some(Found::new(id, occurred_at, EventBody::Other(notice)));
    }
    person.name = card.text("full_name").map(Name::full).unwrap_or_default();
    person.extra = card.rest();
    Some(Found::new(id, occurred_at, EventBody::Person(person)))
}
