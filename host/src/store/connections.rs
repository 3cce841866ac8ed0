//! Connections and their secrets.

use std::collections::{BTreeMap, BTreeSet};

use patchbay_schemas::Timestamp;
use serde_json::Value as Json;

use super::audit::{Change, note_change};
use super::keys::is_current;
use super::{Record, Store, StoreError, Tx};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, Ids, WorkspaceId};
use crate::rules::delivery::DeliverySettings;
use crate::secrets::KeyId;

/// One configured account of a connector.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Connection {
    /// `cxn_…`; also its address.
    pub id: ConnectionId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// The connector's id.
    pub connector: String,
    /// Shown to people.
    pub name: String,
    /// Whether it works.
    #[serde(flatten)]
    pub state: ConnectionState,
    /// The configuration without secrets.
    #[schema(value_type = Object)]
    pub config: Json,
    /// Private networks that the operator granted.
    pub networks: Vec<String>,
    /// How its commands are delivered, where that differs from the hub's settings.
    pub delivery: DeliverySettings,
    /// Where polling goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Whether a connection works.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ConnectionState {
    /// It does.
    Active,
    /// Somebody paused it: nothing is sent and nothing is asked; what comes in is taken.
    Paused,
    /// The vendor refused its credential: it waits for a new one.
    Broken {
        /// `code: message`
        reason: String,
    },
    /// It is gone; its history stays.
    Removed,
}

impl ConnectionState {
    fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Broken { .. } => "broken",
            Self::Removed => "removed",
        }
    }
}

const COLUMNS: &str = "id, workspace_id, connector, name, state, reason, config, networks, delivery, cursor, created_at, updated_at";

/// What is known when a vendor is asked something.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    /// When.
    pub at: Timestamp,
    /// The number of the access token at hand; 0: there is none, or the connection has another credential. Times would not do: a token is there
    /// when it is committed, which may be long after it was given.
    pub token: i64,
}

