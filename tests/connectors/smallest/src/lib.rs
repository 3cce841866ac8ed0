//! The smallest useful connector: `{"id": "…", "from": "+7…", "text": "…"}` becomes a message of the person who has that phone.

use patchbay_sdk::schemas::{Detail, Direction, Event, EventBody, Identity, Interaction, Person, interaction::Message};
use patchbay_sdk::{Connector, Failure, Reply, Request};

struct Smallest;

impl Connector for Smallest {
    fn webhook(request: Request) -> Result<Reply, Failure> {
        let body = request.value()?;
        let field = |name: &str| body[name].as_str().map(str::to_owned).ok_or_else(|| Failure::never("body.field", format!("no `{name}`")));
        let person = Person { identities: vec![Identity::phone(field("from")?)], ..Person::default() };
        let detail = Detail::Message(Message { id: Some(field("id")?), ..Message::default() });
        let message = Interaction { text: Some(field("text")?), ..Interaction::new(Direction::In, person, detail) };
        Ok(Reply::ok(vec![Event { id: field("id")?, occurred_at: None, body: EventBody::Message(message) }]))
    }
}

patchbay_sdk::register!(Smallest: webhook);
