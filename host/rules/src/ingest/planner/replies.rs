//! Replies: what somebody of the company answers in a CRM goes out by the conversation that the answer names, and by no other way. What became of it
//! goes back to the CRM.

use patchbay_schemas::command::MessageSend;
use patchbay_schemas::{Attachment, ConversationRef, Detail, Direction, EventBody, Interaction, MessageStatus, StatusChange};

use super::super::became::Became;
use super::super::plan::{Ask, NewInteraction, NewMessage, NewStatus};
use super::super::returning::{Done, Placed};
use super::{Planner, Scene};
use crate::ids::{ConnectionId, ConversationId, InteractionId};

/// The conversation of ours into which an event answers: a message that goes out and names the hub's own id of a conversation, as
/// `interaction.add` told it. Whether whoever says so may, is another question.
#[must_use]
pub fn reply_to(body: &EventBody) -> Option<ConversationId> {
    let EventBody::Message(it) = body else { return None };
    it.conversation.as_ref().filter(|_| it.direction == Direction::Out)?.key.parse().ok()
}

impl Planner<'_> {
    /// Sends a reply. The error says why it goes nowhere: it stays as a dead letter.
    pub(super) fn take_reply(&mut self, scene: &Scene<'_>, to: ConversationId, it: &Interaction) -> Result<(), String> {
        if !scene.context.sinks.contains(&scene.origin.connection) {
            return Err(format!("/payload/conversation/key: only a sink's people answer in conversations of others: {to}"));
        }
        let workspace = scene.origin.workspace;
        let Some(target) = self.known.addressed.get(&(workspace, to)).cloned() else {
            return Err(format!("/payload/conversation/key: there is no conversation {to} in this workspace"));
        };
        let connection = target.connection;
        if !scene.context.messengers.contains(&connection) {
            return Err(format!("/payload/conversation/key: the connection of {to} cannot send messages"));
        }
        // What was written stays as it was sent: no messenger takes it back for us.
        if matches!(&it.detail, Detail::Message(it) if it.revision.is_some()) {
            return Ok(());
        }
        let messages = messages(&target.thread, it)?;
        let contact = self.known.shown(target.contact);
        let lead = self.known.open_lead(contact);
        let id = self.ids.next();
        self.plan.interactions.push(NewInteraction {
            id,
            workspace,
            event: scene.event,
            contact: target.contact,
            lead,
            placed: lead.is_some().then(|| Placed::plainly(Done::Joined)),
            conversation: Some(to),
            connection,
            kind: "message",
            call: None,
            direction: Direction::Out.as_str(),
            occurred_at: scene.occurred_at,
            received_at: scene.received_at,
        });
        let last = self.plan.touched_conversations.entry(to).or_insert(scene.occurred_at);
        *last = (*last).max(scene.occurred_at);
        let answer = scene.context.reporters.contains(&scene.origin.connection).then_some(id);
        self.say(scene, (connection, to), messages, answer);
        if let Some(lead) = lead {
            self.tell(scene, lead, &Ask::Add(id));
        }
        Ok(())
    }

    fn say(&mut self, scene: &Scene<'_>, to: (ConnectionId, ConversationId), messages: Vec<String>, answer: Option<InteractionId>) {
        let (connection, conversation) = to;
        for payload in messages {
            self.plan.counted.entry(connection).or_default().created += 1;
            let (id, workspace, created_at) = (self.ids.next(), scene.origin.workspace, scene.received_at);
            self.plan.messages.push(NewMessage { id, workspace, connection, conversation, payload, answer, created_at });
        }
    }

    /// The messenger says what became of a message. Whoever answered with it in a sink hears so. That it was taken, the sink heard when it was sent.
    pub(super) fn take_status(&mut self, scene: &Scene<'_>, it: &StatusChange) {
        let Some(answered) = self.known.answered.get(&(scene.origin.connection, it.message_id.clone())) else { return };
        let (sink, conversation, answer) = (answered.sink, answered.conversation, answered.answer);
        if it.status == MessageStatus::Sent || !scene.context.reporters.contains(&sink) {
            return;
        }
        self.plan.counted.entry(sink).or_default().created += 1;
        let became = Became { status: it.status, error: it.error.clone(), at: scene.occurred_at };
        let (id, workspace, created_at) = (self.ids.next(), scene.origin.workspace, scene.received_at);
        self.plan.became.push(NewStatus { id, workspace, sink, conversation, answer, became, created_at });
    }
}

/// The payloads of `message.send`: a message carries one file, so a reply with several is several messages.
fn messages(thread: &ConversationRef, it: &Interaction) -> Result<Vec<String>, String> {
    let text = it.text.as_deref().filter(|it| !it.trim().is_empty());
    let mut files = it.attachments.iter().cloned();
    let first = files.next();
    if text.is_none() && first.is_none() {
        return Err("/payload: a reply has a text or an attachment".to_owned());
    }
    let payload = |text: Option<&str>, attachment: Option<Attachment>| {
        let text = text.map(str::to_owned);
        let send = MessageSend { conversation: thread.clone(), text, attachment, buttons: Vec::new(), reply_to: None };
        serde_json::to_string(&send).map_err(|error| format!("/payload: {error}"))
    };
    std::iter::once(payload(text, first)).chain(files.map(|it| payload(None, Some(it)))).collect()
}
