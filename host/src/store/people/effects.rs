//! What follows from a merge or from taking one back: leads, and what the sinks hear.

use std::collections::BTreeMap;

use patchbay_schemas::{Source, Stage, Timestamp};

use super::groups::{places, values};
use crate::clock::timestamp;
use crate::committer::PEOPLE_SHARD;
use crate::ids::{ContactId, InteractionId, LeadId, WorkspaceId};
use crate::rules::ingest::{Ask, Context, Counted, LeadState, NewLead, NewOutbox, title};
use crate::store::{Record, Store, Tx, Value, counters, outbox};

/// Most interactions that are moved to another lead, and told to the sinks, by one change of one person: the newest.
const MOST_MOVED: i64 = 1_000;
/// Most leads of one person that the sinks are told about.
const MOST_LEADS: i64 = 200;

/// What one change of people asks of the sinks.
pub(super) struct Effects<'a> {
    store: &'a Store,
    context: &'a Context,
    workspace: WorkspaceId,
    asks: Vec<(LeadId, Ask)>,
}

impl<'a> Effects<'a> {
    pub(super) fn new(store: &'a Store, context: &'a Context, workspace: WorkspaceId) -> Self {
        Self { store, context, workspace, asks: Vec::new() }
    }

    /// Interactions of these contacts that belong to a lead of somebody else go to a lead of their own person; where there is none, one is opened
    /// if the person turned to us.
    pub(super) async fn bring_home(&mut self, tx: &mut Tx, part: &[ContactId], now: Timestamp) -> sqlx::Result<()> {
        let list = places(2, part.len());
        let sql = format!(
            "select n.id, n.contact_id, n.direction, x.connector, n.connection_id, l.channel, l.connection_id, n.received_at from interactions n \
             join leads l on l.id = n.lead_id join connections x on x.id = n.connection_id \
             where n.workspace_id = $1 and n.contact_id in ({list}) and l.contact_id not in ({list}) order by n.id desc limit {MOST_MOVED}"
        );
        let abroad = tx.fetch(&sql, values(self.workspace, part)).await?;
        if abroad.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "select id from leads where workspace_id = $1 and contact_id in ({list}) \
             order by case when stage in ('interest', 'lead') then 0 else 1 end, id limit 1"
        );
        let home = tx.fetch(&sql, values(self.workspace, part)).await?.first().map(|it| it.id(0)).transpose()?;
        let home = match home {
            Some(lead) => Some(lead),
            None => self.open(tx, part, &abroad, now).await?,
        };
        let moved = abroad.iter().map(|it| it.id(0)).collect::<sqlx::Result<Vec<InteractionId>>>()?;
        let sql = format!("update interactions set lead_id = $2 where workspace_id = $1 and id in ({})", places(3, moved.len()));
        let mut bound: Vec<Value> = vec![self.workspace.into(), home.into()];
        bound.extend(moved.iter().map(|it| Value::from(*it)));
        tx.execute(&sql, bound).await?;
        if let Some(lead) = home {
            self.asks.push((lead, Ask::Upsert));
            self.asks.extend(moved.iter().rev().map(|it| (lead, Ask::Add(*it))));
        }
        Ok(())
    }

    /// A lead for whom turned to us and has none left; none where only we turned to them.
    async fn open(&self, tx: &mut Tx, part: &[ContactId], abroad: &[Record], now: Timestamp) -> sqlx::Result<Option<LeadId>> {
        let mut first = None;
        for row in abroad {
            if row.text(2)? == "in" {
                first = Some(row);
            }
        }
        let Some(first) = first else { return Ok(None) };
        let list = places(2, part.len());
        let sql = format!("select name from contacts where workspace_id = $1 and id in ({list}) and name is not null order by id limit 1");
        let name = tx.fetch(&sql, values(self.workspace, part)).await?.first().map(|it| it.text(0)).transpose()?;
        let sql = format!("select 1 from identities where contact_id in ({}) limit 1", places(1, part.len()));
        let reachable = !tx.fetch(&sql, part.iter().map(|it| Value::from(*it)).collect()).await?.is_empty();
        // The medium stands with the lead that the interaction was counted to, where that came over the same connection.
        let channel = if first.text(4)? == first.text(6)? { first.text(5)? } else { first.text(3)? };
        let stage = if reachable || name.is_some() { Stage::Lead } else { Stage::Interest };
        let title = title(name.as_deref(), None, None, &channel);
        let received_at = timestamp(first.int(7)?);
        let state = LeadState::opened(self.context, self.workspace, first.id(1)?, title, stage, received_at);
        let id: LeadId = self.store.ids.next();
        let lead = NewLead {
            id,
            state,
            channel,
            connection: first.id(4)?,
            source: serde_json::to_string(&Source::default()).expect("a source is plain text in maps"),
            created_at: now,
        };
        crate::store::ingest::write_leads(tx, vec![lead], BTreeMap::new(), now.as_millisecond());
        Ok(Some(id))
    }

    /// The sinks' records of these people's leads show who they are now.
    pub(super) async fn tell_leads(&mut self, tx: &mut Tx, contacts: &[ContactId]) -> sqlx::Result<()> {
        let list = places(2, contacts.len());
        let sql = format!("select id from leads where workspace_id = $1 and contact_id in ({list}) order by id desc limit {MOST_LEADS}");
        for row in tx.fetch(&sql, values(self.workspace, contacts)).await? {
            let lead = row.id(0)?;
            if !self.asks.contains(&(lead, Ask::Upsert)) {
                self.asks.push((lead, Ask::Upsert));
            }
        }
        Ok(())
    }

    /// Puts all of it into the outbox, in the transaction of the change itself.
    pub(super) fn enqueue(self, tx: &mut Tx, now: Timestamp) {
        let mut counted: BTreeMap<_, Counted> = BTreeMap::new();
        let mut rows = Vec::new();
        for (lead, ask) in self.asks {
            for sink in &self.context.sinks {
                counted.entry(*sink).or_default().created += 1;
                rows.push(NewOutbox { id: self.store.ids.next(), workspace: self.workspace, sink: *sink, lead, ask, created_at: now });
            }
        }
        outbox::enqueue(tx, rows, now.as_millisecond());
        counters::add(tx, &counted, PEOPLE_SHARD);
    }
}
