//! Imports: how far the reading of what a vendor knew before has come.

use std::collections::{BTreeMap, HashMap, HashSet};

use patchbay_schemas::Timestamp;

use super::db::LookUp;
use super::db::Type::{Int, Text};
use super::{Record, Store, StoreError, Tx, Value};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, LeadId};
use crate::rules::ingest::{Imported, NewReference};

/// How far an import has come, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ImportView {
    /// `running`, `done`, or `stopped`: it goes on where it was when it is asked for again.
    pub state: String,
    /// How many records and people there are, where the connector says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<i64>,
    /// How many the vendor told of so far: of these
    pub records: i64,
    /// people of whom the hub had not heard,
    pub people: i64,
    /// open records that became leads,
    pub leads: i64,
    /// records of leads that were there.
    pub joined: i64,
    /// Why the last page could not be read: `code: message`. While it runs it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When the last page came.
    pub updated_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl ImportView {
    /// True while pages are asked for.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }
}

const COLUMNS: &str = "connection_id, state, expected, records, people, leads, joined, reason, started_at, updated_at, ended_at";

impl Store {
    /// Asks for an import. One that runs goes on; one that was stopped does so where it was; one that is done begins anew.
    pub async fn begin_import(&self, connection: ConnectionId) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = "delete from imports where connection_id = $1 and state = 'done'";
        tx.execute(sql, vec![connection.into()]).await?;
        let sql = "insert into imports (connection_id, state, started_at, updated_at) values ($1, 'running', $2, $2) \
                   on conflict (connection_id) do update set state = 'running', reason = null, ended_at = null where imports.state = 'stopped'";
        tx.execute(sql, vec![connection.into(), now.into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends an import before its end, and why; it may go on later. False: none runs.
    pub async fn stop_import(&self, connection: ConnectionId, reason: &str) -> Result<bool, StoreError> {
        let sql = "update imports set state = 'stopped', reason = $2, ended_at = $3 where connection_id = $1 and state = 'running'";
        self.write_import(sql, vec![connection.into(), reason.into(), self.clock.now_ms().into()]).await
    }

    /// Why the last page could not be read; it is asked for again.
    pub async fn import_held_up(&self, connection: ConnectionId, reason: &str) -> Result<bool, StoreError> {
        let sql = "update imports set reason = $2 where connection_id = $1 and state = 'running'";
        self.write_import(sql, vec![connection.into(), reason.into()]).await
    }

    async fn write_import(&self, sql: &str, values: Vec<Value>) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let touched = tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }

    /// Where a running import goes on; the inner none: at the beginning. None: nothing is imported.
    pub async fn import_cursor(&self, connection: ConnectionId) -> Result<Option<Option<String>>, StoreError> {
        let sql = "select cursor from imports where connection_id = $1 and state = 'running'";
        let row = self.db.fetch_optional(sql, vec![connection.into()]).await?;
        Ok(row.map(|it| it.opt_text(0)).transpose()?)
    }

    /// How far the import of a connection has come. None: nobody asked for one.
    pub async fn import(&self, connection: ConnectionId) -> Result<Option<ImportView>, StoreError> {
        let sql = format!("select {COLUMNS} from imports where connection_id = $1");
        let row = self.db.fetch_optional(&sql, vec![connection.into()]).await?;
        Ok(row.as_ref().map(view).transpose()?)
    }

    /// How far all imports have come.
    pub async fn imports(&self) -> Result<HashMap<ConnectionId, ImportView>, StoreError> {
        let rows = self.db.fetch(&format!("select {COLUMNS} from imports"), Vec::new()).await?;
        Ok(rows.iter().map(|it| Ok((it.id(0)?, view(it)?))).collect::<sqlx::Result<_>>()?)
    }
}

fn view(row: &Record) -> sqlx::Result<ImportView> {
    Ok(ImportView {
        state: row.text(1)?,
        expected: row.opt_int(2)?,
        records: row.int(3)?,
        people: row.int(4)?,
        leads: row.int(5)?,
        joined: row.int(6)?,
        reason: row.opt_text(7)?,
        started_at: timestamp(row.int(8)?),
        updated_at: timestamp(row.int(9)?),
        ended_at: row.opt_int(10)?.map(timestamp),
    })
}

/// Moves an import on. A cursor that is an object says with `of` how much there is.
pub(super) async fn go_on(tx: &mut Tx, connection: ConnectionId, next: &str, last: bool, now: i64) -> sqlx::Result<()> {
    let expected = serde_json::from_str::<serde_json::Value>(next).ok().and_then(|it| it["of"].as_i64());
    let sql = "update imports set cursor = $2, expected = coalesce($3, expected), state = case when $4 = 1 then 'done' else state end, \
               reason = null, updated_at = $5, ended_at = case when $4 = 1 then $5 else ended_at end where connection_id = $1";
    tx.execute(sql, vec![connection.into(), next.into(), expected.into(), i64::from(last).into(), now.into()]).await?;
    Ok(())
}

/// Puts what an import brought to the sums, and the records that leads turned out to have.
pub(super) fn write(tx: &mut Tx, references: Vec<NewReference>, imported: &BTreeMap<ConnectionId, Imported>, now: i64) {
    if imported.is_empty() {
        return;
    }
    let rows = references.into_iter().map(|it| vec![it.connection.into(), it.lead.into(), it.remote.into(), now.into()]);
    // A record that the hub wrote meanwhile is the lead's.
    let sql = "with k(connection_id, local_id, remote_id, at) as ({rows}) \
               insert into external_refs (connection_id, kind, local_id, remote_id, details, written, created_at) \
               select connection_id, 'lead', local_id, remote_id, '{}', 0, at from k where true on conflict (connection_id, kind, local_id) do nothing";
    tx.queue(sql, &[Text, Text, Text, Int], rows.collect());
    let rows = imported
        .iter()
        .map(|(connection, it)| vec![(*connection).into(), it.records.into(), it.people.into(), it.leads.into(), it.joined.into()]);
    let sql = "with k(connection_id, records, people, leads, joined) as ({rows}) \
               update imports set records = imports.records + k.records, people = imports.people + k.people, leads = imports.leads + k.leads, \
               joined = imports.joined + k.joined from k where imports.connection_id = k.connection_id";
    tx.queue(sql, &[Text, Int, Int, Int, Int], rows.collect());
}

/// Those of these leads that only came by an import: some sink has a record of them, and the hub never wrote into one.
pub(super) async fn only_read(tx: &mut Tx, pairs: &[(ConnectionId, LeadId)]) -> sqlx::Result<HashSet<LeadId>> {
    let rows = pairs.iter().map(|(sink, lead)| vec![sink.to_string(), lead.to_string()]).collect();
    let sql = "with k(connection_id, lead) as ({rows}) select r.local_id, r.written from k \
               join external_refs r on r.connection_id = k.connection_id and r.kind = 'lead' and r.local_id = k.lead";
    let mut written: HashMap<LeadId, bool> = HashMap::new();
    for row in tx.look_up(sql, 2, [LookUp { columns: 2, rows }]).await? {
        *written.entry(row.id(0)?).or_default() |= row.int(1)? != 0;
    }
    Ok(written.into_iter().filter(|(_, written)| !written).map(|(lead, _)| lead).collect())
}
