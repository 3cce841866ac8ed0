//! What somebody answers in a sink goes where it says, or nowhere.

use patchbay_schemas::interaction::Revision;
use patchbay_schemas::{Attachment, AttachmentKind, Extra, MessageStatus, StatusChange};

use super::*;
use crate::ids::ConversationId;

/// A planner that knows a person with an open lead and their conversation; the sink's side of the world.
fn talking(world: &World) -> (Planner<'_>, ConversationId, Origin) {
    let mut planner = world.planner();
    take(&mut planner, &world.intake(vec![said("1", Direction::In, vec![Identity::handle("42")], Some("42"))]));
    let conversation = planner.plan.conversations[0].id;
    let thread = ConversationRef { key: "42".to_owned(), title: None };
    let addressed = Addressed { connection: world.origin.connection, thread, contact: planner.plan.contacts[0].id };
    planner.known.addressed.insert((world.origin.workspace, conversation), addressed);
    planner.plan = Plan::default();
    let origin = Origin { connection: world.sink, connector: "bitrix24".to_owned(), channel: "crm".to_owned(), ..world.origin.clone() };
    (planner, conversation, origin)
}

fn answers(world: &World, origin: &Origin, event: CheckedEvent) -> Intake {
    Intake { origin: origin.clone(), ..world.intake(vec![event]) }
}

#[test]
fn an_answer_goes_into_the_conversation_that_it_names_once() {
    let world = World::new();
    let (mut planner, conversation, origin) = talking(&world);
    let event = said("r-1", Direction::Out, Vec::new(), Some(&conversation.to_string()));
    for outcome in [Outcome::Accepted, Outcome::Duplicate] {
        assert_eq!(take(&mut planner, &answers(&world, &origin, event.clone())).outcome, outcome);
    }
    let plan = &planner.plan;
    let [message] = &plan.messages[..] else { panic!("{:?}", plan.messages) };
    assert_eq!((message.connection, message.conversation), (world.origin.connection, conversation));
    let payload: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
    assert_eq!(payload, serde_json::json!({ "conversation": { "key": "42" }, "text": "Здравствуйте" }));
    let [interaction] = &plan.interactions[..] else { panic!("{:?}", plan.interactions) };
    assert_eq!((interaction.conversation, interaction.direction, interaction.lead.is_some()), (Some(conversation), "out", true));
    assert_eq!((plan.contacts.len(), plan.conversations.len()), (0, 0), "nobody new comes of it");
    assert_eq!((plan.outbox.len(), plan.counted[&world.origin.connection].created), (0, 1), "who said it need not be told");
}

#[test]
fn each_file_of_an_answer_is_a_message_and_a_correction_is_none() {
    let world = World::new();
    let (mut planner, conversation, origin) = talking(&world);
    let with = |key: &str, change: fn(&mut Interaction)| {
        let mut event = said(key, Direction::Out, Vec::new(), Some(&conversation.to_string()));
        if let Ok(EventBody::Message(it)) = &mut event.body {
            change(it);
        }
        event
    };
    let files = with("r-1", |it| {
        let file = |name: &str| Attachment {
            kind: AttachmentKind::Document,
            reference: None,
            url: Some(format!("https://crm.example/{name}")),
            name: Some(name.to_owned()),
            mime: None,
            size: None,
            extra: Extra::default(),
        };
        it.attachments = vec![file("a.pdf"), file("b.pdf")];
    });
    let edited =
        with("r-2", |it| it.detail = Detail::Message(interaction::Message { revision: Some(Revision::Edited), ..Default::default() }));
    let empty = with("r-3", |it| it.text = Some(" ".to_owned()));
    assert_eq!(take(&mut planner, &answers(&world, &origin, files)).outcome, Outcome::Accepted);
    assert_eq!(take(&mut planner, &answers(&world, &origin, edited)).outcome, Outcome::Accepted);
    assert_eq!(take(&mut planner, &answers(&world, &origin, empty)).outcome, Outcome::Dead);
    let texts: Vec<bool> = planner.plan.messages.iter().map(|it| it.payload.contains("Здравствуйте")).collect();
    assert_eq!(texts, [true, false], "the text goes with the first file");
    assert_eq!(planner.plan.interactions.len(), 1);
}

