//! Forms: what a visitor filled in becomes an event of the kind `form`.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::interaction::Form;
use patchbay_sdk::schemas::{
    Detail, Direction, Event, EventBody, Identity, Interaction, Name, Person, Timestamp, time,
};
use patchbay_sdk::{Connector, Failure, Reply, Request};

struct Forms;

impl Connector for Forms {
    /// The vendor posted something: the hub has verified it already, as connector.toml says.
    fn webhook(request: Request) -> Result<Reply, Failure> {
        Ok(Reply::ok(vec![submission(request.node()?)?]))
    }
}

patchbay_sdk::register!(Forms: webhook);

/// One submission. What has no place of its own stays under the vendor's names in `fields`.
fn submission(body: Node) -> Result<Event, Failure> {
    let mut fields = body
        .object()
        .ok_or_else(|| Failure::never("form.shape", "the body is no JSON object"))?;
    // The vendor's own id: the same submission, sent twice, is one event.
    let id = taken(&mut fields, "id", 512)
        .ok_or_else(|| Failure::never("form.id", "the submission has no `id`"))?;
    // A visitor states these; the vendor does not vouch for them.
    let phone = taken(&mut fields, "phone", 512).map(|it| Identity::phone(it).stated());
    let email = taken(&mut fields, "email", 512).map(|it| Identity::email(it).stated());
    let person = Person {
        identities: phone.into_iter().chain(email).collect(),
        name: Name::full(taken(&mut fields, "name", 1024).unwrap_or_default()),
        ..Person::default()
    };
    let text = taken(&mut fields, "message", 65_536);
    let occurred_at = moment(&mut fields, "sent_at");
    let form = Form {
        name: taken(&mut fields, "form", 1024),
        fields: fields.rest(),
        ..Form::default()
    };
    let interaction = Interaction {
        text,
        ..Interaction::new(Direction::In, person, Detail::Form(form))
    };
    Ok(Event {
        id,
        occurred_at,
        body: EventBody::Form(interaction),
    })
}

/// Takes a time with its offset; any other text stays where it is.
fn moment(fields: &mut Object, key: &str) -> Option<Timestamp> {
    let at = fields.peek_text(key).and_then(time::parse)?;
    fields.text(key);
    Some(at)
}

/// Takes a text that is not empty and not longer than the schemas allow; any other stays where it is.
fn taken(fields: &mut Object, key: &str, most: usize) -> Option<String> {
    let text = fields.peek_text(key)?;
    let fits = !text.trim().is_empty() && text.chars().count() <= most;
    fits.then(|| fields.text(key)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_sdk::serde_json::json;

    #[test]
    fn a_submission_without_an_id_is_refused() {
        assert_eq!(
            submission(Node::from(&json!({}))).unwrap_err().code,
            "form.id"
        );
        assert_eq!(
            submission(Node::from(&json!([]))).unwrap_err().code,
            "form.shape"
        );
    }

    #[test]
    fn an_empty_field_is_no_identity() {
        let event = submission(Node::from(
            &json!({ "id": "1", "phone": " ", "email": "a@example.com" }),
        ))
        .unwrap();
        let interaction = event.body.interaction().unwrap();
        assert_eq!(
            interaction.person.identities,
            [Identity::email("a@example.com").stated()]
        );
    }
}
