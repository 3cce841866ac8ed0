//! What each source says of a lead's fields: the words of people in each CRM and in the hub.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use patchbay_schemas::{Lead, RecordFields, Timestamp};
use serde::Serialize;
use serde_json::Value as Json;

use super::db::LookUp;
use super::db::Type::Text;
use super::ingest::{LEAD_STATE, lead_state};
use super::leads::LEAD;
use super::outbox::Told;
use super::{Record, Store, StoreError, Tx};
use crate::ids::{ConnectionId, LeadId, WorkspaceId};
use crate::rules::conflict::{Field, HUB, Sayings, Source, Sources, agree, decide, shown, wrote};
use crate::rules::ingest::{Known, LeadState};

/// What a source said of one field of a lead.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct SayingView {
    /// The field.
    pub field: Field,
    /// The connection's name; `hub`: people here.
    pub source: String,
    /// What it said.
    #[schema(value_type = Object)]
    pub value: Json,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// What was said of a lead's fields, by whom and when: field by field, the last word first, each value once.
    pub async fn sayings(&self, lead: LeadId) -> Result<Vec<SayingView>, StoreError> {
        let sql =
            "select s.says, coalesce(x.name, s.source) from lead_sayings s left join connections x on x.id = s.source where s.lead_id = $1";
        let mut all: Vec<SayingView> = Vec::new();
        for row in self.db.fetch(sql, vec![lead.into()]).await? {
            let (says, source) = (row.json::<Sayings>(0)?, row.text(1)?);
            for (field, saying) in says {
                let mut told = HashSet::new();
                let last = saying.words.into_iter().rev().filter(|it| told.insert(it.value.to_string()));
                all.extend(last.map(|it| SayingView { field, source: source.clone(), at: it.said_at(), value: it.value }));
            }
        }
        all.sort_by(|a, b| a.field.cmp(&b.field).then(b.at.cmp(&a.at)).then_with(|| a.source.cmp(&b.source)));
        Ok(all)
    }

    /// A lead with its person, and what each source says of it, at one moment: what is written shows every word that it is said to know, and what
    /// is said to be overruled is not what it shows.
    pub async fn lead_and_sources(&self, workspace: WorkspaceId, id: LeadId) -> Result<Option<(Lead, Sources)>, StoreError> {
        let sql = format!(
            "select {LEAD}, s.source, coalesce(x.connector, s.source), s.says from leads l join contacts c on c.id = l.contact_id \
             left join lead_sayings s on s.lead_id = l.id left join connections x on x.id = s.source where l.workspace_id = $1 and l.id = $2"
        );
        let mut rows = self.db.fetch(&sql, vec![workspace.into(), id.into()]).await?;
        let mut sources = Sources::new();
        for row in &rows {
            if let Some(source) = row.opt_text(19)? {
                sources.insert(source, Source { connector: row.text(20)?, says: row.json(21)? });
            }
        }
        rows.truncate(1);
        Ok(self.with_people(workspace, rows).await?.into_iter().next().map(|lead| (lead, sources)))
    }

    /// What each source says of a lead, as far as it was heard or written.
    pub async fn sources(&self, lead: LeadId) -> Result<Sources, StoreError> {
        Ok(read(&self.db.fetch(SOURCES, vec![lead.into()]).await?)?)
    }
}

/// What each source says of one lead.
const SOURCES: &str = "select s.source, coalesce(x.connector, s.source), s.says from lead_sayings s \
                       left join connections x on x.id = s.source where s.lead_id = $1";

fn read(rows: &[Record]) -> sqlx::Result<Sources> {
    rows.iter().map(|it| Ok((it.text(0)?, Source { connector: it.text(1)?, says: it.json(2)? }))).collect()
}

