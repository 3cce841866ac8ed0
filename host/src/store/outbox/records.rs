//! Records that leads have in a sink, where these are not one to one: the sink merged some, two people shared one, or people deleted one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Told;
use crate::clock::timestamp;
use crate::ids::{ConnectionId, ContactId, LeadId, WorkspaceId};
use crate::rules::ingest::{AskedBy, NewQuestion};
use crate::store::db::Type::{Int, Text};
use crate::store::people::{ask, places};
use crate::store::{self, Record, Store, StoreError, Tx};

impl Store {
    /// Leads whose records the sink merged have the one that is left from now on. What was written into each of them stays known.
    pub async fn records_merged(&self, connection: ConnectionId, into: &str, records: &[String]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let list = places(3, records.len());
        let sql = format!(
            "select local_id, remote_id, details, created_at from external_refs where connection_id = $1 and kind = 'lead' \
             and (remote_id = $2 or remote_id in ({list})) order by created_at, local_id"
        );
        let mut values: Vec<store::Value> = vec![connection.into(), into.into()];
        values.extend(records.iter().map(|it| store::Value::from(it.as_str())));
        let rows = tx.fetch(&sql, values).await?;
        let details = |row: &Record| -> sqlx::Result<Value> { Ok(serde_json::from_str(&row.text(2)?).unwrap_or_default()) };
        let is_left = |row: &Record| row.text(1).is_ok_and(|it| it == into);
        let address =
            rows.iter().find(|it| is_left(it)).map(details).transpose()?.and_then(|it| it.get("url").cloned()).unwrap_or_default();
        // After whoever had that record before: they keep it where people are parted again.
        let mut since = self.clock.now_ms();
        for row in rows.iter().filter(|it| is_left(it)) {
            since = since.max(row.int(3)? + 1);
        }
        for row in rows.iter().filter(|it| !is_left(it)) {
            let mut details = details(row)?;
            if let Some(url) = details.get_mut("url") {
                *url = address.clone();
            }
            let sql = "update external_refs set remote_id = $3, details = $4, created_at = $5 where connection_id = $1 and kind = 'lead' and local_id = $2";
            tx.execute(sql, vec![connection.into(), row.text(0)?.into(), into.into(), details.to_string().into(), since.into()]).await?;
        }
        // What they gave up to one another once is theirs again.
        for row in &rows {
            let sql = "delete from external_refs where connection_id = $1 and kind = 'parted' and local_id = $2";
            tx.execute(sql, vec![connection.into(), row.text(0)?.into()]).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Takes what a receipt says of where the record of a lead went. Where people of the sink merged it into that of another person, somebody is asked
    /// whether the two are one.
    pub(super) async fn hear_moved(&self, tx: &mut Tx, connection: ConnectionId, told: &Told, record: &str) -> Result<(), StoreError> {
        let Told { lead, workspace, moved, .. } = told;
        if let Some(person) = moved.person.clone() {
            note_persons(tx, BTreeMap::from([((connection, *lead), person)]), self.clock.now_ms());
        }
        if !moved.merged {
            return Ok(());
        }
        if tx.has_company() {
            // Two leads may come to this record at once: whoever is second sees the first.
            let place = format!("{connection} {record}");
            tx.fetch("select pg_advisory_xact_lock(hashtextextended($1, 0))", vec![place.into()]).await?;
        }
        let sql = "select l.contact_id from external_refs r join leads l on l.id = r.local_id where r.connection_id = $1 and r.kind = 'lead' \
                   and r.remote_id = $2 and r.local_id <> $3 order by r.created_at, r.local_id limit 1";
        let keeper = tx.fetch(sql, vec![connection.into(), record.into(), (*lead).into()]).await?;
        let own =
            tx.fetch("select contact_id from leads where workspace_id = $1 and id = $2", vec![(*workspace).into(), (*lead).into()]).await?;
        let (Some(keeper), Some(own)) = (keeper.first(), own.first()) else { return Ok(()) };
        let (one, other): (ContactId, ContactId) = (keeper.id(0)?, own.id(0)?);
        let question = NewQuestion {
            id: self.ids.next(),
            workspace: *workspace,
            one: one.min(other),
            other: one.max(other),
            asked_by: AskedBy::MergedRecord(connection),
            at: self.clock.now(),
        };
        Ok(ask(tx, question).await?)
    }

    /// Notes that people deleted a record: of all leads that had it.
    pub async fn record_deleted(&self, connection: ConnectionId, record: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        note_deleted(&mut tx, connection, record, self.clock.now_ms()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The record of a lead that people deleted; none where it has another one, or had none.
    pub async fn deleted_record(&self, connection: ConnectionId, lead: &str) -> Result<Option<String>, StoreError> {
        let sql = "select remote_id from external_refs where connection_id = $1 and kind = 'deleted' and local_id = $2";
        let row = self.db.fetch_optional(sql, vec![connection.into(), lead.into()]).await?;
        Ok(row.map(|it| it.text(0)).transpose()?)
    }

    /// True for a lead whose record people deleted.
    pub async fn is_deleted(&self, connection: ConnectionId, lead: &str) -> Result<bool, StoreError> {
        Ok(self.deleted_record(connection, lead).await?.is_some())
    }

    /// True while something that the person said waits for a record: then there must be one, whatever became of the last.
    pub async fn is_record_needed(&self, connection: ConnectionId, lead: &str) -> Result<bool, StoreError> {
        let sql = "select 1 from outbox o join interactions n on n.id = o.subject_id where o.connection_id = $1 and o.lane = $2 and o.state = 'pending' \
                   and o.kind = 'interaction.add' and n.direction = 'in' limit 1";
        Ok(self.db.fetch_optional(sql, vec![connection.into(), lead.into()]).await?.is_some())
    }

    /// The records that a lead has in sinks, and those that people deleted there.
    pub async fn records_of(&self, workspace: WorkspaceId, lead: LeadId) -> Result<Vec<RecordOf>, StoreError> {
        let sql = "select x.name, r.remote_id, r.details, r.kind, r.created_at from connections x join external_refs r on r.connection_id = x.id \
                   and r.kind in ('lead', 'deleted') and r.local_id = $2 where x.workspace_id = $1 order by x.name, r.kind desc";
        let rows = self.db.fetch(sql, vec![workspace.into(), lead.into()]).await?;
        let record = |row: &Record| {
            let details: Value = serde_json::from_str(&row.text(2)?).unwrap_or_default();
            let is_deleted = row.text(3)? == "deleted";
            let deleted_at = if is_deleted { Some(timestamp(row.int(4)?)) } else { None };
            let url = details["url"].as_str().map(str::to_owned);
            Ok(RecordOf { connection: row.text(0)?, id: row.text(1)?, url, deleted_at })
        };
        Ok(rows.iter().map(record).collect::<sqlx::Result<_>>()?)
    }

    /// True for a lead that shared a record with another person's and gave it up when the two were parted: it gets one of its own.
    pub async fn gave_up_record(&self, connection: ConnectionId, lead: LeadId) -> Result<bool, StoreError> {
        let sql = "select 1 from external_refs where connection_id = $1 and kind = 'parted' and local_id = $2";
        Ok(self.db.fetch_optional(sql, vec![connection.into(), lead.into()]).await?.is_some())
    }
}

/// A record that a lead has, or had, in a sink.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct RecordOf {
    /// The connection's name.
    pub connection: String,
    /// The sink's id of it.
    pub id: String,
    /// Its address, where the connector gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When the hub heard that people deleted it; none: it is there, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<patchbay_schemas::Timestamp>,
}

/// Notes which contacts of sinks the records of leads belong to.
pub(in crate::store) fn note_persons(tx: &mut Tx, persons: BTreeMap<(ConnectionId, LeadId), String>, now: i64) {
    let rows = persons.into_iter().map(|((sink, lead), person)| vec![sink.into(), lead.into(), person.into(), now.into()]).collect();
    let sql = "with k(connection_id, local_id, remote_id, at) as ({rows}) \
               insert into external_refs (connection_id, kind, local_id, remote_id, details, created_at) \
               select connection_id, 'person', local_id, remote_id, '{}', at from k where true \
               on conflict (connection_id, kind, local_id) do update set remote_id = excluded.remote_id, created_at = excluded.created_at";
    tx.queue(sql, &[Text, Text, Text, Int], rows);
}

/// Notes that people deleted a record, since now.
pub(in crate::store) async fn note_deleted(tx: &mut Tx, connection: ConnectionId, record: &str, now: i64) -> sqlx::Result<()> {
    let place = || vec![connection.into(), record.into()];
    let sql = "delete from external_refs where connection_id = $1 and kind = 'deleted' and local_id in \
               (select r.local_id from external_refs r where r.connection_id = $1 and r.kind = 'lead' and r.remote_id = $2)";
    tx.execute(sql, place()).await?;
    let sql = "update external_refs set kind = 'deleted', created_at = $3 where connection_id = $1 and kind = 'lead' and remote_id = $2";
    tx.execute(sql, [place(), vec![now.into()]].concat()).await?;
    Ok(())
}
