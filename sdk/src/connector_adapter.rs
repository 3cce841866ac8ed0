//! Between the generated bindings and [`Connector`]: not for authors.

use std::marker::PhantomData;

use patchbay_schemas::command::{CommandBody, Nothing};
use patchbay_schemas::{Command, Event, Receipt};
use serde_json::Value;

use crate::bindings::imports::patchbay::connector::types;
use crate::bindings::{check, commands as abilities, polling, stream, webhook};
use crate::connector::{CommandKind, Connector, Failure, Frames, Retry, millis};
use crate::{commands, events, fit, json};

/// Implements the generated traits for a [`Connector`].
pub struct Adapter<C>(PhantomData<C>);

/// What `register!` asks of a type where it exports nothing.
pub fn is_connector<C: Connector>() {}

impl<C: Connector> webhook::exports::patchbay::connector::webhook::Guest for Adapter<C> {
    fn handle(
        req: webhook::exports::patchbay::connector::webhook::Request,
    ) -> Result<webhook::exports::patchbay::connector::webhook::Reply, types::Failure> {
        let request = crate::Request {
            method: req.method,
            path: req.path,
            query: req.query,
            headers: req.headers.into_iter().map(|it| (it.name, it.value)).collect(),
            body: req.body,
        };
        let reply = C::webhook(request)?;
        Ok(webhook::exports::patchbay::connector::webhook::Reply {
            status: reply.status,
            headers: reply.headers.into_iter().map(|(name, value)| types::Header { name, value }).collect(),
            body: reply.body,
            events: events(reply.events),
        })
    }
}

impl<C: Connector> polling::exports::patchbay::connector::polling::Guest for Adapter<C> {
    fn poll(cursor: Option<String>, limit: u32) -> Result<polling::exports::patchbay::connector::polling::Page, types::Failure> {
        let page = C::poll(cursor, limit)?;
        Ok(polling::exports::patchbay::connector::polling::Page {
            events: events(page.events),
            next_cursor: page.next_cursor,
            more: page.more,
        })
    }
}

impl<C: Connector> stream::exports::patchbay::connector::stream::Guest for Adapter<C> {
    fn choose() -> Result<stream::exports::patchbay::connector::stream::Target, types::Failure> {
        let target = C::stream_choose()?;
        Ok(stream::exports::patchbay::connector::stream::Target { endpoint: target.endpoint, path_and_query: target.path_and_query })
    }

    fn opened() -> Result<stream::exports::patchbay::connector::stream::Reply, types::Failure> {
        Ok(frames(C::stream_opened()?))
    }

    fn received(came: Vec<Vec<u8>>) -> Result<stream::exports::patchbay::connector::stream::Reply, types::Failure> {
        Ok(frames(C::stream_received(came)?))
    }
}

fn frames(reply: Frames) -> stream::exports::patchbay::connector::stream::Reply {
    stream::exports::patchbay::connector::stream::Reply { events: events(reply.events), send: reply.send }
}

impl<C: Connector> abilities::exports::patchbay::connector::commands::Guest for Adapter<C> {
    fn execute(
        batch: Vec<abilities::exports::patchbay::connector::commands::Command>,
    ) -> Vec<Result<abilities::exports::patchbay::connector::commands::Receipt, types::Failure>> {
        // A command that this connector cannot read fails alone; the others are carried out.
        let mut readable = Vec::with_capacity(batch.len());
        let unreadable: Vec<Option<Failure>> = batch
            .into_iter()
            .map(|it| {
                command::<C>(it).map_or_else(Some, |it| {
                    readable.push(it);
                    None
                })
            })
            .collect();
        let mut results = C::execute_batch(readable).into_iter();
        unreadable
            .into_iter()
            .map(|failed| {
                let result = failed.map_or_else(
                    || results.next().unwrap_or_else(|| Err(Failure::later("connector.results", "fewer results than commands"))),
                    Err,
                );
                result.map(receipt).map_err(types::Failure::from)
            })
            .collect()
    }
}

impl<C: Connector> check::exports::patchbay::connector::check::Guest for Adapter<C> {
    fn check() -> Result<String, types::Failure> {
        Ok(json::write_value(&C::check()?))
    }
}

