//! The misbehaving connector's next version, under the same id: it reads what the first one trapped on.

use patchbay_sdk::schemas::interaction::Message;
use patchbay_sdk::schemas::{ConversationRef, Detail, Direction, Event, EventBody, Extra, Identity, Interaction, Person, Source};
use patchbay_sdk::{Connector, Failure, Reply, Request};

struct Mended;

impl Connector for Mended {
    fn webhook(request: Request) -> Result<Reply, Failure> {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let interaction = Interaction {
            direction: Direction::In,
            person: Person { identities: vec![Identity::handle("mended")], ..Person::default() },
            conversation: Some(ConversationRef { key: "mended".to_owned(), title: None }),
            text: Some(text.clone()),
            author: None,
            attachments: Vec::new(),
            source: Source::default(),
            detail: Detail::Message(Message::default()),
            extra: Extra::default(),
        };
        let event = Event { id: format!("mended:{text}"), occurred_at: None, body: EventBody::Message(interaction) };
        Ok(Reply::ok(vec![event]))
    }
}

patchbay_sdk::register!(Mended: webhook);
