//! What a row of the outbox asks, as the connector gets it.

use patchbay_schemas::command::{AnswerStatus, CommandBody, InteractionAdd, LeadUpsert, NewRecord};
use patchbay_schemas::{Extra, Lead, RecordFields};

use super::note;
use crate::calls;
use crate::hub::Hub;
use crate::ids::{ConnectionId, LeadId, OutboxId, WorkspaceId};
use crate::rules::conflict::{self, Sources, Writing};
use crate::rules::ingest::canonical;
use crate::store::StoreError;
use crate::store::connections::Connection;
use crate::store::leads::InteractionEvent;
use crate::store::outbox::{Asked, Moved, Told, Waiting};

/// A command that is ready.
pub(super) struct Made {
    /// Its kind and JSON.
    pub payload: (&'static str, String),
    /// Kind and id of what its receipt will point at.
    pub local: (&'static str, String),
    /// What the sink's record shows of a lead when it is carried out.
    pub told: Option<Told>,
}

/// Why a row has no command.
pub(super) enum Unmade {
    /// It never will: `code: message`
    Never(String),
    /// The sink has no record of the lead yet.
    NoRecord,
    /// What it would point at is about to be there.
    Soon,
    /// There is nothing to say any more.
    Needless,
}

/// Makes the command of a row from what the database says now.
pub(super) async fn command(
    hub: &Hub,
    connection: ConnectionId,
    lane: &str,
    row: &Waiting,
    retried: bool,
) -> Result<Result<Made, Unmade>, StoreError> {
    let gone = |what: &str, id: &dyn std::fmt::Display| Ok(Err(Unmade::Never(format!("hub.gone: the {what} {id} is gone"))));
    let mut told = None;
    let body = match &row.ask {
        Asked::Upsert(id) => {
            let Some((lead, sources)) = hub.store.lead_and_sources(row.workspace, *id).await? else { return gone("lead", id) };
            let mapping = hub.mapping_of(connection).await?;
            let made = hub.mapped(mapping.as_deref(), row.workspace, *id, &lead).await?;
            for (field, reason) in &made.failed {
                // A field less is better than a lead less; `mapping preview` and `sync plan` show the same reason.
                tracing::warn!(connection.id = %connection, lead.id = %id, field, reason, "a rule of the field mapping failed: the field is left alone");
                metrics::counter!("patchbay_mapping_failures_total", "connection" => connection.to_string()).increment(1);
            }
            let own = hub.registry.running(connection).and_then(|it| it.connection.delivery.new_record);
            let of = Sink { id: connection, workspace: row.workspace, new_record: own };
            let person = Some(canonical(&conflict::person_of(&lead.contact), &hub.region_of(row.workspace)));
            let writing = Writing {
                fields: RecordFields { person, ..conflict::told(&lead) },
                version: conflict::version(&sources),
                retried,
                before: None,
            };
            told = Some(Told { lead: *id, workspace: row.workspace, writing, moved: Moved::default() });
            let upsert = upsert_of(hub, of, *id, (lead, &sources), made.values, retried).await?;
            let upsert = unless_deleted(hub, connection, lane, upsert).await?;
            (CommandBody::LeadUpsert(Box::new(upsert)), ("lead", id.to_string()))
        }
        Asked::Add(_) | Asked::Note(_)
            if hub.store.is_deleted(connection, lane).await? && !hub.store.is_record_needed(connection, lane).await? =>
        {
            return Ok(Err(Unmade::Needless));
        }
        Asked::Add(id) => {
            let Some((lead_remote_id, _)) = hub.store.reference(connection, "lead", lane).await? else { return Ok(Err(Unmade::NoRecord)) };
            let Some(told) = hub.store.interaction_event(row.workspace, *id).await? else { return gone("interaction", id) };
            let InteractionEvent { channel, received_at, event, conversation } = told;
            let (interaction_id, conversation_id) = (id.to_string(), conversation.map(|it| it.to_string()));
            let add = InteractionAdd {
                lead_remote_id,
                interaction_id,
                channel,
                received_at,
                event,
                conversation_id,
                same_person: Vec::new(),
                retried,
            };
            (CommandBody::InteractionAdd(Box::new(add)), ("interaction", id.to_string()))
        }
        Asked::Note(it) => return note::command(hub, connection, lane, row, it, retried).await,
        Asked::Status { answer, became } => {
            // Another version of the connector may not know of it any more.
            let takes = hub.registry.running(connection).is_some_and(|it| it.takes("message.status"));
            let told = if takes { hub.store.interaction_event(row.workspace, *answer).await? } else { None };
            let (Some(became), Some(told)) = (became.clone(), told) else { return Ok(Err(Unmade::Needless)) };
            let (interaction_id, event) = (answer.to_string(), told.event);
            let status = AnswerStatus { interaction_id, event, status: became.status, error: became.error, at: became.at };
            (CommandBody::MessageStatus(Box::new(status)), ("interaction", answer.to_string()))
        }
        Asked::Call(payload) => {
            return Ok(match calls::too_late(payload, hub.store.clock.now()) {
                Some(reason) => Err(Unmade::Never(reason)),
                None => Ok(Made { payload: ("call.start", payload.clone()), local: ("call", row.id.to_string()), told }),
            });
        }
        Asked::Send(payload) => {
            return Ok(Ok(Made { payload: ("message.send", payload.clone()), local: ("message", row.id.to_string()), told }));
        }
    };
    let payload = body.0.payload().map_err(|error| StoreError::Database(sqlx::Error::Encode(Box::new(error))))?;
    Ok(Ok(Made { payload: (body.0.kind(), payload), local: body.1, told }))
}

/// The same upsert; one that only finds where somebody may have deleted the record, and nothing that the person said waits for one.
async fn unless_deleted(hub: &Hub, connection: ConnectionId, lane: &str, upsert: LeadUpsert) -> Result<LeadUpsert, StoreError> {
    let deleted = if upsert.remote_id.is_none() { hub.store.deleted_record(connection, lane).await? } else { None };
    if (upsert.remote_id.is_none() && deleted.is_none()) || hub.store.is_record_needed(connection, lane).await? {
        return Ok(upsert);
    }
    Ok(LeadUpsert { remote_id: upsert.remote_id.or(deleted), find_only: true, ..upsert })
}

/// A connection as far as an upsert must know it.
#[derive(Clone, Copy)]
pub(crate) struct Sink {
    id: ConnectionId,
    workspace: WorkspaceId,
    new_record: Option<NewRecord>,
}

impl From<&Connection> for Sink {
    fn from(it: &Connection) -> Self {
        Self { id: it.id, workspace: it.workspace, new_record: it.delivery.new_record }
    }
}

/// The payload of `lead.upsert` and of `lead.plan`, so that both are about the same: of a lead, and of what was said of it at the same moment.
pub(crate) async fn upsert_of(
    hub: &Hub,
    sink: impl Into<Sink>,
    id: LeadId,
    (lead, sources): (Lead, &Sources),
    fields: Extra,
    retried: bool,
) -> Result<LeadUpsert, StoreError> {
    let sink = sink.into();
    let (remote_id, details) = hub.store.reference(sink.id, "lead", &id.to_string()).await?.unzip();
    // A connector that says something else than an object is not remembered.
    let known = details.and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default();
    // A row that died before may have made the record all the same.
    let retried = retried || (remote_id.is_none() && hub.store.was_tried(sink.id, &id.to_string()).await?);
    let settings = hub.registry.current().contexts.get(&sink.workspace).map(|it| it.settings.new_record);
    // A command line has no registry.
    let own = if remote_id.is_none() && retried && hub.store.gave_up_record(sink.id, id).await? { Some(NewRecord::Always) } else { None };
    let new_record = own.or(sink.new_record).or(settings).unwrap_or(hub.workspace.settings.new_record);
    let overruled = sources.get(&sink.id.to_string()).map(|it| conflict::overruled(&it.says, &conflict::told(&lead))).unwrap_or_default();
    let settled = overruled.into_iter().map(|it| it.as_str().to_owned()).collect();
    Ok(LeadUpsert { lead, remote_id, known, new_record, fields, settled, find_only: false, retried })
}

impl Hub {
    /// The country of phones without a country code.
    pub(super) fn region_of(&self, workspace: WorkspaceId) -> String {
        let region = self.registry.current().contexts.get(&workspace).map(|it| it.region.clone());
        // A command line has no registry.
        region.unwrap_or_else(|| self.workspace.region.clone())
    }

    /// What a row of the outbox would send now, as JSON. None: there is no such row, or what it is about is gone.
    pub async fn command_now(&self, workspace: WorkspaceId, id: OutboxId) -> Result<Option<serde_json::Value>, StoreError> {
        let Some((connection, lane, row)) = self.store.row(workspace, id).await? else { return Ok(None) };
        let made = command(self, connection, &lane, &row, row.attempts > 0).await?;
        Ok(made.ok().and_then(|Made { payload: (kind, payload), .. }| {
            let payload: serde_json::Value = serde_json::from_str(&payload).ok()?;
            Some(serde_json::json!({ "idempotency_key": id, "kind": kind, "payload": payload }))
        }))
    }
}
