//! Everything that the hub holds of one person, found for export and for erasure.
//!
//! What points at a contact is found by keys, in the transaction that uses it. What nothing points at (dead letters, reports of what became of
//! messages, what connectors remember) is found by reading all of it, before that transaction.

use std::collections::{BTreeMap, BTreeSet};

use patchbay_schemas::EventBody;

use super::groups::{group, places, values};
use crate::ids::{ContactId, ConversationId, DeliveryId, EventId, InteractionId, LeadId, OutboxId, WorkspaceId};
use crate::rules::needles::Needles;
use crate::store::ingest::identity_kind;
use crate::store::retention::unpacked;
use crate::store::{Record, Store, StoreError, Tx, Value};

/// Rows that are read at once.
const PAGE: i64 = 500;

/// What is found by reading everything.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// What was looked for.
    pub(super) needles: Needles,
    /// Events about the person that are no interactions, or that did not fit their schema.
    pub(super) events: BTreeSet<EventId>,
    /// Deliveries that no event came of, with the person's data in body or request.
    pub(super) deliveries: BTreeSet<DeliveryId>,
    /// Such deliveries that hold the person's whole name and nothing else of theirs: a namesake's, perhaps.
    pub(super) named: Vec<DeliveryId>,
    /// Blocking keys of the person's contacts.
    pub(super) blocks: Vec<(i64, ContactId)>,
    /// What connectors remember: connection and key.
    pub(super) state: Vec<(String, String)>,
    /// What records of other people's leads say: lead and connection.
    pub(super) sayings: Vec<(LeadId, String)>,
    /// Conversations of the person in which others spoke too, each with the one of them who did so first.
    pub(super) shared: BTreeMap<ConversationId, ContactId>,
}

/// What points at a person.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// The contact that shows the person.
    pub(super) shown: Option<ContactId>,
    /// All contacts of the person.
    pub(super) contacts: Vec<ContactId>,
    pub(super) leads: Vec<LeadId>,
    pub(super) conversations: Vec<ConversationId>,
    pub(super) interactions: Vec<InteractionId>,
    pub(super) events: BTreeSet<EventId>,
    pub(super) deliveries: BTreeSet<DeliveryId>,
    /// Of these, those that hold events of other people too.
    pub(super) shared: BTreeSet<DeliveryId>,
    /// Rows of the outbox.
    pub(super) commands: Vec<OutboxId>,
    /// What CRMs and messengers keep of the person: connection's name, kind, the vendor's id.
    pub(super) records: Vec<Remote>,
}

/// A record of the person at a vendor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Remote {
    /// The connection's name.
    pub connection: String,
    /// The connector's id.
    pub connector: String,
    /// `lead`, `parted`: a record that stayed with another person, `person`: a contact of a CRM, `interaction`, `message` or `call`
    pub kind: String,
    /// The vendor's id.
    pub id: String,
}

/// Ids in statements of so many at a time.
pub(super) async fn by_chunks<T: Copy + Into<Value>>(tx: &mut Tx, sql: &str, ids: &[T]) -> sqlx::Result<Vec<Record>> {
    let mut found = Vec::new();
    for ids in ids.chunks(500) {
        found.extend(tx.fetch(&sql.replace("{list}", &places(1, ids.len())), ids.iter().map(|it| (*it).into()).collect()).await?);
    }
    Ok(found)
}

/// The same, for writing; rows touched.
pub(super) async fn write_by_chunks<T: Copy + Into<Value>>(tx: &mut Tx, sql: &str, ids: &[T]) -> sqlx::Result<u64> {
    let mut touched = 0;
    for ids in ids.chunks(500) {
        touched += tx.execute(&sql.replace("{list}", &places(1, ids.len())), ids.iter().map(|it| (*it).into()).collect()).await?;
    }
    Ok(touched)
}