/// What was said of these leads, whose rows are ours, and which of their records are being written.
pub(super) async fn load(tx: &mut Tx, leads: impl Iterator<Item = LeadId>, known: &mut Known) -> sqlx::Result<()> {
    let leads = leads.map(|it| vec![it.to_string()]).collect();
    let records: BTreeSet<_> = known.references.iter().map(|((sink, _), lead)| (*sink, *lead)).collect();
    let records = records.into_iter().map(|(sink, lead)| vec![sink.to_string(), lead.to_string()]).collect();
    // A lane whose worker died keeps its token, and a row that was tried its tries.
    let sql = "with k(lead_id) as ({rows}), r(connection_id, lane) as ({rows}) \
               select s.lead_id, s.source, coalesce(x.connector, s.source), s.says from k \
               join lead_sayings s on s.lead_id = k.lead_id left join connections x on x.id = s.source \
               union all \
               select r.lane, r.connection_id, null, null from r \
               where exists (select 1 from lanes l where l.connection_id = r.connection_id and l.lane = r.lane and l.lease_token is not null) \
               or exists (select 1 from outbox o where o.connection_id = r.connection_id and o.lane = r.lane and o.state = 'pending' \
                          and o.kind = 'lead.upsert' and o.attempts > 0)";
    for row in tx.look_up(sql, 4, [LookUp { columns: 1, rows: leads }, LookUp { columns: 2, rows: records }]).await? {
        let lead = row.id(0)?;
        if row.opt_text(3)?.is_none() {
            known.in_flight.insert((row.id(1)?, lead));
            continue;
        }
        let source = Source { connector: row.text(2)?, says: row.json(3)? };
        known.sources.entry(lead).or_default().insert(row.text(1)?, source);
    }
    Ok(())
}

/// Forgets what a record says of a person; what it says of the lead stays.
pub(super) async fn forget_person(tx: &mut Tx, lead: LeadId, source: &str) -> sqlx::Result<()> {
    let sql = "select says from lead_sayings where lead_id = $1 and source = $2";
    for row in tx.fetch(sql, vec![lead.into(), source.into()]).await? {
        let mut says: Sayings = row.json(0)?;
        says.retain(|field, _| !field.is_of_person());
        write(tx, BTreeMap::from([((lead, source.to_owned()), says)]));
    }
    Ok(())
}

/// Queues what sources say from now on.
pub(super) fn write(tx: &mut Tx, sayings: BTreeMap<(LeadId, String), Sayings>) {
    let rows = sayings.into_iter().map(|((lead, source), says)| {
        let says = serde_json::to_string(&says).expect("fields by name are JSON");
        vec![lead.into(), source.into(), says.into()]
    });
    let sql = "with k(lead_id, source, says) as ({rows}) insert into lead_sayings (lead_id, source, says) select lead_id, source, says from k \
               where true on conflict (lead_id, source) do update set says = excluded.says";
    tx.queue(sql, &[Text, Text, Text], rows.collect());
}

/// Notes what people in the hub decided of a lead, whose row is ours. `before`: how it was.
pub(super) async fn write_decision(
    tx: &mut Tx,
    lead: LeadId,
    fields: &RecordFields,
    before: &LeadState,
    at: Timestamp,
) -> sqlx::Result<()> {
    let mut sources = read(&tx.fetch(SOURCES, vec![lead.into()]).await?)?;
    decide(&mut sources, fields, &shown(before), at);
    if let Some(here) = sources.remove(HUB) {
        write(tx, BTreeMap::from([((lead, HUB.to_owned()), here.says)]));
    }
    Ok(())
}

/// What a sink says of a lead, whose row is ours, once its record shows what it was told; none: as before. False: that is not certain, or the lead
/// shows something else by now.
pub(super) async fn told(tx: &mut Tx, sink: ConnectionId, told: &Told) -> sqlx::Result<(Option<Sayings>, bool)> {
    let sql = format!("select {LEAD_STATE}, s.says from leads left join lead_sayings s on s.lead_id = id and s.source = $2 where id = $1");
    // An erased lead is nobody's any more.
    let Some(row) = tx.fetch(&sql, vec![told.lead.into(), sink.into()]).await?.into_iter().next() else { return Ok((None, true)) };
    let before: Sayings = if row.opt_text(13)?.is_some() { row.json(13)? } else { Sayings::new() };
    let mut after = before.clone();
    let is_certain = wrote(&mut after, &told.writing);
    let agrees = is_certain && agree(&told.writing.fields, &shown(&lead_state(&row, 0)?.1));
    Ok((Some(after).filter(|it| *it != before), agrees))
}
