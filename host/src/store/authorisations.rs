//! What vendors granted by OAuth 2: who renews a token, and what was given. The tokens stand among the connection's sealed secrets.

use std::collections::{BTreeMap, HashMap};

use patchbay_schemas::Timestamp;
use serde_json::Value as Json;

use super::connections::{next_revision, put_secrets};
use super::{Record, Store, StoreError, Tx};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, WorkspaceId};

/// Who changes secrets without anybody asking.
const HUB: &str = "hub";
/// Not by itself.
pub const NEVER: i64 = i64::MAX;

/// What is known of a connection's authorisation; never the tokens. Times are milliseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorisation {
    /// Rises with each new token; 0: none was given yet.
    pub generation: i64,
    /// When the newest token was given.
    pub granted_at: Option<i64>,
    /// When it ends; none: the vendor does not say.
    pub expires_at: Option<i64>,
    /// When it is renewed, or tried again.
    pub due_at: i64,
    /// Tries in a row that the vendor did not answer as it should.
    pub failures: i64,
    /// Why the last one failed.
    pub reason: Option<String>,
    /// When a token that the vendor refused was last renewed for that reason.
    pub forced_at: Option<i64>,
    /// Until when somebody has the turn to ask the vendor; in the past: nobody has.
    pub lease_until: i64,
}

/// The same as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct AuthorisationView {
    /// When the newest token was given; none: nobody has authorised the connection yet.
    pub granted_at: Option<Timestamp>,
    /// When that token ends; none: the vendor does not say.
    pub expires_at: Option<Timestamp>,
    /// When it is renewed by itself; none: it is not.
    pub renewed_at: Option<Timestamp>,
    /// Tries to renew it that the vendor did not answer as it should, in a row.
    pub failures: i64,
    /// Why the last one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<Authorisation> for AuthorisationView {
    fn from(it: Authorisation) -> Self {
        Self {
            granted_at: it.granted_at.map(timestamp),
            expires_at: it.expires_at.map(timestamp),
            renewed_at: Some(it.due_at).filter(|it| *it != NEVER).map(timestamp),
            failures: it.failures,
            reason: it.reason,
        }
    }
}

/// Tokens on their way into the database.
#[derive(Debug, Clone)]
pub struct NewTokens {
    /// The generation that they follow.
    pub after: i64,
    /// When the access token ends.
    pub expires_at: Option<i64>,
    /// When it is renewed.
    pub due_at: i64,
    /// The configuration, where the vendor's answer changed it.
    pub config: Option<Json>,
}

/// What became of new tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// They are written and valid from now on.
    Written,
    /// Newer ones were written meanwhile: these are not valid any more.
    Overtaken,
    /// Somebody else renews right now.
    Leased,
}

const COLUMNS: &str = "generation, granted_at, expires_at, due_at, failures, reason, forced_at, lease_until";

impl Store {
    /// What is known of a connection's authorisation. None: it was never asked for.
    pub async fn authorisation(&self, connection: ConnectionId) -> Result<Option<Authorisation>, StoreError> {
        let sql = format!("select {COLUMNS} from authorisations where connection_id = $1");
        let row = self.db.fetch_optional(&sql, vec![connection.into()]).await?;
        Ok(row.as_ref().map(authorisation).transpose()?)
    }