#[test]
fn an_answer_that_may_not_go_there_is_a_dead_letter_and_reaches_nobody() {
    type Change = fn(&World, &mut Planner<'_>, &mut Origin);

    let world = World::new();
    let stranger: ConversationId = world.ids.next();
    let cases: [(&str, Change); 4] = [
        ("another workspace", |world, planner, _| {
            let there = std::mem::take(&mut planner.known.addressed);
            planner.known.addressed = there.into_iter().map(|((_, id), it)| ((world.ids.next(), id), it)).collect();
        }),
        ("no sink", |world, _, origin| origin.connection = world.origin.connection),
        ("a connection that cannot send", |world, planner, _| {
            for it in planner.known.addressed.values_mut() {
                it.connection = world.sink;
            }
        }),
        ("nothing known", |_, planner, _| planner.known.addressed.clear()),
    ];
    for (why, change) in cases {
        let (mut planner, conversation, mut origin) = talking(&world);
        change(&world, &mut planner, &mut origin);
        for to in [conversation, stranger] {
            let event = said(&to.to_string(), Direction::Out, vec![Identity::handle("7")], Some(&to.to_string()));
            assert_eq!(take(&mut planner, &answers(&world, &origin, event)).outcome, Outcome::Dead, "{why}");
        }
        let plan = &planner.plan;
        assert!(
            plan.messages.is_empty() && plan.interactions.is_empty() && plan.contacts.is_empty() && plan.conversations.is_empty(),
            "{why}"
        );
        assert!(plan.events.iter().all(|it| it.dead.is_some()), "{why}");
    }
}

#[test]
fn what_becomes_of_an_answer_is_told_to_a_sink_that_shows_it_and_to_no_other() {
    for shows in [true, false] {
        let mut world = World::new();
        let sink = world.sink;
        if shows {
            world.contexts.values_mut().for_each(|it| it.reporters.push(sink));
        }
        let (mut planner, conversation, origin) = talking(&world);
        take(&mut planner, &answers(&world, &origin, said("r-1", Direction::Out, Vec::new(), Some(&conversation.to_string()))));
        let answer = planner.plan.interactions[0].id;
        assert_eq!(planner.plan.messages[0].answer, shows.then_some(answer));
        planner.known.answered.insert((world.origin.connection, "m-7".to_owned()), Answered { sink, conversation, answer });
        let status = |key: &str, message: &str, status| {
            let (message_id, error) = (message.to_owned(), Some("131047: too late".to_owned()));
            checked(
                key,
                EventBody::Status(StatusChange {
                    message_id,
                    status,
                    error,
                    direction: Direction::Out,
                    person: None,
                    extra: Extra::default(),
                }),
            )
        };
        let events = vec![
            status("s-1", "m-7", MessageStatus::Sent),
            status("s-2", "m-8", MessageStatus::Failed),
            status("s-3", "m-7", MessageStatus::Read),
            status("s-4", "m-7", MessageStatus::Failed),
        ];
        take(&mut planner, &world.intake(events));
        let told: Vec<_> = planner.plan.became.iter().map(|it| (it.sink, it.conversation, it.answer, it.became.status)).collect();
        let wanted = [MessageStatus::Read, MessageStatus::Failed].map(|it| (sink, conversation, answer, it));
        assert_eq!(told, if shows { wanted.to_vec() } else { Vec::new() }, "that it was taken was told when it was sent");
        assert_eq!(planner.plan.counted.get(&sink).map_or(0, |it| it.created), if shows { 2 } else { 0 });
    }
}
