//! Leads, contacts, conversations and interactions as they are shown.

use std::collections::HashMap;

use patchbay_schemas::lead::LeadSource;
use patchbay_schemas::{Contact, Conversation, Event, Lead};
use serde::Serialize;
use serde_json::Value as Json;

use super::ingest::lead_state;
use super::{Record, Store, StoreError, Value};
use crate::clock::timestamp;
use crate::ids::{ContactId, ConversationId, InteractionId, LeadId, WorkspaceId};

/// An interaction as a sink is told of it.
#[derive(Debug)]
pub struct InteractionEvent {
    /// The medium.
    pub channel: String,
    /// When the hub received it.
    pub received_at: patchbay_schemas::Timestamp,
    /// The event itself.
    pub event: Event,
    /// The conversation that it belongs to.
    pub conversation: Option<ConversationId>,
}

/// An interaction as it stands in a timeline.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct InteractionView {
    /// `int_…`
    pub id: InteractionId,
    /// The person (merges followed).
    pub contact: ContactId,
    /// The lead that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<LeadId>,
    /// The conversation that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// The connection's name.
    pub connection: String,
    /// The connector's id.
    pub connector: String,
    /// The vendor's time, else the time of receipt.
    pub at: patchbay_schemas::Timestamp,
    /// When the hub received it.
    pub received_at: patchbay_schemas::Timestamp,
    /// `kind` and `payload` as schemas/ defines them.
    #[schema(value_type = Object)]
    pub event: Json,
}

/// Which interactions are wanted.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// All.
    Everybody,
    /// One person's, merged contacts included.
    Contact(ContactId),
    /// One lead's.
    Lead(LeadId),
    /// One conversation's.
    Conversation(ConversationId),
}

/// Which leads are wanted.
#[derive(Debug, Clone, Default)]
pub struct LeadFilter {
    /// Only in this stage.
    pub stage: Option<String>,
    /// Only of this person, merged contacts included.
    pub contact: Option<ContactId>,
    /// Only from this medium.
    pub channel: Option<String>,
    /// Only those of whose person somebody was to speak with by this time: next contact of open ones, date to come back to refused ones.
    pub due_by: Option<patchbay_schemas::Timestamp>,
}

pub(super) const LEAD: &str = "l.id, l.workspace_id, l.contact_id, l.title, l.stage, l.refused_reason, l.return_at, l.responsible_id, l.responsible_name, \
                    l.next_contact_at, l.qualification, l.temperature, l.tags, l.channel, l.connection_id, l.source, l.created_at, l.updated_at, \
                    coalesce(c.merged_into, c.id)";

impl Store {
    /// A lead with its person.
    pub async fn lead(&self, workspace: WorkspaceId, id: LeadId) -> Result<Option<Lead>, StoreError> {
        let sql = format!("select {LEAD} from leads l join contacts c on c.id = l.contact_id where l.workspace_id = $1 and l.id = $2");
        let rows = self.db.fetch(&sql, vec![workspace.into(), id.into()]).await?;
        Ok(self.with_people(workspace, rows).await?.into_iter().next())
    }

    /// Leads, newest first, older than `before`.
    pub async fn leads(
        &self,
        workspace: WorkspaceId,
        filter: &LeadFilter,
        before: Option<LeadId>,
        limit: i64,
    ) -> Result<Vec<Lead>, StoreError> {
        let mut sql = format!("select {LEAD} from leads l join contacts c on c.id = l.contact_id where l.workspace_id = $1");
        let mut values: Vec<Value> = vec![workspace.into()];
        let mut condition = |text: &str, value: Value| {
            values.push(value);
            sql.push_str(&text.replace('?', &format!("${}", values.len())));
        };
        if let Some(before) = before {
            condition(" and l.id < ?", before.into());
        }
        if let Some(stage) = &filter.stage {
            condition(" and l.stage = ?", stage.as_str().into());
        }
        if let Some(channel) = &filter.channel {
            condition(" and l.channel = ?", channel.as_str().into());
        }
        if let Some(contact) = filter.contact {
            condition(" and (c.id = ? or c.merged_into = ?)", contact.into());
        }
        if let Some(at) = filter.due_by {
            condition(
                " and case when l.stage = 'refused' then l.return_at when l.stage <> 'client' then l.next_contact_at end <= ?",
                at.as_millisecond().into(),
            );
        }
        condition(" order by l.id desc limit ?", limit.into());
        let rows = self.db.fetch(&sql, values).await?;
        self.with_people(workspace, rows).await
    }