/// What points at a person, whom nobody changes meanwhile. None: there is no such contact.
pub(super) async fn owned(tx: &mut Tx, workspace: WorkspaceId, contact: ContactId) -> sqlx::Result<Option<Owned>> {
    let Some(group) = group(tx, workspace, contact).await? else { return Ok(None) };
    let contacts = group.contacts;
    let list = places(2, contacts.len());
    let bound = || values(workspace, &contacts);
    let ids = |sql: &str| format!("{sql} workspace_id = $1 and contact_id in ({list}) order by id");
    let leads: Vec<LeadId> = ids_of(&tx.fetch(&ids("select id from leads where"), bound()).await?)?;
    let conversations: Vec<ConversationId> = ids_of(&tx.fetch(&ids("select id from conversations where"), bound()).await?)?;
    let rows = tx.fetch(&ids("select id, event_id from interactions where"), bound()).await?;
    let interactions: Vec<InteractionId> = ids_of(&rows)?;
    let mut events = rows.iter().map(|it| it.id(1)).collect::<sqlx::Result<BTreeSet<EventId>>>()?;
    for row in by_chunks(tx, "select event_id from call_steps where interaction_id in ({list})", &interactions).await? {
        events.insert(row.id(0)?);
    }
    let mut lanes: Vec<Value> = leads.iter().map(|it| Value::from(*it)).collect();
    lanes.extend(conversations.iter().map(|it| Value::from(*it)));
    let mut commands = Vec::new();
    for lanes in lanes.chunks(500) {
        let sql = format!(
            "select o.id from connections x join outbox o on o.connection_id = x.id and o.lane in ({}) where x.workspace_id = $1 order by o.id",
            places(2, lanes.len())
        );
        commands.extend(ids_of(&tx.fetch(&sql, std::iter::once(workspace.into()).chain(lanes.iter().cloned()).collect()).await?)?);
    }
    let mut locals: Vec<Value> = lanes;
    locals.extend(interactions.iter().map(|it| Value::from(*it)));
    locals.extend(commands.iter().map(|it: &OutboxId| Value::from(*it)));
    let mut records = Vec::new();
    for locals in locals.chunks(500) {
        let sql = format!(
            "select x.name, x.connector, r.kind, r.remote_id from connections x join external_refs r on r.connection_id = x.id \
             and r.kind in ('lead', 'parted', 'person', 'interaction', 'message', 'call') and r.local_id in ({}) where x.workspace_id = $1 order by r.kind desc, r.created_at",
            places(2, locals.len())
        );
        for row in tx.fetch(&sql, std::iter::once(workspace.into()).chain(locals.iter().cloned()).collect()).await? {
            records.push(Remote { connection: row.text(0)?, connector: row.text(1)?, kind: row.text(2)?, id: row.text(3)? });
        }
    }
    let mut owned =
        Owned { shown: group.shown, contacts, leads, conversations, interactions, events, commands, records, ..Owned::default() };
    add_deliveries(tx, &mut owned).await?;
    Ok(Some(owned))
}

/// The deliveries in which the person's events came, and which of them others share.
pub(super) async fn add_deliveries(tx: &mut Tx, owned: &mut Owned) -> sqlx::Result<()> {
    let events: Vec<EventId> = owned.events.iter().copied().collect();
    for row in by_chunks(tx, "select distinct delivery_id from events where id in ({list}) and delivery_id is not null", &events).await? {
        owned.deliveries.insert(row.id(0)?);
    }
    let deliveries: Vec<DeliveryId> = owned.deliveries.iter().copied().collect();
    for row in by_chunks(tx, "select delivery_id, id from events where delivery_id in ({list}) and kind <> 'erased'", &deliveries).await? {
        if !owned.events.contains(&row.id(1)?) {
            owned.shared.insert(row.id(0)?);
        }
    }
    Ok(())
}

fn ids_of<K: crate::ids::Named>(rows: &[Record]) -> sqlx::Result<Vec<crate::ids::Id<K>>> {
    rows.iter().map(|it| it.id(0)).collect()
}

impl Store {
    /// Reads what nothing points at, and notes what is the person's. None: there is no such contact.
    pub(super) async fn scan(&self, workspace: WorkspaceId, contact: ContactId) -> Result<Option<Scanned>, StoreError> {
        let Some(contacts) = self.contacts_of(workspace, contact).await? else { return Ok(None) };
        let mut found = Scanned { needles: self.needles(workspace, &contacts).await?, ..Scanned::default() };
        let list = places(2, contacts.len());
        let sql = format!(
            "select r.remote_id from leads l join external_refs r on r.kind = 'lead' and r.local_id = l.id \
             where l.workspace_id = $1 and l.contact_id in ({list})"
        );
        let records = self.db.fetch(&sql, values(workspace, &contacts)).await?;
        let records = records.iter().map(|it| it.text(0)).collect::<sqlx::Result<BTreeSet<String>>>()?;
        self.scan_events(workspace, &records, &mut found).await?;
        self.scan_deliveries(workspace, &mut found).await?;
        let sql = "select s.connection_id, s.key, s.value from connections x join connector_state s on s.connection_id = x.id where x.workspace_id = $1";
        for row in self.db.fetch(sql, vec![workspace.into()]).await? {
            let key = row.text(1)?;
            if found.needles.found_in(key.as_bytes()) || row.opt_bytes(2)?.is_some_and(|it| found.needles.found_in(&it)) {
                found.state.push((row.text(0)?, key));
            }
        }
        self.scan_sayings(workspace, &mut found).await?;
        let alone = places(1, contacts.len());
        let bound = || contacts.iter().map(|it| Value::from(*it)).collect::<Vec<_>>();
        for row in self.db.fetch(&format!("select key, contact_id from blocks where contact_id in ({alone})"), bound()).await? {
            found.blocks.push((row.int(0)?, row.id(1)?));
        }
        // Interactions have no index by conversation, which each of them would pay for.
        let sql = format!(
            "select n.conversation_id, n.contact_id, min(n.id) from interactions n where n.workspace_id = $1 and n.contact_id not in ({list}) \
             and n.conversation_id in (select v.id from conversations v where v.workspace_id = $1 and v.contact_id in ({list})) \
             group by n.conversation_id, n.contact_id order by 3"
        );
        for row in self.db.fetch(&sql, values(workspace, &contacts)).await? {
            let contact = row.id(1)?;
            found.shared.entry(row.id(0)?).or_insert(contact);
        }
        Ok(Some(found))
    }

