//! Commits a batch of deliveries: load what is known, plan, write, in one transaction.

mod load;
mod people;
mod records;
mod reshown;
mod write;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use load::load;
pub(super) use load::{LEAD_STATE, identity_kind, lead_state};
use reshown::tell_leads;
use write::write;
pub(super) use write::write_leads;

use super::{Store, StoreError, Tx};
use crate::rules::ingest::{Committed, Context, Counted, Intake, Keys, Origin, Outcome, Planner, ReadBy, Reading, Said, sayings};
use crate::rules::link::carried;

/// How often a batch is begun anew when others wrote the same rows.
const MAX_COLLISIONS: u32 = 20;

impl Store {
    /// Commits a batch; the outcome of each delivery, in order. Either all of it lasts or none.
    ///
    /// `shard` is the writer's own row in the sums. On PostgreSQL others may write the same people at the same time: unique keys
    /// stop whoever is later, and the batch is planned anew with what the other one wrote.
    pub async fn ingest(
        &self,
        batch: &[Intake],
        contexts: &HashMap<crate::ids::WorkspaceId, Context>,
        shard: i64,
    ) -> Result<Vec<Committed>, StoreError> {
        for _ in 0..MAX_COLLISIONS {
            match self.try_ingest(batch, contexts, shard).await {
                Err(StoreError::Database(error)) if is_collision(&error) => tracing::debug!(error = %error, "a batch is planned anew"),
                ended => return ended,
            }
        }
        Err(StoreError::Contended(MAX_COLLISIONS))
    }

    async fn try_ingest(
        &self,
        batch: &[Intake],
        contexts: &HashMap<crate::ids::WorkspaceId, Context>,
        shard: i64,
    ) -> Result<Vec<Committed>, StoreError> {
        let mut said: Vec<Vec<Option<Said>>> = batch.iter().map(|it| said_in(it, contexts)).collect();
        let mut tx = self.db.begin().await?;
        tie(&mut tx, batch, &mut said).await?;
        let keys = Keys::of(batch, &said);
        let known = load(&mut tx, keys, have_rules(contexts)).await?;
        let mut planner = Planner::new(&self.ids, contexts, known);
        let outcomes = batch.iter().zip(&said).map(|(it, said)| planner.take(it, said)).collect();
        let Planner { mut plan, known, .. } = planner;
        tell_leads(&mut tx, self, contexts, &mut plan).await?;
        write(&mut tx, plan, &known, self.clock.now_ms(), shard).await?;
        tx.commit().await?;
        self.taken.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(outcomes)
    }
}

impl Store {
    /// Puts what a connector now makes of a kept delivery in the place of what it made before; the new outcome.
    pub async fn redrive_delivery(
        &self,
        before: Outcome,
        intake: &Intake,
        contexts: &HashMap<crate::ids::WorkspaceId, Context>,
        shard: i64,
    ) -> Result<Outcome, StoreError> {
        let mut said = [said_in(intake, contexts)];
        let mut tx = self.db.begin().await?;
        tie(&mut tx, std::slice::from_ref(intake), &mut said).await?;
        let keys = Keys::of(std::slice::from_ref(intake), &said);
        // Events that did not fit the schema may do so now.
        tx.execute("delete from events where delivery_id = $1 and state = 'dead'", vec![intake.id.into()]).await?;
        let mut known = load(&mut tx, keys, have_rules(contexts)).await?;
        // The delivery is in the quarantine already: it takes no further place there.
        known.quarantine.clear();
        let mut planner = Planner::new(&self.ids, contexts, known);
        let after = planner.take(intake, &said[0]).outcome;
        let Planner { mut plan, known, .. } = planner;
        let reason = plan.deliveries.pop().and_then(|it| it.reason);
        if let Some(counted) = plan.counted.get_mut(&intake.origin.connection) {
            *counted = Counted { created: counted.created, ..Counted::default() };
        }
        tell_leads(&mut tx, self, contexts, &mut plan).await?;
        write(&mut tx, plan, &known, self.clock.now_ms(), shard).await?;
        let sql = "update deliveries set outcome = $3, reason = $4, read_version = $5, read_digest = $6 where id = $1 and outcome = $2";
        let ReadBy { version, digest } = &*intake.origin.read_by;
        let (id, version, digest) = (intake.id.into(), version.as_str().into(), digest.as_str().into());
        let values = vec![id, before.as_str().into(), after.as_str().into(), reason.into(), version, digest];
        if tx.execute(sql, values).await? != 1 {
            return Err(StoreError::Gone("the delivery"));
        }
        super::counters::redriven(&mut tx, intake.origin.connection, before, after, shard).await?;
        tx.commit().await?;
        Ok(after)
    }
}

/// Puts what we send into the timeline, in the transaction that puts it into the outbox.
pub(super) async fn take_sent(
    tx: &mut Tx,
    store: &Store,
    intake: &Intake,
    contexts: &HashMap<crate::ids::WorkspaceId, Context>,
) -> sqlx::Result<()> {
    let said = [said_in(intake, contexts)];
    let keys = Keys::of(std::slice::from_ref(intake), &said);
    let known = load(tx, keys, have_rules(contexts)).await?;
    let mut planner = Planner::new(&store.ids, contexts, known);
    planner.take(intake, &said[0]);
    let Planner { plan, known, .. } = planner;
    write(tx, plan, &known, store.clock.now_ms(), crate::committer::DELIVERY_SHARD).await
}

/// Ties people to whom links were made for that they opened. A batch without a token asks the database nothing.
async fn tie(tx: &mut Tx, batch: &[Intake], said: &mut [Vec<Option<Said>>]) -> sqlx::Result<()> {
    let carried = |intake: &Intake| -> Vec<Option<String>> {
        let Reading::Events(events) = &intake.reading else { return Vec::new() };
        events.iter().map(|it| it.body.as_ref().ok().and_then(carried).map(str::to_owned)).collect()
    };
    let tokens: Vec<Vec<Option<String>>> = batch.iter().map(carried).collect();
    let wanted: BTreeSet<String> = tokens.iter().flatten().flatten().cloned().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut links = super::links::load(tx, wanted.into_iter().collect()).await?;
    for ((intake, said), tokens) in batch.iter().zip(said).zip(tokens) {
        let Origin { workspace, connection, .. } = intake.origin;
        for (said, token) in said.iter_mut().zip(tokens) {
            let (Some(said), Some(token)) = (said, token) else { continue };
            let tie = links.get_mut(&(workspace, connection, token)).and_then(|it| it.redeem(intake.received_at));
            if let Some(tie) = tie {
                said.tie(tie, &connection.to_string());
            }
        }
    }
    Ok(())
}

/// True where some workspace decides by rules which lead an interaction belongs to.
fn have_rules(contexts: &HashMap<crate::ids::WorkspaceId, Context>) -> bool {
    contexts.values().any(|it| !it.settings.returning.is_empty())
}

fn said_in(intake: &Intake, contexts: &HashMap<crate::ids::WorkspaceId, Context>) -> Vec<Option<Said>> {
    let context = contexts.get(&intake.origin.workspace);
    sayings(intake, context.map_or("", |it| it.region.as_str()), context.map_or(&[], |it| it.settings.own_identities.as_slice()))
}

fn is_collision(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    // unique_violation, serialization_failure, deadlock_detected
    error.is_unique_violation() || matches!(error.code().as_deref(), Some("40001" | "40P01"))
}