impl Store {
    /// Makes a connection with its sealed secrets. `author`: who does so.
    pub async fn create_connection(
        &self,
        connection: &Connection,
        secrets: &BTreeMap<String, Vec<u8>>,
        author: &str,
    ) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let revision = next_revision(&mut tx).await?;
        let sql = "insert into connections (id, workspace_id, connector, name, state, config, networks, revision, created_at, updated_at, delivery) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)";
        let values = vec![
            connection.id.into(),
            connection.workspace.into(),
            connection.connector.as_str().into(),
            connection.name.as_str().into(),
            connection.state.name().into(),
            connection.config.to_string().into(),
            Json::from(connection.networks.clone()).to_string().into(),
            revision.into(),
            now.into(),
            json(&connection.delivery)?.into(),
        ];
        tx.execute(sql, values).await?;
        put_secrets(&mut tx, &self.ids, connection.id, secrets, author, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Writes name, configuration, grants and delivery of a connection as they are given, replaces the given secrets and removes the named
    /// ones. `mends`: a broken one becomes active. A paused one stays paused. `author`: who does so.
    pub async fn update_connection(
        &self,
        changed: &Connection,
        secrets: &BTreeMap<String, Vec<u8>>,
        removed: &[String],
        mends: bool,
        author: &str,
    ) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let id = changed.id;
        let mut tx = self.db.begin().await?;
        let revision = next_revision(&mut tx).await?;
        let sql = "update connections set name = $3, config = $4, networks = $5, revision = $6, updated_at = $7, delivery = $9, \
                   reason = case when state = 'broken' and $8 = 'active' then null else reason end, \
                   state = case when state = 'broken' then $8 else state end \
                   where workspace_id = $1 and id = $2 and state <> 'removed'";
        let broken_becomes = if mends { "active" } else { "broken" };
        let values = vec![
            changed.workspace.into(),
            id.into(),
            changed.name.as_str().into(),
            changed.config.to_string().into(),
            Json::from(changed.networks.clone()).to_string().into(),
            revision.into(),
            now.into(),
            broken_becomes.into(),
            json(&changed.delivery)?.into(),
        ];
        if tx.execute(sql, values).await? != 1 {
            return Err(StoreError::Gone("the connection"));
        }
        put_secrets(&mut tx, &self.ids, id, secrets, author, now).await?;
        for name in removed {
            let sql = "delete from secrets where connection_id = $1 and name = $2";
            if tx.execute(sql, vec![id.into(), name.as_str().into()]).await? > 0 {
                note_change(&mut tx, self.ids.next(), id, name, Change { action: "secret.removed", author }, now).await?;
            }
        }
        if mends {
            renew_again(&mut tx, id, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Connections of a workspace that were not removed, oldest first, after `after`.
    pub async fn connections(
        &self,
        workspace: WorkspaceId,
        after: Option<ConnectionId>,
        limit: i64,
    ) -> Result<Vec<Connection>, StoreError> {
        let sql =
            format!("select {COLUMNS} from connections where workspace_id = $1 and id > $2 and state <> 'removed' order by id limit $3");
        let after = after.map(|it| it.to_string()).unwrap_or_default();
        let rows = self.db.fetch(&sql, vec![workspace.into(), after.into(), limit.into()]).await?;
        Ok(rows.iter().map(connection).collect::<sqlx::Result<_>>()?)
    }

    /// Every connection that was not removed, for the hub itself.
    pub async fn all_connections(&self) -> Result<Vec<Connection>, StoreError> {
        let rows = self.db.fetch(&format!("select {COLUMNS} from connections where state <> 'removed' order by id"), Vec::new()).await?;
        Ok(rows.iter().map(connection).collect::<sqlx::Result<_>>()?)
    }

    /// A connection, also a removed one.
    pub async fn connection(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
        let sql = format!("select {COLUMNS} from connections where workspace_id = $1 and id = $2");
        let row = self.db.fetch_optional(&sql, vec![workspace.into(), id.into()]).await?;
        Ok(row.as_ref().map(connection).transpose()?)
    }

    /// Marks a connection as broken whose vendor refused the credential, unless that one is replaced by now: the connection was changed or paused
    /// since it was read as `seen`, or there is another access token, and not because this very refusal had one got. False: it is.
    pub async fn break_connection(&self, seen: &Connection, asked: Asking, reason: &str) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let revision = next_revision(&mut tx).await?;
        let sql = "update connections set state = 'broken', reason = $4, revision = $5, updated_at = $6 \
                   where workspace_id = $1 and id = $2 and updated_at = $3 and state in ('active', 'broken') \
                   and not exists (select 1 from authorisations where connection_id = $2 and generation > $7 and coalesce(forced_at, 0) < $8)";
        let values = vec![
            seen.workspace.into(),
            seen.id.into(),
            seen.updated_at.as_millisecond().into(),
            reason.into(),
            revision.into(),
            now.into(),
            asked.token.into(),
            asked.at.as_millisecond().into(),
        ];
        let touched = tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }

    /// Changes whether a connection works. False: there is none, or it was removed.
    pub async fn set_connection_state(
        &self,
        workspace: WorkspaceId,
        id: ConnectionId,
        state: &ConnectionState,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let revision = next_revision(&mut tx).await?;
        let reason = if let ConnectionState::Broken { reason } = state { Some(reason.clone()) } else { None };
        let sql = "update connections set state = $3, reason = $4, revision = $5, updated_at = $6 \
                   where workspace_id = $1 and id = $2 and state <> 'removed'";
        let values = vec![workspace.into(), id.into(), state.name().into(), reason.into(), revision.into(), now.into()];
        let touched = tx.execute(sql, values).await?;
        // Only with the row: another workspace's connection keeps its secrets.
        if touched == 1 && *state == ConnectionState::Removed {
            tx.execute("delete from secrets where connection_id = $1", vec![id.into()]).await?;
            for table in
                ["holds", "quarantines", "shadows", "alerts", "talks", "authorisations", "streams", "imports", "mappings", "registrations"]
            {
                tx.execute(&format!("delete from {table} where connection_id = $1"), vec![id.into()]).await?;
            }
        }
        if touched == 1 && *state == ConnectionState::Active {
            renew_again(&mut tx, id, now).await?;
        }
        tx.commit().await?;
        Ok(touched == 1)
    }

    /// The sealed secrets of a connection's configuration, by name.
    pub async fn sealed_secrets(&self, connection: ConnectionId) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        self.sealed_where(connection, "not like").await
    }

    /// The sealed secrets that the hub itself keeps for a connection, by name: `oauth2:access_token`.
    pub async fn sealed_tokens(&self, connection: ConnectionId) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        self.sealed_where(connection, "like").await
    }

