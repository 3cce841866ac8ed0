//! From a delivery to what it means for the hub.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::{Event, Timestamp};

use crate::config::Config;
use crate::line::Line;
use crate::people::{Party, People};
use crate::{call, message, notice, status};

/// What a delivery holds.
#[derive(Debug, Default, PartialEq)]
pub struct Delivery<'a> {
    /// In the order of the delivery, each once.
    pub events: Vec<Event>,
    /// Who turned to us, and when: it opens the window in which we may write freely.
    pub heard: Vec<Heard>,
    /// Errors that belong to no message.
    pub faults: Vec<Object<'a>>,
}

/// Somebody turned to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The conversation.
    pub key: String,
    /// When, by Meta's clock.
    pub at: Timestamp,
    /// True when an advertisement brought them: Meta then leaves the window open longer.
    pub by_advertisement: bool,
}

/// One change of a delivery, while it is read.
#[derive(Debug, Default)]
pub struct Scene<'a> {
    /// Our number.
    pub line: Line,
    /// What is known of the people in it.
    pub people: People<'a>,
}

/// Reads what Meta posted.
pub fn delivery<'a>(body: Node<'a>, config: &Config) -> Result<Delivery<'a>, Failure> {
    let wrong = |what: &str| Failure::never("whatsapp.body", what);
    let mut body = body.object().ok_or_else(|| wrong("the body is not a JSON object"))?;
    if body.text("object").is_some_and(|it| it != "whatsapp_business_account") {
        return Err(wrong("`object` is not `whatsapp_business_account`: the app's webhook is about something else"));
    }
    let Some(Node::List(entries)) = body.take("entry") else {
        return Err(wrong("`entry` is not a list"));
    };
    let mut delivery = Delivery::default();
    for entry in entries {
        let mut entry = entry.object().ok_or_else(|| wrong("an entry is not an object"))?;
        for change in entry.list("changes") {
            let value = change.object().and_then(|mut it| it.object("value"));
            delivery.take(value.ok_or_else(|| wrong("a change has no `value`"))?, config);
        }
    }
    Ok(delivery)
}

impl<'a> Delivery<'a> {
    /// What a change holds is told by its fields: news of templates, of the account or of its quality are about nobody.
    fn take(&mut self, mut value: Object<'a>, config: &Config) {
        let messages = value.list("messages");
        let echoes = value.list("message_echoes");
        let calls = value.list("calls");
        let statuses = value.list("statuses");
        let preferences = value.list("user_preferences");
        let renamed = value.list("user_id_update");
        let count = [&messages, &echoes, &calls, &statuses, &preferences, &renamed].into_iter().map(Vec::len).sum();
        let line = Line::read(value.object("metadata"), config);
        let scene = Scene { line, people: People::read(value.list("contacts"), count) };
        let mut errors = value.list("errors");
        let lone = messages.len() == 1;
        for item in objects(messages) {
            // What is wrong with the only message may stand beside it.
            let errors = if lone { std::mem::take(&mut errors) } else { Vec::new() };
            self.add(message::received(&scene, item, errors));
        }
        for item in objects(echoes) {
            self.add(message::echo(&scene, item));
        }
        for item in objects(calls) {
            self.add(call::call(&scene, item));
        }
        for item in objects(statuses) {
            self.add(status::status(&scene, item));
        }
        for item in objects(preferences) {
            self.add(Some(notice::preference(&scene, item)));
        }
        for item in objects(renamed) {
            self.add(notice::renamed(item));
        }
        for item in objects(value.list("state_sync")) {
            self.add(notice::address_book(item));
        }
        for item in objects(value.list("history")) {
            self.history(&scene.line, item, config);
        }
        self.faults.extend(objects(errors));
    }

    /// Chats from before the number joined: <https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/onboarding-business-app-users>.
    fn history(&mut self, line: &Line, mut piece: Object<'a>, config: &Config) {
        self.faults.extend(objects(piece.list("errors")));
        if config.ignores_history {
            return;
        }
        for mut thread in objects(piece.list("threads")) {
            let mut context = thread.object("context").unwrap_or_default();
            let other = Party::take(&mut thread, "id", "user_id").with_id(crate::people::word(&mut context, "user_id"));
            for item in objects(thread.list("messages")) {
                self.add(message::past(line, &other, item));
            }
        }
    }

    fn add(&mut self, found: Option<Found>) {
        let Some(Found { event, by_advertisement }) = found else { return };
        // Meta repeats messages within one delivery, too.
        if self.events.iter().any(|it| it.id == event.id) {
            return;
        }
        self.heard.extend(heard(&event, by_advertisement));
        self.events.push(event);
    }
}

/// An event, and whether an advertisement led to it.
#[derive(Debug)]
pub struct Found {
    /// The event.
    pub event: Event,
    /// True for a message that came from a click on an advertisement.
    pub by_advertisement: bool,
}

impl Found {
    /// Something else than a click on an advertisement.
    #[must_use]
    pub fn new(id: String, occurred_at: Option<Timestamp>, body: EventBody) -> Self {
        Self { event: Event { id, occurred_at, body }, by_advertisement: false }
    }
}

fn heard(event: &Event, by_advertisement: bool) -> Option<Heard> {
    let interaction = event.body.interaction().filter(|it| it.direction == patchbay_sdk::schemas::Direction::In)?;
    let key = interaction.conversation.as_ref()?.key.clone();
    Some(Heard { key, at: event.occurred_at?, by_advertisement })
}

/// The objects of a list; anything else in it is nothing that Meta documents.
pub fn objects(list: Vec<Node<'_>>) -> impl Iterator<Item = Object<'_>> {
    list.into_iter().filter_map(Node::object)
}
