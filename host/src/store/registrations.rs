//! What vendors were told of where to post: whose turn it is to tell, and how it ended.

use std::collections::HashMap;

use patchbay_schemas::Timestamp;

use super::{Record, Store, StoreError, Value};
use crate::clock::timestamp;
use crate::ids::ConnectionId;

/// What is known of a connection's address at its vendor. Times are milliseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The address that stands there, as far as is known. None: none of ours.
    pub url: Option<String>,
    /// When the connection was last changed before the vendor was last asked. None: it never was.
    pub told_for: Option<i64>,
    /// When the vendor last agreed. None: never yet.
    pub checked_at: Option<i64>,
    /// When it was last told.
    pub set_at: Option<i64>,
    /// Tries in a row that failed.
    pub failures: i64,
    /// Why the last one failed: `code: message`
    pub reason: Option<String>,
    /// What the vendor says went wrong with its last delivery.
    pub trouble: Option<String>,
    /// When it is asked next.
    pub due_at: i64,
    /// Rises when a try begins and when it ends.
    pub turn: i64,
    /// Until when somebody asks; in the past: nobody does.
    pub lease_until: i64,
}

/// The same as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct RegistrationView {
    /// Whether the vendor posts to the connection's address, as it said last.
    pub registered: bool,
    /// When the vendor last said so; none: never yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// When the hub last told it the address; none: never yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_at: Option<Timestamp>,
    /// Tries in a row that failed.
    pub failures: i64,
    /// Why the last one failed: `code: message`; absent: it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the vendor says went wrong with its last delivery; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl From<Registered> for RegistrationView {
    fn from(it: Registered) -> Self {
        Self {
            registered: it.url.is_some(),
            checked_at: it.checked_at.map(timestamp),
            set_at: it.set_at.map(timestamp),
            failures: it.failures,
            reason: it.reason,
            trouble: it.trouble,
        }
    }
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The vendor posts to the address.
    Stands {
        /// The address.
        url: String,
        /// Whether it had to be told.
        set: bool,
        /// What the vendor says went wrong with its last delivery.
        trouble: Option<String>,
    },
    /// It is not known to: `code: message`
    Failed(String),
}

const COLUMNS: &str = "connection_id, url, told_for, checked_at, set_at, failures, reason, trouble, due_at, turn, lease_until";

impl Store {
    /// What is known of a connection's address at its vendor. None: the vendor was never to be told.
    pub async fn registration(&self, connection: ConnectionId) -> Result<Option<Registered>, StoreError> {
        let sql = format!("select {COLUMNS} from registrations where connection_id = $1");
        let row = self.db.fetch_optional(&sql, vec![connection.into()]).await?;
        Ok(row.as_ref().map(registered).transpose()?.map(|it| it.1))
    }

    /// The same of every connection.
    pub async fn registrations(&self) -> Result<HashMap<ConnectionId, Registered>, StoreError> {
        let rows = self.db.fetch(&format!("select {COLUMNS} from registrations"), Vec::new()).await?;
        Ok(rows.iter().map(registered).collect::<sqlx::Result<_>>()?)
    }

    /// Notes that the vendor of a connection is to be told, at once. One that was removed, or that is noted already, stays as it is.
    pub async fn begin_registration(&self, connection: ConnectionId) -> Result<(), StoreError> {
        let sql = "insert into registrations (connection_id, failures, due_at, turn, lease_until) \
                   select id, 0, cast($2 as bigint), 0, 0 from connections where id = $1 and state <> 'removed' on conflict (connection_id) do nothing";
        self.write_registration(sql, vec![connection.into(), self.clock.now_ms().into()]).await?;
        Ok(())
    }

    /// Takes the turn to ask, for so many milliseconds. False: somebody else has it, or had it since `seen` was read.
    pub async fn take_registration(&self, connection: ConnectionId, seen: &Registered, lease_ms: i64) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        // A lease that ends later than any that is given was written before the clock was put back.
        let sql = "update registrations set turn = turn + 1, lease_until = $4 where connection_id = $1 and turn = $2 \
                   and (lease_until <= $3 or lease_until > $4)";
        let values = vec![connection.into(), seen.turn.into(), now.into(), now.saturating_add(lease_ms).into()];
        self.write_registration(sql, values).await
    }

    /// Writes down how a try ended that began with `seen` and gives the turn back. `told_for`: when the connection was last changed before
    /// it. False: the turn was over, and somebody else's ending holds.
    pub async fn end_registration(
        &self,
        connection: ConnectionId,
        seen: &Registered,
        told_for: i64,
        told: &Told,
        due_at: i64,
    ) -> Result<bool, StoreError> {
        let (now, turn) = (self.clock.now_ms(), seen.turn + 1);
        match told {
            Told::Stands { url, set, trouble } => {
                let sql = "update registrations set url = $3, told_for = $4, checked_at = $5, set_at = case when $6 = 1 then $5 else set_at end, \
                           failures = 0, reason = null, trouble = $7, due_at = $8, turn = turn + 1, lease_until = 0 where connection_id = $1 and turn = $2";
                let values = vec![
                    connection.into(),
                    turn.into(),
                    url.as_str().into(),
                    told_for.into(),
                    now.into(),
                    i64::from(*set).into(),
                    trouble.clone().into(),
                    due_at.into(),
                ];
                self.write_registration(sql, values).await
            }
            Told::Failed(reason) => {
                let sql = "update registrations set told_for = $3, failures = failures + 1, reason = $4, due_at = $5, turn = turn + 1, lease_until = 0 \
                           where connection_id = $1 and turn = $2";
                let values = vec![connection.into(), turn.into(), told_for.into(), reason.as_str().into(), due_at.into()];
                self.write_registration(sql, values).await
            }
        }
    }

    /// Forgets a connection's registration, whose turn began with `seen`: the vendor posts to it no more.
    pub async fn forget_registration(&self, connection: ConnectionId, seen: &Registered) -> Result<bool, StoreError> {
        let sql = "delete from registrations where connection_id = $1 and turn = $2";
        self.write_registration(sql, vec![connection.into(), (seen.turn + 1).into()]).await
    }

    async fn write_registration(&self, sql: &str, values: Vec<Value>) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let touched = tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }
}

fn registered(row: &Record) -> sqlx::Result<(ConnectionId, Registered)> {
    let registered = Registered {
        url: row.opt_text(1)?,
        told_for: row.opt_int(2)?,
        checked_at: row.opt_int(3)?,
        set_at: row.opt_int(4)?,
        failures: row.int(5)?,
        reason: row.opt_text(6)?,
        trouble: row.opt_text(7)?,
        due_at: row.int(8)?,
        turn: row.int(9)?,
        lease_until: row.int(10)?,
    };
    Ok((row.id(0)?, registered))
}