    /// The same of every connection of a workspace.
    pub async fn authorisations(&self, workspace: WorkspaceId) -> Result<HashMap<ConnectionId, Authorisation>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, connection_id from authorisations where connection_id in (select id from connections where workspace_id = $1)"
        );
        let rows = self.db.fetch(&sql, vec![workspace.into()]).await?;
        Ok(rows.iter().map(|it| Ok((it.id(7)?, authorisation(it)?))).collect::<sqlx::Result<_>>()?)
    }

    /// Connections whose token is to be renewed, and nobody does, the oldest first.
    pub async fn due_authorisations(&self, limit: i64) -> Result<Vec<ConnectionId>, StoreError> {
        let now = self.clock.now_ms();
        let sql = "select connection_id from authorisations where due_at <= $1 and lease_until <= $1 order by due_at limit $2";
        let rows = self.db.fetch(sql, vec![now.into(), limit.into()]).await?;
        Ok(rows.iter().map(|it| it.id(0)).collect::<sqlx::Result<_>>()?)
    }

    /// Takes the turn to renew a connection's token for so many milliseconds. `forced`: because the vendor refused it. None: somebody else has it.
    pub async fn lease_authorisation(
        &self,
        connection: ConnectionId,
        lease: &str,
        ms: i64,
        forced: bool,
    ) -> Result<Option<Authorisation>, StoreError> {
        let forced_at = forced.then(|| self.clock.now_ms());
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = format!(
            "insert into authorisations (connection_id, generation, due_at, failures, lease_token, lease_until, forced_at) \
             values ($1, 0, {NEVER}, 0, $2, $3, $5) on conflict (connection_id) do update set lease_token = excluded.lease_token, \
             lease_until = excluded.lease_until, forced_at = coalesce(excluded.forced_at, authorisations.forced_at) \
             where authorisations.lease_until <= $4 or authorisations.lease_token = excluded.lease_token returning {COLUMNS}"
        );
        let rows = tx.fetch(&sql, vec![connection.into(), lease.into(), (now + ms).into(), now.into(), forced_at.into()]).await?;
        let row = rows.first().map(authorisation).transpose()?;
        tx.commit().await?;
        Ok(row)
    }

    /// Gives the turn back. `failed`: why there is no new token, and when it is tried again.
    pub async fn release_authorisation(
        &self,
        connection: ConnectionId,
        lease: &str,
        failed: Option<(&str, i64)>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let (reason, due_at) = failed.map_or((None, None), |(reason, due_at)| (Some(reason), Some(due_at)));
        let sql = "update authorisations set lease_token = null, lease_until = 0, reason = coalesce($3, reason), \
                   due_at = coalesce($4, due_at), failures = failures + (case when $4 is null then 0 else 1 end) \
                   where connection_id = $1 and lease_token = $2";
        // PostgreSQL does not know the type of a parameter that is only compared with null.
        let sql = if tx.has_company() { sql.replace("$4", "$4::bigint").replace("$3", "$3::text") } else { sql.to_owned() };
        tx.execute(&sql, vec![connection.into(), lease.into(), reason.into(), due_at.into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Writes new tokens, sealed by the secret's name, and gives the turn back; a connection that waited for them works again.
    ///
    /// Who lost the turn meanwhile still writes, unless somebody else has it or has written: the refresh token that the vendor gave last
    /// is the one that is valid, and it must not be lost.
    pub async fn put_tokens(
        &self,
        connection: ConnectionId,
        lease: &str,
        new: &NewTokens,
        sealed: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Put, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = "update authorisations set generation = generation + 1, granted_at = $2, expires_at = $3, due_at = $4, failures = 0, \
                   reason = null, lease_token = null, lease_until = 0 \
                   where connection_id = $1 and generation = $5 and (lease_token = $6 or lease_until <= $2)";
        let values = vec![connection.into(), now.into(), new.expires_at.into(), new.due_at.into(), new.after.into(), lease.into()];
        if tx.execute(sql, values).await? != 1 {
            let rows = tx.fetch("select generation from authorisations where connection_id = $1", vec![connection.into()]).await?;
            let generation = rows.first().map(|it| it.int(0)).transpose()?;
            return Ok(if generation == Some(new.after) { Put::Leased } else { Put::Overtaken });
        }
        put_secrets(&mut tx, &self.ids, connection, sealed, HUB, now).await?;
        works_again(&mut tx, connection, new.config.as_ref(), now).await?;
        tx.commit().await?;
        Ok(Put::Written)
    }

    /// The vendor refuses to renew the token that follows `generation`: the connection waits for a person. False: a newer one is there.
    pub async fn break_authorisation(
        &self,
        connection: ConnectionId,
        lease: &str,
        generation: i64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = format!(
            "update authorisations set due_at = {NEVER}, failures = failures + 1, reason = $4, lease_token = null, lease_until = 0 \
             where connection_id = $1 and generation = $2 and lease_token = $3"
        );
        if tx.execute(&sql, vec![connection.into(), generation.into(), lease.into(), reason.into()]).await? != 1 {
            return Ok(false);
        }
        let revision = next_revision(&mut tx).await?;
        let sql = "update connections set state = 'broken', reason = $2, revision = $3, updated_at = $4 where id = $1 and state in ('active', 'broken')";
        tx.execute(sql, vec![connection.into(), reason.into(), revision.into(), now.into()]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Opens a link: what it carries, as a hash, until when it is good, and the sealed secrets that belong to it. An older link is good no more.
    pub async fn open_link(
        &self,
        connection: ConnectionId,
        state: &[u8],
        until: i64,
        sealed: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = format!(
            "insert into authorisations (connection_id, generation, due_at, failures, lease_until, state, state_until) \
             values ($1, 0, {NEVER}, 0, 0, $2, $3) on conflict (connection_id) do update \
             set state = excluded.state, state_until = excluded.state_until"
        );
        tx.execute(&sql, vec![connection.into(), state.to_vec().into(), until.into()]).await?;
        put_secrets(&mut tx, &self.ids, connection, sealed, HUB, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whose link came back. It is good once. None: it is unknown, used, or older than it may be.
    pub async fn take_link(&self, state: &[u8]) -> Result<Option<(WorkspaceId, ConnectionId)>, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = "update authorisations set state = null where state = $1 returning connection_id, state_until";
        let rows = tx.fetch(sql, vec![state.to_vec().into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (connection, until): (ConnectionId, i64) = (row.id(0)?, row.int(1)?);
        let sql = "select workspace_id from connections where id = $1 and state <> 'removed'";
        let rows = tx.fetch(sql, vec![connection.into()]).await?;
        let workspace = rows.first().map(|it| it.id(0)).transpose()?;
        tx.commit().await?;
        Ok(workspace.filter(|_| until > now).map(|it| (it, connection)))
    }
}

/// A connection that waited for a credential works again; its configuration is what the vendor says of the account.
async fn works_again(tx: &mut Tx, connection: ConnectionId, config: Option<&Json>, now: i64) -> sqlx::Result<()> {
    let broken = tx.fetch("select 1 from connections where id = $1 and state = 'broken'", vec![connection.into()]).await?;
    if broken.is_empty() && config.is_none() {
        // Running hubs take the new token when they need it: nothing that they must notice changed.
        return Ok(());
    }
    let revision = next_revision(tx).await?;
    let sql = "update connections set reason = case when state = 'broken' then null else reason end, \
               state = case when state = 'broken' then 'active' else state end, config = coalesce($2, config), revision = $3, updated_at = $4 \
               where id = $1 and state <> 'removed'";
    let config = config.map(ToString::to_string);
    tx.execute(sql, vec![connection.into(), config.into(), revision.into(), now.into()]).await?;
    Ok(())
}

fn authorisation(row: &Record) -> sqlx::Result<Authorisation> {
    Ok(Authorisation {
        generation: row.int(0)?,
        granted_at: row.opt_int(1)?,
        expires_at: row.opt_int(2)?,
        due_at: row.int(3)?,
        failures: row.int(4)?,
        reason: row.opt_text(5)?,
        forced_at: row.opt_int(6)?,
        lease_until: row.int(7)?,
    })
}
