//! Answers that people write in a sink, and what the sink hears of them.

use patchbay_schemas::event::StatusChange;
use patchbay_schemas::{Attachment, AttachmentKind, Extra, MessageStatus};

use super::*;
use crate::store::outbox::Waiting;

/// Somebody wrote by the messenger, and people of the sink answer with a text and so many files. The sink shows what becomes of it, or does not.
async fn answered(world: &mut World, shows: bool, files: usize) -> String {
    let context = world.contexts.get_mut(&world.origin.workspace).unwrap();
    context.reporters = if shows { vec![world.sink] } else { Vec::new() };
    world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
    let conversation = world.store.conversations(world.origin.workspace, None, 1).await.unwrap().remove(0).id;
    world.ingest(&[answer(world, &conversation, files)]).await;
    conversation
}

fn answer(world: &World, conversation: &str, files: usize) -> Intake {
    let file = |at: usize| Attachment {
        kind: AttachmentKind::Document,
        reference: None,
        url: Some(format!("https://crm.example/{at}.pdf")),
        name: None,
        mime: None,
        size: None,
        extra: Extra::default(),
    };
    let mut interaction = Interaction::new(Direction::Out, Person::default(), Detail::Message(interaction::Message::default()));
    interaction.conversation = Some(ConversationRef { key: conversation.to_owned(), title: None });
    interaction.text = Some("Добрый день".to_owned());
    interaction.attachments = (0..files).map(file).collect();
    let origin = Origin { connection: world.sink, connector: "odoo".to_owned(), channel: "crm".to_owned(), ..world.origin.clone() };
    Intake { origin, ..world.intake(Reading::Events(vec![event("answer", EventBody::Message(interaction))])) }
}

fn event(key: &str, body: EventBody) -> CheckedEvent {
    CheckedEvent { key: key.to_owned(), kind: body.kind().to_owned(), occurred_at: None, payload: body.payload().unwrap(), body: Ok(body) }
}

/// The messenger says what became of a message.
async fn says(world: &World, message: &str, status: MessageStatus) {
    let (message_id, error) = (message.to_owned(), None);
    let change = StatusChange { message_id, status, error, direction: Direction::Out, person: None, extra: Extra::default() };
    let key = format!("{message} {status:?}");
    world.ingest(&[world.intake(Reading::Events(vec![event(&key, EventBody::Status(change))]))]).await;
}

/// Ends the first row that waits in the conversation's lane of the messenger: it was sent with this id, or is given up.
async fn end(world: &World, conversation: &str, sent: Option<&str>) -> crate::ids::OutboxId {
    let lanes = world.store.claim_lanes(world.origin.connection, "hub", 10, 60_000).await.unwrap();
    let lane = lanes.iter().find(|it| it.lane == conversation).unwrap();
    let row = world.store.waiting(lane).await.unwrap().remove(0);
    let end = match sent {
        Some(remote) => {
            let (local, remote) = (row.id.to_string(), remote.to_owned());
            End::Delivered { reference: Some(Reference { kind: "message", local, remote, details: "{}".to_owned() }), told: None }
        }
        None => End::Dead { reason: "telegram.blocked: the person blocked the bot".to_owned() },
    };
    let tried = Tried { id: row.id, at: 1, took_ms: 1, end };
    assert!(world.store.finish(lane, &[tried], Some(Release::More), 0).await.unwrap());
    row.id
}

/// What waits to be told to the sink of this conversation.
async fn told(world: &World, conversation: &str) -> Vec<(MessageStatus, Option<String>)> {
    let lanes = world.store.claim_lanes(world.sink, "hub", 10, 60_000).await.unwrap();
    let mut told = Vec::new();
    for lane in &lanes {
        let rows: Vec<Waiting> = world.store.waiting(lane).await.unwrap();
        for row in rows.into_iter().filter(|_| lane.lane == conversation) {
            let Asked::Status { became: Some(it), .. } = row.ask else { panic!("{:?}", row.ask) };
            told.push((it.status, it.error));
        }
    }
    world.store.release_own_leases("hub").await.unwrap();
    world.assert_sound().await;
    told
}

