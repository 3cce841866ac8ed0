//! Texts that are longer than the schemas allow are cut: a person must not be lost over a long text.
//!
//! What is cut are texts for people. An id cannot be cut, since it would name another thing: an identity that is too long is none and
//! moves to `extra`.

use patchbay_schemas::{ConversationRef, Detail, EventBody, Extra, Identity, Interaction, Person};

/// `line` of schemas/v1/common.json, characters.
const LINE: usize = 1024;
/// `text` of the same.
const TEXT: usize = 65_536;
/// `id` of the same.
const ID: usize = 512;
/// `subject` of schemas/v1/interaction.json.
const SUBJECT: usize = 4096;
/// A value of `labels` of the same.
const LABEL: usize = 2048;

/// Cuts what is too long.
pub fn fit(body: &mut EventBody) {
    match body {
        EventBody::Message(it)
        | EventBody::Call(it)
        | EventBody::Form(it)
        | EventBody::Mail(it)
        | EventBody::Comment(it)
        | EventBody::Rating(it) => interaction(it),
        EventBody::Status(it) => {
            lines([it.error.as_mut()]);
            it.person.iter_mut().for_each(person);
        }
        EventBody::Record(it) => {
            lines([it.fields.title.as_mut(), it.fields.responsible.as_mut().map(|it| &mut it.name)]);
            it.fields.person.iter_mut().for_each(person);
        }
        EventBody::Person(it) => person(it),
        EventBody::Other(it) => {
            conversation(&mut it.conversation, &mut it.extra);
            it.person.iter_mut().for_each(person);
        }
    }
}

fn interaction(it: &mut Interaction) {
    person(&mut it.person);
    it.text.iter_mut().for_each(|it| cut(it, TEXT));
    conversation(&mut it.conversation, &mut it.extra);
    lines([it.author.as_mut().and_then(|it| it.name.as_mut())]);
    it.attachments.iter_mut().for_each(|it| lines([it.name.as_mut()]));
    lines([it.source.line.as_mut(), it.source.start.as_mut()]);
    it.source.utm.values_mut().chain(it.source.clicks.values_mut()).for_each(|it| cut(it, LABEL));
    match &mut it.detail {
        Detail::Message(message) => {
            extra_if_long(&mut message.id, "message_id", &mut it.extra);
            extra_if_long(&mut message.reply_to, "reply_to", &mut it.extra);
            lines([message.forwarded_from.as_mut(), message.choice.as_mut()]);
        }
        Detail::Form(form) => {
            extra_if_long(&mut form.id, "form_id", &mut it.extra);
            lines([form.name.as_mut()]);
        }
        Detail::Mail(mail) => mail.subject.iter_mut().for_each(|it| cut(it, SUBJECT)),
        Detail::Call(_) | Detail::Comment(_) | Detail::Rating(_) => {}
    }
}

fn person(it: &mut Person) {
    let name = &mut it.name;
    lines([name.full.as_mut(), name.given.as_mut(), name.middle.as_mut(), name.family.as_mut(), it.company.as_mut(), it.city.as_mut()]);
    lines(it.identities.iter_mut().map(|it| it.label.as_mut()));
    // The vector stays as it is unless there is one.
    if it.identities.iter().any(is_long) {
        let (long, fitting) = std::mem::take(&mut it.identities).into_iter().partition(is_long);
        it.identities = fitting;
        let long: Vec<Identity> = long;
        for identity in long {
            it.extra.insert(identity.kind.as_str().to_owned(), identity.value.into());
        }
    }
}

fn conversation(it: &mut Option<ConversationRef>, extra: &mut Extra) {
    if let Some(long) = it.take_if(|it| is_longer(&it.key, ID)) {
        extra.insert("conversation".to_owned(), long.key.into());
    }
    lines([it.as_mut().and_then(|it| it.title.as_mut())]);
}

fn is_long(identity: &Identity) -> bool {
    is_longer(&identity.value, ID)
}

fn extra_if_long(id: &mut Option<String>, name: &str, extra: &mut Extra) {
    if let Some(long) = id.take_if(|it| is_longer(it, ID)) {
        extra.insert(name.to_owned(), long.into());
    }
}

fn lines<'a>(texts: impl IntoIterator<Item = Option<&'a mut String>>) {
    texts.into_iter().flatten().for_each(|it| cut(it, LINE));
}

fn is_longer(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().nth(most).is_some()
}

#[inline(never)]
fn cut(text: &mut String, most: usize) {
    // As many bytes as that are never more characters.
    if text.len() > most
        && let Some((at, _)) = text.char_indices().nth(most)
    {
        text.truncate(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_schemas::event::Notice;
    use patchbay_schemas::interaction::Message;
    use patchbay_schemas::{Direction, Name};

    #[test]
    fn texts_are_cut_between_characters_and_short_ones_stay() {
        for (text, most, wanted) in [("щщщ", 2, "щщ"), ("щщ", 2, "щщ"), ("a", 2, "a"), ("", 2, "")] {
            let mut found = text.to_owned();
            cut(&mut found, most);
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn a_long_text_a_long_name_and_an_identity_that_is_none_keep_the_message() {
        let long = "щ".repeat(70_000);
        let identities = vec![Identity::phone("+79123456789"), Identity::email(long.clone())];
        let person = Person { identities, name: Name::full(long.clone()), ..Person::default() };
        let detail = Detail::Message(Message { reply_to: Some(long.clone()), ..Message::default() });
        let message = Interaction { text: Some(long.clone()), ..Interaction::new(Direction::In, person, detail) };
        let mut body = EventBody::Message(message);
        fit(&mut body);
        let it = body.interaction().unwrap();
        let length = |text: &Option<String>| text.as_ref().map(|it| it.chars().count());
        assert_eq!((length(&it.text), length(&it.person.name.full)), (Some(TEXT), Some(LINE)));
        assert_eq!(it.person.identities, [Identity::phone("+79123456789")]);
        assert_eq!(it.person.extra["email"], long.as_str());
        assert_eq!(it.extra["reply_to"], long.as_str());
    }

    #[test]
    fn a_threads_long_title_is_cut_and_its_long_key_moves_aside_in_every_kind_of_event() {
        let thread = |key: &str| Some(ConversationRef { key: key.to_owned(), title: Some("щ".repeat(LINE + 1)) });
        let long = "k".repeat(ID + 1);
        let message = |key| {
            let it = Interaction::new(Direction::In, Person::default(), Detail::Message(Message::default()));
            EventBody::Message(Interaction { conversation: thread(key), ..it })
        };
        let notice =
            |key| EventBody::Other(Notice { what: "pinned".to_owned(), person: None, conversation: thread(key), extra: Extra::new() });
        for (mut sound, mut broken) in [(message("key"), message(&long)), (notice("key"), notice(&long))] {
            fit(&mut sound);
            fit(&mut broken);
            let parts = |it: &EventBody| match it {
                EventBody::Other(it) => (it.conversation.clone(), it.extra.clone()),
                it => it.interaction().map(|it| (it.conversation.clone(), it.extra.clone())).unwrap_or_default(),
            };
            let title = Some("щ".repeat(LINE));
            assert_eq!(parts(&sound), (Some(ConversationRef { key: "key".to_owned(), title }), Extra::new()));
            assert_eq!(parts(&broken), (None, Extra::from_iter([("conversation".to_owned(), long.clone().into())])));
        }
    }
}
