//! Raw deliveries grow old: their bodies are packed soon and emptied after their time. The rows and the sums stay, so that it is known for
//! ever that something came, when, and what became of it.

use super::db::Type::{Bytes, Int, Text};
use super::{Store, StoreError, Tx};
use crate::ids::DeliveryId;

/// Smaller bodies are not worth packing, bytes.
const WORTH: usize = 128;
/// How hard a body is packed, 1 to 10: harder takes longer and gains little on small texts.
const LEVEL: u8 = 6;

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Rows that were looked at; fewer than asked for: nothing older is left.
    pub looked: usize,
    /// Rows that changed.
    pub changed: u64,
    /// Bytes of their bodies before.
    pub before: u64,
    /// Bytes of their bodies now.
    pub after: u64,
}

/// How far packing came, and how far emptying.
const PACKED: &str = "packed";
const EMPTIED: &str = "emptied";
/// The turn at both.
const TURN: &str = "turn";
/// Whether there is room.
const ROOM: &str = "room";
/// What a delivery takes of the disk, for each byte of it: itself, its event, its place in the indexes.
const SPREAD: usize = 4;
/// Most bytes that are written to see whether there is room.
const MOST_ROOM: usize = 4 << 20;

impl Store {
    /// Takes the turn at old deliveries for so many milliseconds, or keeps it. False: another hub has it.
    pub async fn hold_upkeep(&self, lease: &str, ms: i64) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = "insert into upkeep (work, reached, lease_token, lease_until) values ($1, '', $2, $3) on conflict (work) do update \
                   set lease_token = excluded.lease_token, lease_until = excluded.lease_until \
                   where upkeep.lease_until <= $4 or upkeep.lease_token = excluded.lease_token";
        let touched = tx.execute(sql, vec![TURN.into(), lease.into(), (now + ms).into(), now.into()]).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }

    /// Writes as much as a delivery of so many bytes takes, and empties it again.
    pub(super) async fn write_and_empty(&self, bytes: usize) -> Result<(), StoreError> {
        for text in ["x".repeat(bytes.saturating_mul(SPREAD).min(MOST_ROOM)), String::new()] {
            let mut tx = self.db.begin().await?;
            reach(&mut tx, ROOM, &text).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Packs the bodies of the next deliveries that came before this time, milliseconds since 1970 UTC; at most `limit` rows.
    pub async fn pack_deliveries(&self, before: i64, limit: i64) -> Result<Step, StoreError> {
        let sql = "select id, body, packed from deliveries where id > $1 and id < $2 order by id limit $3";
        let reached = self.reached(PACKED).await?;
        let rows = self.db.fetch(sql, vec![reached.into(), bound(before).into(), limit.into()]).await?;
        let (mut step, mut packed) = (Step { looked: rows.len(), ..Step::default() }, Vec::new());
        let mut last = None;
        for row in &rows {
            let (id, body) = (row.text(0)?, row.opt_bytes(1)?.unwrap_or_default());
            let small =
                if row.int(2)? == 1 || body.len() < WORTH { Vec::new() } else { miniz_oxide::deflate::compress_to_vec(&body, LEVEL) };
            if !small.is_empty() && small.len() < body.len() {
                step.before += body.len() as u64;
                step.after += small.len() as u64;
                packed.push(vec![id.as_str().into(), small.into()]);
            }
            last = Some(id);
        }
        let Some(last) = last else { return Ok(step) };
        step.changed = packed.len() as u64;
        let mut tx = self.db.begin().await?;
        // What was emptied or packed since it was read stays as it is.
        let sql = "with k(id, body) as ({rows}) update deliveries set body = k.body, packed = 1 from k \
                   where deliveries.id = k.id and deliveries.packed = 0 and deliveries.body is not null";
        tx.queue(sql, &[Text, Bytes], packed);
        reach(&mut tx, PACKED, &last).await?;
        tx.commit().await?;
        Ok(step)
    }

    /// Empties request and body of the next deliveries that came before this time, milliseconds since 1970 UTC; at most `limit` rows. Dead
    /// ones stay whole, since somebody may mend them yet: they have a quota of their own.
    pub async fn empty_deliveries(&self, before: i64, limit: i64) -> Result<Step, StoreError> {
        let sql = "select id, outcome, body is null and request is null from deliveries where id > $1 and id < $2 order by id limit $3";
        let sql = if self.is_shared() {
            sql.replace("body is null and request is null", "(body is null and request is null)::int::bigint")
        } else {
            sql.to_owned()
        };
        let reached = self.reached(EMPTIED).await?;
        let rows = self.db.fetch(&sql, vec![reached.into(), bound(before).into(), limit.into()]).await?;
        let mut emptied = Vec::new();
        for row in &rows {
            if row.text(1)? != "dead" && row.int(2)? == 0 {
                emptied.push(vec![row.text(0)?.into(), 0_i64.into()]);
            }
        }
        let step = Step { looked: rows.len(), changed: emptied.len() as u64, ..Step::default() };
        let Some(last) = rows.last().map(|it| it.text(0)).transpose()? else { return Ok(step) };
        let mut tx = self.db.begin().await?;
        let sql = "with k(id, packed) as ({rows}) update deliveries set body = null, request = null, packed = k.packed from k \
                   where deliveries.id = k.id and deliveries.outcome <> 'dead'";
        tx.queue(sql, &[Text, Int], emptied);
        reach(&mut tx, EMPTIED, &last).await?;
        tx.commit().await?;
        Ok(step)
    }

    /// Forgets lines of the audit about secrets that are older than this time, milliseconds since 1970 UTC; at most `limit`. Erasures stay.
    pub async fn forget_audit(&self, before: i64, limit: i64) -> Result<u64, StoreError> {
        let bound = bound(before).replace("dlv_", "aud_");
        // A look first, so that most of the time nothing is written.
        let sql = "select id from audit where id < $1 and secret <> '' order by id limit $2";
        let rows = self.db.fetch(sql, vec![bound.clone().into(), limit.into()]).await?;
        let Some(last) = rows.last().map(|it| it.text(0)).transpose()? else { return Ok(0) };
        let mut tx = self.db.begin().await?;
        let touched = tx.execute("delete from audit where id <= $1 and secret <> ''", vec![last.into()]).await?;
        tx.commit().await?;
        Ok(touched)
    }

    /// Forgets keys of requests that are older.
    pub async fn forget_idempotency_keys(&self, before: i64) -> Result<(), StoreError> {
        // A look first, so that most of the time nothing is written.
        let old = "select key from idempotency_keys where created_at < $1 limit 1";
        if self.db.fetch_optional(old, vec![before.into()]).await?.is_none() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        tx.execute("delete from idempotency_keys where created_at < $1", vec![before.into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// How far a kind of work came.
    async fn reached(&self, work: &str) -> Result<String, StoreError> {
        let row = self.db.fetch_optional("select reached from upkeep where work = $1", vec![work.into()]).await?;
        Ok(row.map(|it| it.text(0)).transpose()?.unwrap_or_default())
    }
}

async fn reach(tx: &mut Tx, work: &str, reached: &str) -> sqlx::Result<()> {
    let sql =
        "insert into upkeep (work, reached, lease_until) values ($1, $2, 0) on conflict (work) do update set reached = excluded.reached";
    tx.execute(sql, vec![work.into(), reached.into()]).await?;
    Ok(())
}

/// The id below which are those of deliveries that came before this time.
fn bound(before: i64) -> String {
    DeliveryId::first_of(before).to_string()
}

/// A body as it came.
pub(in crate::store) fn unpacked(body: Option<Vec<u8>>, packed: i64, size: i64) -> sqlx::Result<Option<Vec<u8>>> {
    match body {
        Some(body) if packed == 1 => {
            let most = usize::try_from(size).unwrap_or(0);
            let whole = miniz_oxide::inflate::decompress_to_vec_with_limit(&body, most);
            whole.map(Some).map_err(|error| sqlx::Error::Decode(format!("a packed body cannot be opened: {error}").into()))
        }
        body => Ok(body),
    }
}
