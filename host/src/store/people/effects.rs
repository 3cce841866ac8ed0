//! What follows from a merge or from taking one back: leads, and what the sinks hear.

use std::collections::{BTreeMap, BTreeSet};

use patchbay_schemas::{Source, Stage, Timestamp};

use super::groups::{places, values};
use crate::clock::timestamp;
use crate::committer::PEOPLE_SHARD;
use crate::ids::{ConnectionId, ContactId, InteractionId, LeadId, MergeId, WorkspaceId};
use crate::rules::ingest::{Ask, Context, Counted, LeadState, MergeNote, MergeStep, NewLead, NewOutbox, title};
use crate::store::imports::only_read;
use crate::store::{Record, Store, Tx, Value, counters, outbox};

/// Most interactions that are moved to another lead, and told to the sinks, by one change of one person: the newest.
const MOST_MOVED: i64 = 1_000;
/// Most leads of one person that the sinks are told about.
const MOST_LEADS: i64 = 200;

/// What one change of people asks of the sinks.
pub(in crate::store) struct Effects<'a> {
    store: &'a Store,
    context: &'a Context,
    workspace: WorkspaceId,
    asks: Vec<(LeadId, Ask)>,
    /// What one sink alone is asked.
    alone: Vec<(ConnectionId, LeadId, Ask)>,
    /// Leads that are told of for nothing but their person.
    reshown: BTreeSet<LeadId>,
}

impl<'a> Effects<'a> {
    pub(in crate::store) fn new(store: &'a Store, context: &'a Context, workspace: WorkspaceId) -> Self {
        Self { store, context, workspace, asks: Vec::new(), alone: Vec::new(), reshown: BTreeSet::new() }
    }

    /// One more thing that the sinks are asked.
    pub(in crate::store) fn ask(&mut self, lead: LeadId, ask: Ask) {
        self.asks.push((lead, ask));
    }

    /// One more thing that this sink alone is asked, unless all are.
    pub(super) fn ask_one(&mut self, sink: ConnectionId, lead: LeadId, ask: Ask) {
        if self.context.sinks.contains(&sink) && !self.asks.contains(&(lead, ask.clone())) {
            self.alone.push((sink, lead, ask));
        }
    }

    pub(super) fn workspace(&self) -> WorkspaceId {
        self.workspace
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
        let reachable = is_reachable(tx, self.workspace, part).await?;
        // The medium stands with the lead that the interaction was counted to, where that came over the same connection.
        let channel = if first.text(4)? == first.text(6)? { first.text(5)? } else { first.text(3)? };
        let stage = if reachable { Stage::Lead } else { Stage::Interest };
        let title = title(name.as_deref(), None, None, &channel);
        let received_at = timestamp(first.int(7)?);
        let state = LeadState::opened(self.context, self.workspace, first.id(1)?, title, stage, received_at);
        let id: LeadId = self.store.ids.next();
        let lead = NewLead { id, state, channel, connection: first.id(4)?, source: Source::default(), form: None, created_at: now };
        crate::store::ingest::write_leads(tx, vec![lead], BTreeMap::new(), now.as_millisecond());
        Ok(Some(id))
    }

    /// The sinks' records of these people's leads show who they are now. An interest of somebody who can be reached by now is a lead.
    pub(super) async fn tell_leads(&mut self, tx: &mut Tx, contacts: &[ContactId], now: Timestamp) -> sqlx::Result<()> {
        let list = places(2, contacts.len());
        let sql = format!("select distinct coalesce(merged_into, id) from contacts where workspace_id = $1 and id in ({list})");
        for row in tx.fetch(&sql, values(self.workspace, contacts)).await? {
            let shown: ContactId = row.id(0)?;
            let sql = "update leads set stage = 'lead', stage_at = $3, updated_at = $3 where workspace_id = $1 and stage = 'interest' \
                       and contact_id in (select id from contacts where id = $2 or merged_into = $2) \
                       and exists (select 1 from contacts where (id = $2 or merged_into = $2) and (reach = 2 or name is not null))";
            tx.execute(sql, vec![self.workspace.into(), shown.into(), now.as_millisecond().into()]).await?;
        }
        for lead in self.leads_of(tx, contacts).await? {
            if !self.asks.contains(&(lead, Ask::Upsert)) {
                self.reshown.insert(lead);
                self.asks.push((lead, Ask::Upsert));
            }
        }
        Ok(())
    }

    /// The sinks' records of two people's leads say that they were merged, or taken apart again.
    pub(super) async fn tell_merge(
        &mut self,
        tx: &mut Tx,
        (merge, step): (MergeId, MergeStep),
        (here, there): (&[ContactId], &[ContactId]),
    ) -> sqlx::Result<()> {
        let here = self.leads_of(tx, here).await?;
        if !here.is_empty() {
            let there = self.leads_of(tx, there).await?;
            if step == MergeStep::Unmerged {
                self.part_records(tx, &here, &there).await?;
            }
            self.asks.extend(MergeNote::for_both(merge, step, &here, &there));
        }
        Ok(())
    }

    /// The newest leads of these contacts.
    pub(super) async fn leads_of(&self, tx: &mut Tx, contacts: &[ContactId]) -> sqlx::Result<Vec<LeadId>> {
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let list = places(2, contacts.len());
        let sql = format!("select id from leads where workspace_id = $1 and contact_id in ({list}) order by id desc limit {MOST_LEADS}");
        tx.fetch(&sql, values(self.workspace, contacts)).await?.iter().map(|it| it.id(0)).collect()
    }

    /// Puts all of it into the outbox, in the transaction of the change itself. A lead that was only imported is nothing that sinks hear of
    /// because its person is shown otherwise.
    pub(in crate::store) async fn enqueue(self, tx: &mut Tx, now: Timestamp) -> sqlx::Result<()> {
        let pairs: Vec<_> = self.asks.iter().flat_map(|(lead, _)| self.context.sinks.iter().map(|sink| (*sink, *lead))).collect();
        let silent = only_read(tx, &pairs).await?;
        let mut counted: BTreeMap<_, Counted> = BTreeMap::new();
        let mut rows = Vec::new();
        let of_person = |lead: &LeadId, ask: &Ask| matches!(ask, Ask::Note(_)) || (*ask == Ask::Upsert && self.reshown.contains(lead));
        let heard = self.asks.into_iter().filter(|(lead, ask)| !(silent.contains(lead) && of_person(lead, ask)));
        let of_all = heard.flat_map(|(lead, ask)| self.context.sinks.iter().map(move |sink| (*sink, lead, ask.clone())));
        for (sink, lead, ask) in self.alone.into_iter().chain(of_all) {
            counted.entry(sink).or_default().created += 1;
            rows.push(NewOutbox { id: self.store.ids.next(), workspace: self.workspace, sink, lead, ask, created_at: now });
        }
        outbox::enqueue(tx, rows, now.as_millisecond());
        counters::add(tx, &counted, PEOPLE_SHARD);
        Ok(())
    }
}

/// True where something leads to one of these contacts, or a name is known.
async fn is_reachable(tx: &mut Tx, workspace: WorkspaceId, part: &[ContactId]) -> sqlx::Result<bool> {
    let list = places(2, part.len());
    let sql = format!("select 1 from contacts where workspace_id = $1 and id in ({list}) and (reach = 2 or name is not null) limit 1");
    Ok(!tx.fetch(&sql, values(workspace, part)).await?.is_empty())
}