#[test]
fn a_sink_hears_what_became_of_an_answer_when_it_ends_and_what_the_messenger_says_later() {
    on_both("answers", |mut world| async move {
        let conversation = answered(&mut world, true, 0).await;
        assert!(told(&world, &conversation).await.is_empty(), "nothing is known yet");
        says(&world, "m-7", MessageStatus::Read).await;
        let dead = end(&world, &conversation, None).await;
        let failed = (MessageStatus::Failed, Some("telegram.blocked: the person blocked the bot".to_owned()));
        assert_eq!(told(&world, &conversation).await, std::slice::from_ref(&failed));
        // Somebody sees to it, and it is sent after all.
        assert!(world.store.redrive_outbox(world.origin.workspace, dead).await.unwrap());
        end(&world, &conversation, Some("m-7")).await;
        says(&world, "m-7", MessageStatus::Sent).await;
        says(&world, "m-7", MessageStatus::Delivered).await;
        says(&world, "m-8", MessageStatus::Delivered).await;
        let (sent, delivered) = ((MessageStatus::Sent, None), (MessageStatus::Delivered, None));
        assert_eq!(told(&world, &conversation).await, [failed, sent, delivered]);
        let sums = world.store.sums(world.origin.workspace).await.unwrap();
        let of = |id: ConnectionId| sums.iter().find(|it| it.connection == id.to_string()).unwrap();
        assert_eq!((of(world.origin.connection).created, of(world.origin.connection).delivered), (1, 1));
        assert_eq!((of(world.sink).created, of(world.sink).pending()), (5, 5), "the lead, its first message, and three statuses");
    });
}

#[test]
fn an_answer_with_files_was_sent_when_all_of_them_were() {
    on_both("answer_files", |mut world| async move {
        let conversation = answered(&mut world, true, 3).await;
        end(&world, &conversation, Some("m-1")).await;
        assert!(told(&world, &conversation).await.is_empty());
        let dead = end(&world, &conversation, None).await;
        end(&world, &conversation, Some("m-3")).await;
        let statuses = || async { told(&world, &conversation).await.into_iter().map(|it| it.0).collect::<Vec<_>>() };
        assert_eq!(statuses().await, [MessageStatus::Failed], "one of them did not go out");
        assert!(world.store.redrive_outbox(world.origin.workspace, dead).await.unwrap());
        end(&world, &conversation, Some("m-2")).await;
        assert_eq!(statuses().await, [MessageStatus::Failed, MessageStatus::Sent]);
    });
}

#[test]
fn a_sink_that_shows_nothing_or_is_gone_or_answered_before_hears_nothing() {
    on_both("answers_untold", |mut world| async move {
        let conversation = answered(&mut world, false, 0).await;
        // From now on it does; what was answered before has nobody to be told to.
        world.contexts.get_mut(&world.origin.workspace).unwrap().reporters = vec![world.sink];
        end(&world, &conversation, Some("m-1")).await;
        says(&world, "m-1", MessageStatus::Read).await;
        assert!(told(&world, &conversation).await.is_empty());
        let mut second = answer(&world, &conversation, 0);
        if let Reading::Events(events) = &mut second.reading {
            events[0].key = "second".to_owned();
        }
        world.ingest(&[second]).await;
        assert!(world.store.set_connection_state(world.origin.workspace, world.sink, &ConnectionState::Removed).await.unwrap());
        end(&world, &conversation, Some("m-2")).await;
        assert!(told(&world, &conversation).await.is_empty());
    });
}

#[test]
fn what_a_sink_was_to_hear_of_an_erased_person_is_superseded() {
    on_both("answers_erased", |mut world| async move {
        let conversation = answered(&mut world, true, 0).await;
        end(&world, &conversation, None).await;
        let contact = world.store.contacts(world.origin.workspace, None, None, 1).await.unwrap()[0].id.parse().unwrap();
        world.store.erase_contact(world.origin.workspace, contact, "somebody").await.unwrap().unwrap();
        assert!(told(&world, &conversation).await.is_empty());
        let rows = world.store.outbox(world.origin.workspace, &Filter { limit: 10, ..Filter::default() }).await.unwrap();
        assert!(
            rows.iter().any(|it| it.kind == "message.status") && rows.iter().all(|it| it.state == "superseded" || it.state == "delivered"),
            "{rows:?}"
        );
        let status = rows.iter().find(|it| it.kind == "message.status").unwrap();
        let (_, _, row) = world.store.row(world.origin.workspace, status.id).await.unwrap().unwrap();
        assert!(matches!(row.ask, Asked::Status { became: None, .. }), "it can still be looked at: {row:?}");
    });
}