#[inline(never)]
fn events(events: Vec<Event>) -> Vec<types::Event> {
    events.into_iter().map(event).collect()
}

fn event(mut event: Event) -> types::Event {
    fit::fit(&mut event.body);
    types::Event {
        payload: events::payload(&event.body),
        id: event.id,
        kind: event.body.kind().to_owned(),
        occurred_at_ms: event.occurred_at.and_then(millis),
    }
}

fn command<C: Connector>(it: abilities::exports::patchbay::connector::commands::Command) -> Result<Command, Failure> {
    let (kind, payload) = (it.kind, it.payload.as_bytes());
    // What a connector does not name is decided by the compiler, so that it brings no code along.
    let body = match kind.as_str() {
        "lead.upsert" if const { takes(C::COMMANDS, CommandKind::LeadUpsert) } => {
            commands::read(payload, commands::lead_upsert).map(|it| CommandBody::LeadUpsert(Box::new(it)))
        }
        "interaction.add" if const { takes(C::COMMANDS, CommandKind::InteractionAdd) } => {
            commands::read(payload, commands::interaction_add).map(|it| CommandBody::InteractionAdd(Box::new(it)))
        }
        "message.send" if const { takes(C::COMMANDS, CommandKind::MessageSend) } => {
            commands::read(payload, commands::message_send).map(|it| CommandBody::MessageSend(Box::new(it)))
        }
        "message.status" if const { takes(C::COMMANDS, CommandKind::MessageStatus) } => {
            commands::read(payload, commands::message_status).map(|it| CommandBody::MessageStatus(Box::new(it)))
        }
        "lead.plan" if const { takes(C::COMMANDS, CommandKind::LeadPlan) } => {
            commands::read(payload, commands::lead_upsert).map(|it| CommandBody::LeadPlan(Box::new(it)))
        }
        "fields.list" if const { takes(C::COMMANDS, CommandKind::FieldsList) } => Ok(CommandBody::FieldsList(Nothing {})),
        "call.start" if const { takes(C::COMMANDS, CommandKind::CallStart) } => {
            commands::read(payload, commands::call_start).map(|it| CommandBody::CallStart(Box::new(it)))
        }
        "webhook.set" if const { takes(C::COMMANDS, CommandKind::WebhookSet) } => {
            commands::read(payload, commands::webhook_set).map(|it| CommandBody::WebhookSet(Box::new(it)))
        }
        "webhook.remove" if const { takes(C::COMMANDS, CommandKind::WebhookRemove) } => {
            commands::read(payload, commands::webhook_remove).map(|it| CommandBody::WebhookRemove(Box::new(it)))
        }
        _ => return Err(Failure::never("command.unsupported", format!("this connector does not understand {kind}"))),
    };
    let body = body.map_err(|error| Failure::never("command.payload", format!("{kind} cannot be read: {error}")))?;
    Ok(Command { idempotency_key: it.idempotency_key, body })
}

const fn takes(kinds: &[CommandKind], wanted: CommandKind) -> bool {
    let mut at = 0;
    while at < kinds.len() {
        if kinds[at] as u8 == wanted as u8 {
            return true;
        }
        at += 1;
    }
    false
}

fn receipt(receipt: Receipt) -> abilities::exports::patchbay::connector::commands::Receipt {
    let details = json::write_value(&Value::Object(receipt.details));
    abilities::exports::patchbay::connector::commands::Receipt { remote_id: receipt.remote_id, details }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let retry = match failure.retry {
            Retry::Never => types::Retry::Never,
            Retry::Later => types::Retry::Later,
            Retry::AfterMs(ms) => types::Retry::AfterMs(ms),
            Retry::Reauthorise => types::Retry::Reauthorise,
        };
        Self { code: failure.code, message: failure.message, retry }
    }
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let retry = match failure.retry {
            types::Retry::Never => Retry::Never,
            types::Retry::Later => Retry::Later,
            types::Retry::AfterMs(ms) => Retry::AfterMs(ms),
            types::Retry::Reauthorise => Retry::Reauthorise,
        };
        Self { code: failure.code, message: failure.message, retry }
    }
}