    /// All contacts that are one person.
    pub(super) async fn contacts_of(&self, workspace: WorkspaceId, contact: ContactId) -> Result<Option<Vec<ContactId>>, StoreError> {
        let sql = "select c.id from contacts a join contacts c on c.id = coalesce(a.merged_into, a.id) or c.merged_into = coalesce(a.merged_into, a.id) \
                   where a.workspace_id = $1 and a.id = $2 order by c.id";
        let contacts: Vec<ContactId> = ids_of(&self.db.fetch(sql, vec![workspace.into(), contact.into()]).await?)?;
        Ok(Some(contacts).filter(|it| !it.is_empty()))
    }

    /// What the person is found by: identities that no other person has as well, and names.
    async fn needles(&self, workspace: WorkspaceId, contacts: &[ContactId]) -> Result<Needles, StoreError> {
        let mut needles = Needles::default();
        let list = places(2, contacts.len());
        let sql = format!(
            "select i.kind, i.value, i.shown, i.label from identities i join contacts c on c.id = i.contact_id \
             where c.workspace_id = $1 and i.contact_id in ({list}) and not exists (select 1 from identities o \
             where o.workspace_id = i.workspace_id and o.kind = i.kind and o.value = i.value and o.contact_id not in ({list}))"
        );
        for row in self.db.fetch(&sql, values(workspace, contacts)).await? {
            let kind = identity_kind(&row.text(0)?)?;
            for value in [Some(row.text(1)?), row.opt_text(2)?].into_iter().flatten() {
                needles.identity(kind, &value);
            }
            if let Some(label) = row.opt_text(3)? {
                needles.account(&label);
            }
        }
        let sql = format!("select name from contacts where workspace_id = $1 and id in ({list}) and name is not null");
        for row in self.db.fetch(&sql, values(workspace, contacts)).await? {
            needles.name(&row.text(0)?);
        }
        Ok(needles)
    }

    async fn scan_sayings(&self, workspace: WorkspaceId, found: &mut Scanned) -> Result<(), StoreError> {
        let sql = "select s.lead_id, s.source, s.says from leads l join lead_sayings s on s.lead_id = l.id \
                   where l.workspace_id = $1 and (s.lead_id > $2 or (s.lead_id = $2 and s.source > $3)) order by s.lead_id, s.source limit $4";
        let (mut lead, mut source) = (String::new(), String::new());
        loop {
            let rows = self.db.fetch(sql, vec![workspace.into(), lead.as_str().into(), source.as_str().into(), PAGE.into()]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            (lead, source) = (last.text(0)?, last.text(1)?);
            for row in &rows {
                let says = row.text(2)?;
                if found.needles.found_in(says.as_bytes()) || found.needles.named_in(says.as_bytes()) {
                    found.sayings.push((row.id(0)?, row.text(1)?));
                }
            }
        }
    }

    async fn scan_events(&self, workspace: WorkspaceId, records: &BTreeSet<String>, found: &mut Scanned) -> Result<(), StoreError> {
        let sql = "select id, kind, state, payload from events where workspace_id = $1 and id > $2 \
                   and (state = 'dead' or kind in ('status', 'record', 'person', 'other')) order by id limit $3";
        let mut after = String::new();
        loop {
            let rows = self.db.fetch(sql, vec![workspace.into(), after.as_str().into(), PAGE.into()]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.text(0)?;
            for row in &rows {
                let payload = row.text(3)?;
                let is_record = || {
                    let body = serde_json::from_str(&payload).ok().and_then(|it| EventBody::parse("record", it).ok());
                    matches!(body, Some(EventBody::Record(it)) if records.contains(&it.external_id))
                };
                if found.needles.found_in(payload.as_bytes()) || (row.text(1)? == "record" && is_record()) {
                    found.events.insert(row.id(0)?);
                }
            }
        }
    }

    /// Deliveries that no event came of: bodies of dead and refused ones, and the requests of all.
    async fn scan_deliveries(&self, workspace: WorkspaceId, found: &mut Scanned) -> Result<(), StoreError> {
        let sql = "select d.id, d.request, d.body, d.reason, d.packed, d.size from deliveries d where d.workspace_id = $1 and d.id > $2 \
                   and (d.outcome in ('dead', 'refused') or (d.request is not null and d.outcome in ('duplicate', 'ignored'))) order by d.id limit $3";
        let mut after = String::new();
        loop {
            let rows = self.db.fetch(sql, vec![workspace.into(), after.as_str().into(), PAGE.into()]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.text(0)?;
            for row in &rows {
                let body = unpacked(row.opt_bytes(2)?, row.int(4)?, row.int(5)?)?;
                let parts = [row.opt_text(1)?.map(String::into_bytes), body, row.opt_text(3)?.map(String::into_bytes)];
                if parts.iter().flatten().any(|it| found.needles.found_in(it)) {
                    found.deliveries.insert(row.id(0)?);
                } else if parts.iter().flatten().any(|it| found.needles.named_in(it)) {
                    found.named.push(row.id(0)?);
                }
            }
        }
    }
}