    /// Leads, whose rows are [`LEAD`] and perhaps more, with their people.
    pub(super) async fn with_people(&self, workspace: WorkspaceId, rows: Vec<Record>) -> Result<Vec<Lead>, StoreError> {
        let people = rows.iter().map(|it| it.id(18)).collect::<sqlx::Result<Vec<ContactId>>>()?;
        let contacts: HashMap<String, Contact> =
            self.contacts_by_id(workspace, &people).await?.into_iter().map(|it| (it.id.clone(), it)).collect();
        rows.iter()
            .zip(people)
            .map(|(row, person)| {
                let (id, state) = lead_state(row, 0)?;
                let contact = contacts.get(&person.to_string()).cloned().ok_or(StoreError::Gone("the contact"))?;
                Ok(Lead {
                    id: id.to_string(),
                    title: state.title,
                    stage: state.stage,
                    contact,
                    source: LeadSource { channel: row.text(13)?, connection: row.text(14)?, origin: row.json(15)? },
                    responsible: state.responsible,
                    next_contact_at: state.next_contact_at,
                    qualification: state.qualification,
                    temperature: state.temperature,
                    tags: state.tags,
                    created_at: timestamp(row.int(16)?),
                    updated_at: timestamp(row.int(17)?),
                })
            })
            .collect()
    }

    /// A contact; a merged one is shown as the one that it was merged into.
    pub async fn contact(&self, workspace: WorkspaceId, id: ContactId) -> Result<Option<Contact>, StoreError> {
        let sql = "select coalesce(merged_into, id) from contacts where workspace_id = $1 and id = $2";
        let Some(row) = self.db.fetch_optional(sql, vec![workspace.into(), id.into()]).await? else { return Ok(None) };
        Ok(self.contacts_by_id(workspace, &[row.id(0)?]).await?.into_iter().next())
    }

    /// Contacts that were not merged, newest first, older than `before`; where `search` is given, those that have it as an identity.
    pub async fn contacts(
        &self,
        workspace: WorkspaceId,
        search: Option<&str>,
        before: Option<ContactId>,
        limit: i64,
    ) -> Result<Vec<Contact>, StoreError> {
        let mut sql = "select c.id from contacts c where c.workspace_id = $1 and c.merged_into is null".to_owned();
        let mut values: Vec<Value> = vec![workspace.into()];
        if let Some(before) = before {
            values.push(before.into());
            sql.push_str(" and c.id < $2");
        }
        if let Some(search) = search {
            values.push(search.into());
            let at = values.len();
            sql.push_str(&format!(
                " and c.id in (select coalesce(o.merged_into, o.id) from identities i join contacts o on o.id = i.contact_id \
                 where i.workspace_id = $1 and i.kind in ('phone', 'email', 'handle') and i.value = ${at})"
            ));
        }
        values.push(limit.into());
        sql.push_str(&format!(" order by c.id desc limit ${}", values.len()));
        let rows = self.db.fetch(&sql, values).await?;
        let ids = rows.iter().map(|it| it.id(0)).collect::<sqlx::Result<Vec<ContactId>>>()?;
        self.contacts_by_id(workspace, &ids).await
    }

    /// Interactions, newest first, older than `before`.
    pub async fn interactions(
        &self,
        workspace: WorkspaceId,
        of: Of,
        before: Option<InteractionId>,
        limit: i64,
    ) -> Result<Vec<InteractionView>, StoreError> {
        let mut values: Vec<Value> = vec![workspace.into()];
        let mut sql = "select n.id, coalesce(c.merged_into, c.id), n.lead_id, n.conversation_id, x.name, x.connector, n.occurred_at, n.received_at, \
                       e.id, e.kind, e.payload, e.key from interactions n join contacts c on c.id = n.contact_id join events e on e.id = n.event_id \
                       join connections x on x.id = n.connection_id where n.workspace_id = $1"
            .to_owned();
        match of {
            Of::Everybody => {}
            Of::Contact(id) => {
                values.push(id.into());
                sql.push_str(" and n.contact_id in (select id from contacts where id = $2 or merged_into = $2)");
            }
            Of::Lead(id) => {
                values.push(id.into());
                sql.push_str(" and n.lead_id = $2");
            }
            Of::Conversation(id) => {
                values.push(id.into());
                sql.push_str(" and n.conversation_id = $2");
            }
        }
        if let Some(before) = before {
            values.push(before.into());
            sql.push_str(&format!(" and n.id < ${}", values.len()));
        }
        values.push(limit.into());
        sql.push_str(&format!(" order by n.id desc limit ${}", values.len()));
        let rows = self.db.fetch(&sql, values).await?;
        Ok(rows.iter().map(interaction).collect::<sqlx::Result<_>>()?)
    }

