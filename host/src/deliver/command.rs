//! What a row of the outbox asks, as the connector gets it.

use patchbay_schemas::command::{CommandBody, InteractionAdd, LeadUpsert, NewRecord};

use crate::hub::Hub;
use crate::ids::{ConnectionId, OutboxId, WorkspaceId};
use crate::store::StoreError;
use crate::store::outbox::{Asked, Waiting};

/// Kind and JSON of a command; kind and id of what its receipt will point at.
pub(super) type Made = ((&'static str, String), (&'static str, String));

/// Makes the command of a row from what the database says now. The inner error is why it can never be made.
pub(super) async fn command(
    hub: &Hub,
    connection: ConnectionId,
    lane: &str,
    row: &Waiting,
    retried: bool,
) -> Result<Result<Made, String>, StoreError> {
    let body = match &row.ask {
        Asked::Upsert(id) => {
            let Some(lead) = hub.store.lead(row.workspace, *id).await? else { return Ok(Err(format!("hub.gone: the lead {id} is gone"))) };
            let (remote_id, details) = hub.store.reference(connection, "lead", &id.to_string()).await?.unzip();
            // A connector that says something else than an object is not remembered.
            let known = details.and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default();
            let new_record = new_record(hub, connection, row.workspace);
            (CommandBody::LeadUpsert(Box::new(LeadUpsert { lead, remote_id, known, new_record, retried })), ("lead", id.to_string()))
        }
        Asked::Add(id) => {
            let Some((lead_remote_id, _)) = hub.store.reference(connection, "lead", lane).await? else {
                return Ok(Err(
                    "hub.no_record: the sink has no record of the lead, because creating it failed; redrive that first".to_owned()
                ));
            };
            let Some((channel, received_at, event)) = hub.store.interaction_event(row.workspace, *id).await? else {
                return Ok(Err(format!("hub.gone: the interaction {id} is gone")));
            };
            let add = InteractionAdd { lead_remote_id, interaction_id: id.to_string(), channel, received_at, event, retried };
            (CommandBody::InteractionAdd(Box::new(add)), ("interaction", id.to_string()))
        }
        Asked::Send(payload) => return Ok(Ok((("message.send", payload.clone()), ("message", row.id.to_string())))),
    };
    let payload = body.0.payload().map_err(|error| StoreError::Database(sqlx::Error::Encode(Box::new(error))))?;
    Ok(Ok(((body.0.kind(), payload), body.1)))
}

/// When the sink makes a record: as its connection says, else as the workspace does.
fn new_record(hub: &Hub, connection: ConnectionId, workspace: WorkspaceId) -> NewRecord {
    let current = hub.registry.current();
    let own = current.running.get(&connection).and_then(|it| it.connection.delivery.new_record);
    let settings = current.contexts.get(&workspace).map(|it| it.settings.new_record);
    // A command line has no registry.
    own.or(settings).unwrap_or(hub.workspace.settings.new_record)
}

impl Hub {
    /// What a row of the outbox would send now, as JSON. None: there is no such row, or what it is about is gone.
    pub async fn command_now(&self, workspace: WorkspaceId, id: OutboxId) -> Result<Option<serde_json::Value>, StoreError> {
        let Some((connection, lane, row)) = self.store.row(workspace, id).await? else { return Ok(None) };
        let made = command(self, connection, &lane, &row, row.attempts > 0).await?;
        Ok(made.ok().and_then(|((kind, payload), _)| {
            let payload: serde_json::Value = serde_json::from_str(&payload).ok()?;
            Some(serde_json::json!({ "idempotency_key": id, "kind": kind, "payload": payload }))
        }))
    }
}
