//! Connections whose vendor is left alone for a while. All hubs on the database obey.

use std::collections::HashMap;

use patchbay_schemas::Timestamp;

use super::{Record, Store, StoreError, Tx};
use crate::clock::timestamp;
use crate::ids::ConnectionId;
use crate::rules::breaker::{self, Hold, Why};

/// What holds a connection up, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct HoldView {
    /// `after`: the vendor said when it may be asked again. Of a vendor that seems to be down, `open`: it is left alone; `half_open`: one
    /// lead or conversation tries.
    pub state: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Nothing is asked before; while one tries, the time after which it is taken for dead.
    pub until: Timestamp,
    /// Probes that found it down.
    pub probes: i64,
    /// `code: message` of the failure that caused it.
    pub reason: String,
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> Self {
        let (state, probes) = match hold.why {
            Why::After => ("after", 0),
            Why::Breaker { probing: false, probes } => ("open", probes),
            Why::Breaker { probing: true, probes } => ("half_open", probes),
        };
        Self { state, since: timestamp(hold.since), until: timestamp(hold.until), probes, reason: hold.reason }
    }
}

/// Who may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Every lane.
    All,
    /// One lane, which finds out whether the vendor is back, after so many that found it down.
    Probe(i64),
    /// Nobody yet.
    Nobody,
}

const COLUMNS: &str = "kind, since, until, probes, probe, reason";

/// Who may be served while there is a hold. One that is over goes away.
pub(super) async fn turn(tx: &mut Tx, connection: ConnectionId, now: i64) -> sqlx::Result<Turn> {
    Ok(match read(tx, connection).await? {
        None => Turn::All,
        Some(hold) if hold.until > now => Turn::Nobody,
        Some(Hold { why: Why::Breaker { probes, .. }, .. }) => Turn::Probe(probes),
        Some(Hold { why: Why::After, .. }) => {
            remove(tx, connection).await?;
            Turn::All
        }
    })
}

/// One lane tries until then; if nothing is heard of it by that time, another one does.
pub(super) async fn begin_probe(tx: &mut Tx, connection: ConnectionId, token: &str, until: i64) -> sqlx::Result<()> {
    let sql = "update holds set probe = $2, until = $3 where connection_id = $1";
    tx.execute(sql, vec![connection.into(), token.into(), until.into()]).await?;
    Ok(())
}

/// Whoever tried found nothing out: another one may from then on.
pub(super) async fn give_up_probe(tx: &mut Tx, connection: ConnectionId, token: &str, until: i64) -> sqlx::Result<()> {
    let sql = "update holds set probe = null, until = $3 where connection_id = $1 and probe = $2";
    tx.execute(sql, vec![connection.into(), token.into(), until.into()]).await?;
    Ok(())
}

async fn read(tx: &mut Tx, connection: ConnectionId) -> sqlx::Result<Option<Hold>> {
    let sql = format!("select {COLUMNS} from holds where connection_id = $1");
    let sql = if tx.has_company() { format!("{sql} for update") } else { sql };
    let rows = tx.fetch(&sql, vec![connection.into()]).await?;
    rows.first().map(|row| hold(row, 0)).transpose()
}

async fn remove(tx: &mut Tx, connection: ConnectionId) -> sqlx::Result<u64> {
    tx.execute("delete from holds where connection_id = $1", vec![connection.into()]).await
}

impl Store {
    /// What holds a connection up. One that is over is none, but for a breaker, which stays until a probe succeeds.
    pub async fn hold(&self, connection: ConnectionId) -> Result<Option<Hold>, StoreError> {
        Ok(self.holds_where(" where connection_id = $1", vec![connection.into()]).await?.remove(&connection))
    }

    /// What holds connections up, for the hub's own metrics.
    pub async fn holds(&self) -> Result<HashMap<ConnectionId, Hold>, StoreError> {
        self.holds_where("", Vec::new()).await
    }

    async fn holds_where(&self, which: &str, values: Vec<super::Value>) -> Result<HashMap<ConnectionId, Hold>, StoreError> {
        let now = self.clock.now_ms();
        let rows = self.db.fetch(&format!("select connection_id, {COLUMNS} from holds{which}"), values).await?;
        let all = rows.iter().map(|row| Ok((row.id(0)?, hold(row, 1)?))).collect::<sqlx::Result<HashMap<_, _>>>()?;
        Ok(all.into_iter().filter(|(_, it)| it.until > now || it.why != Why::After).collect())
    }

    /// Leaves a connection's vendor alone; how it is held up from then on.
    pub async fn put_hold(&self, connection: ConnectionId, new: Hold) -> Result<Hold, StoreError> {
        let mut tx = self.db.begin().await?;
        let hold = breaker::joined(read(&mut tx, connection).await?, new);
        let (kind, probes) = match &hold.why {
            Why::After => ("after", 0),
            Why::Breaker { probes, .. } => ("breaker", *probes),
        };
        let sql = "insert into holds (connection_id, kind, since, until, probes, reason) values ($1, $2, $3, $4, $5, $6) \
                   on conflict (connection_id) do update set kind = excluded.kind, since = excluded.since, until = excluded.until, \
                   probes = excluded.probes, reason = excluded.reason";
        let reason = hold.reason.as_str();
        tx.execute(sql, vec![connection.into(), kind.into(), hold.since.into(), hold.until.into(), probes.into(), reason.into()]).await?;
        tx.commit().await?;
        Ok(hold)
    }

    /// A probe found the vendor still down: the next one not before `until`.
    pub async fn probe_failed(&self, connection: ConnectionId, token: &str, until: i64, reason: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "update holds set probes = probes + 1, probe = null, until = $3, reason = $4 where connection_id = $1 and probe = $2";
        tx.execute(sql, vec![connection.into(), token.into(), until.into(), reason.into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends whatever holds a connection up, and lets all its lanes try at once: what they waited for was the vendor. False: nothing did.
    pub async fn lift_hold(&self, connection: ConnectionId) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let lifted = remove(&mut tx, connection).await? == 1;
        if lifted {
            let sql = "update lanes set due_at = $2 where connection_id = $1 and due_at > $2";
            tx.execute(sql, vec![connection.into(), now.into()]).await?;
        }
        tx.commit().await?;
        Ok(lifted)
    }
}

fn hold(row: &Record, first: usize) -> sqlx::Result<Hold> {
    let why = match row.text(first)?.as_str() {
        "after" => Why::After,
        "breaker" => Why::Breaker { probes: row.int(first + 3)?, probing: row.opt_text(first + 4)?.is_some() },
        other => return Err(sqlx::Error::Decode(format!("`{other}` is no kind of hold").into())),
    };
    Ok(Hold { why, since: row.int(first + 1)?, until: row.int(first + 2)?, reason: row.text(first + 5)? })
}