    async fn sealed_where(&self, connection: ConnectionId, which: &str) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let sql = format!("select name, sealed from secrets where connection_id = $1 and name {which} '%:%'");
        let rows = self.db.fetch(&sql, vec![connection.into()]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.opt_bytes(1)?.unwrap_or_default()))).collect()
    }

    /// The names of the secrets that are set, by connection: of one, or of every one in the workspace.
    pub async fn secret_names(
        &self,
        workspace: WorkspaceId,
        only: Option<ConnectionId>,
    ) -> Result<BTreeMap<ConnectionId, Vec<String>>, StoreError> {
        let mut values = vec![workspace.into()];
        let one = only.map_or("", |it| {
            values.push(it.into());
            " and x.id = $2"
        });
        let sql = format!(
            "select s.connection_id, s.name from connections x join secrets s on s.connection_id = x.id \
             where x.workspace_id = $1{one} and s.name not like '%:%' order by 1, 2"
        );
        let mut names: BTreeMap<ConnectionId, Vec<String>> = BTreeMap::new();
        for row in self.db.fetch(&sql, values).await? {
            names.entry(row.id(0)?).or_default().push(row.text(1)?);
        }
        Ok(names)
    }

    /// Rises whenever any connection changes.
    pub async fn connections_revision(&self) -> Result<i64, StoreError> {
        let row = self.db.fetch_optional("select coalesce(max(revision), 0) from connections", Vec::new()).await?;
        Ok(row.map(|it| it.int(0)).transpose()?.unwrap_or(0))
    }
}

fn json(settings: &DeliverySettings) -> sqlx::Result<String> {
    serde_json::to_string(settings).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// A token that the vendor refused to renew is tried once more: something about the connection changed.
async fn renew_again(tx: &mut Tx, connection: ConnectionId, now: i64) -> sqlx::Result<()> {
    let sql = "update authorisations set due_at = $2 where connection_id = $1 and failures > 0";
    tx.execute(sql, vec![connection.into(), now.into()]).await?;
    Ok(())
}

/// One more than any connection has.
pub(super) async fn next_revision(tx: &mut Tx) -> sqlx::Result<i64> {
    let rows = tx.fetch("select coalesce(max(revision), 0) + 1 from connections", Vec::new()).await?;
    rows.first().map_or(Ok(1), |it| it.int(0))
}

/// Replaces the given sealed secrets of a connection.
pub(super) async fn put_secrets(
    tx: &mut Tx,
    ids: &Ids,
    connection: ConnectionId,
    secrets: &BTreeMap<String, Vec<u8>>,
    author: &str,
    now: i64,
) -> Result<(), StoreError> {
    let keys: BTreeSet<KeyId> = secrets.values().filter_map(|it| KeyId::of_sealed(it)).collect();
    for key in keys {
        if !is_current(tx, key).await? {
            return Err(StoreError::FormerKey);
        }
    }
    for (name, sealed) in secrets {
        let sql = "insert into secrets (connection_id, name, sealed, updated_at) values ($1, $2, $3, $4) \
                   on conflict (connection_id, name) do update set sealed = excluded.sealed, updated_at = excluded.updated_at";
        tx.execute(sql, vec![connection.into(), name.as_str().into(), sealed.clone().into(), now.into()]).await?;
        note_change(tx, ids.next(), connection, name, Change { action: "secret.set", author }, now).await?;
    }
    Ok(())
}

fn connection(row: &Record) -> sqlx::Result<Connection> {
    let state = match row.text(4)?.as_str() {
        "active" => ConnectionState::Active,
        "paused" => ConnectionState::Paused,
        "broken" => ConnectionState::Broken { reason: row.opt_text(5)?.unwrap_or_default() },
        "removed" => ConnectionState::Removed,
        other => return Err(sqlx::Error::Decode(format!("`{other}` is no state of a connection").into())),
    };
    Ok(Connection {
        id: row.id(0)?,
        workspace: row.id(1)?,
        connector: row.text(2)?,
        name: row.text(3)?,
        state,
        config: row.json(6)?,
        networks: row.json(7)?,
        delivery: row.json(8)?,
        cursor: row.opt_text(9)?,
        created_at: timestamp(row.int(10)?),
        updated_at: timestamp(row.int(11)?),
    })
}
