//! Two people do not share a record of a sink.

use std::collections::{BTreeSet, HashMap};

use super::effects::Effects;
use super::groups::{group, places};
use crate::ids::{ConnectionId, InteractionId, LeadId, MergeId, WorkspaceId};
use crate::rules::ingest::{Ask, Context};
use crate::store::{Store, StoreError, Tx, Value};

/// Most interactions of one lead that a new record of it is told: the newest.
const MOST_TOLD: usize = 200;

impl Store {
    /// Parts the records of two people whose merge was taken back while a sink was still merging them; nothing where it stands.
    pub async fn part_merged_records(&self, workspace: WorkspaceId, merge: MergeId, context: &Context) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "select from_id, into_id from merges where workspace_id = $1 and id = $2 and undone_at is not null";
        let rows = tx.fetch(sql, vec![workspace.into(), merge.into()]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        // The older first, as everybody takes them.
        let (Some(here), Some(there)) = (group(&mut tx, workspace, row.id(1)?).await?, group(&mut tx, workspace, row.id(0)?).await?) else {
            return Ok(());
        };
        if here.shown == there.shown {
            return Ok(());
        }
        let mut effects = Effects::new(self, context, workspace);
        let here = effects.leads_of(&mut tx, &here.contacts).await?;
        let there = effects.leads_of(&mut tx, &there.contacts).await?;
        effects.part_records(&mut tx, &here, &there).await?;
        effects.enqueue(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl Effects<'_> {
    /// Where a sink has one record for leads of two people who are parted, because it merged theirs or took one for the other, it stays with
    /// whoever had it first. The other's leads get records of their own, with what was said.
    pub(super) async fn part_records(&mut self, tx: &mut Tx, here: &[LeadId], there: &[LeadId]) -> sqlx::Result<()> {
        if here.is_empty() || there.is_empty() {
            return Ok(());
        }
        let all = [here, there].concat();
        let sql = format!(
            "select r.connection_id, r.remote_id, r.local_id from connections x join external_refs r on r.connection_id = x.id \
             where x.workspace_id = $1 and r.kind = 'lead' and r.local_id in ({}) order by r.created_at, r.local_id",
            places(2, all.len())
        );
        let values = std::iter::once(self.workspace().into()).chain(all.iter().map(|it| Value::from(*it))).collect();
        let ours: BTreeSet<LeadId> = here.iter().copied().collect();
        let mut keepers: HashMap<(ConnectionId, String), bool> = HashMap::new();
        for row in tx.fetch(&sql, values).await? {
            let (sink, record, lead): (ConnectionId, String, LeadId) = (row.id(0)?, row.text(1)?, row.id(2)?);
            let side = ours.contains(&lead);
            if *keepers.entry((sink, record)).or_insert(side) != side {
                self.part_record(tx, sink, lead).await?;
            }
        }
        Ok(())
    }

    async fn part_record(&mut self, tx: &mut Tx, sink: ConnectionId, lead: LeadId) -> sqlx::Result<()> {
        let place = || vec![sink.into(), lead.into()];
        tx.execute("delete from external_refs where connection_id = $1 and kind = 'parted' and local_id = $2", place()).await?;
        let sql = "update external_refs set kind = 'parted', details = '{}' where connection_id = $1 and kind = 'lead' and local_id = $2";
        tx.execute(sql, place()).await?;
        self.ask(lead, Ask::Upsert);
        let sql = format!("select id from interactions where workspace_id = $1 and lead_id = $2 order by id desc limit {MOST_TOLD}");
        let told = tx.fetch(&sql, vec![self.workspace().into(), lead.into()]).await?;
        for interaction in told.iter().rev().map(|it| it.id(0)).collect::<sqlx::Result<Vec<InteractionId>>>()? {
            self.ask_one(sink, lead, Ask::Add(interaction));
        }
        Ok(())
    }
}