    /// One interaction.
    pub async fn interaction(&self, workspace: WorkspaceId, id: InteractionId) -> Result<Option<InteractionView>, StoreError> {
        let sql = "select n.id, coalesce(c.merged_into, c.id), n.lead_id, n.conversation_id, x.name, x.connector, n.occurred_at, n.received_at, \
                   e.id, e.kind, e.payload, e.key from interactions n join contacts c on c.id = n.contact_id join events e on e.id = n.event_id \
                   join connections x on x.id = n.connection_id where n.workspace_id = $1 and n.id = $2";
        let row = self.db.fetch_optional(sql, vec![workspace.into(), id.into()]).await?;
        Ok(row.as_ref().map(interaction).transpose()?)
    }

    /// What a sink needs to add an interaction to its history.
    pub async fn interaction_event(&self, workspace: WorkspaceId, id: InteractionId) -> Result<Option<InteractionEvent>, StoreError> {
        let sql = "select l.channel, x.connector, n.received_at, e.key, e.occurred_at, e.kind, e.payload, n.conversation_id from interactions n \
                   join events e on e.id = n.event_id join connections x on x.id = n.connection_id left join leads l on l.id = n.lead_id \
                   and l.connection_id = n.connection_id where n.workspace_id = $1 and n.id = $2";
        let Some(row) = self.db.fetch_optional(sql, vec![workspace.into(), id.into()]).await? else { return Ok(None) };
        let channel = row.opt_text(0)?.map_or_else(|| row.text(1), Ok)?;
        let payload: Json = row.json(6)?;
        let body = serde_json::from_value(serde_json::json!({ "kind": row.text(5)?, "payload": payload }))
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let event = Event { id: row.text(3)?, occurred_at: row.opt_int(4)?.map(timestamp), body };
        let conversation = row.opt_id(7)?;
        Ok(Some(InteractionEvent { channel, received_at: timestamp(row.int(2)?), event, conversation }))
    }

    /// Conversations, newest first, older than `before`.
    pub async fn conversations(
        &self,
        workspace: WorkspaceId,
        before: Option<ConversationId>,
        limit: i64,
    ) -> Result<Vec<Conversation>, StoreError> {
        let sql = "select v.id, v.connection_id, x.connector, v.key, v.title, coalesce(c.merged_into, c.id), v.last_at from conversations v \
                   join connections x on x.id = v.connection_id join contacts c on c.id = v.contact_id \
                   where v.workspace_id = $1 and v.id < $2 order by v.id desc limit $3";
        // Every id sorts before this.
        let before = before.map_or_else(|| "cnv_~".to_owned(), |it| it.to_string());
        let rows = self.db.fetch(sql, vec![workspace.into(), before.into(), limit.into()]).await?;
        Ok(rows.iter().map(conversation).collect::<sqlx::Result<_>>()?)
    }

    /// One conversation.
    pub async fn conversation(&self, workspace: WorkspaceId, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let sql = "select v.id, v.connection_id, x.connector, v.key, v.title, coalesce(c.merged_into, c.id), v.last_at from conversations v \
                   join connections x on x.id = v.connection_id join contacts c on c.id = v.contact_id where v.workspace_id = $1 and v.id = $2";
        let row = self.db.fetch_optional(sql, vec![workspace.into(), id.into()]).await?;
        Ok(row.as_ref().map(conversation).transpose()?)
    }
}

fn conversation(row: &Record) -> sqlx::Result<Conversation> {
    Ok(Conversation {
        id: row.text(0)?,
        connection: row.text(1)?,
        channel: row.text(2)?,
        key: row.text(3)?,
        title: row.opt_text(4)?,
        contact: row.text(5)?,
        last_at: timestamp(row.int(6)?),
    })
}

fn interaction(row: &Record) -> sqlx::Result<InteractionView> {
    let payload: Json = row.json(10)?;
    Ok(InteractionView {
        id: row.id(0)?,
        contact: row.id(1)?,
        lead: row.opt_id(2)?,
        conversation: row.opt_id(3)?,
        connection: row.text(4)?,
        connector: row.text(5)?,
        at: timestamp(row.int(6)?),
        received_at: timestamp(row.int(7)?),
        event: serde_json::json!({ "id": row.text(8)?, "key": row.text(11)?, "kind": row.text(9)?, "payload": payload }),
    })
}
