//! Erases one person everywhere: rows that are theirs alone go, rows that sums count stay without anything in them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::belongings::{Owned, Remote, Scanned, add_deliveries, by_chunks, owned, write_by_chunks};
use super::groups::{places, values};
use crate::committer::PEOPLE_SHARD;
use crate::ids::{AuditId, ConnectionId, ContactId, DeliveryId, EventId, WorkspaceId};
use crate::rules::ingest::Outcome;
use crate::store::audit::note_erasure;
use crate::store::counters::{self, Ends};
use crate::store::{Store, StoreError, Tx, Value};

/// What stands in the place of what was erased.
const ERASED: &str = "hub.erased: what it said of a person was erased";
/// Most bytes that one trace of a person takes in a file, however it is spelled.
const LONGEST_TRACE: usize = 1_024;
/// How often it begins anew because people changed meanwhile.
const MOST_RETRIES: usize = 5;

/// What is erased, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Erasure {
    /// Contacts that are the person.
    pub contacts: usize,
    /// Leads.
    pub leads: usize,
    /// Conversations; those in which others spoke too stay, without the person.
    pub conversations: usize,
    /// Interactions.
    pub interactions: usize,
    /// Events; each leaves a row without content, because sums count it.
    pub events: usize,
    /// Deliveries whose raw bytes go; each leaves a row without content.
    pub deliveries: usize,
    /// Of these, those in which other people's events came too: their events stay, the raw bytes go.
    pub shared_deliveries: usize,
    /// Commands; each leaves a row without content. Those that waited end as superseded.
    pub commands: usize,
    /// What connectors remembered.
    pub state: usize,
    /// Dead letters that hold the person's whole name and nothing else of theirs. They stay: look at them.
    pub named: Vec<DeliveryId>,
    /// What CRMs and messengers keep of the person. The hub cannot erase there: it must be done by hand.
    pub remote: Vec<Remote>,
}

/// What became of a wish to erase.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Erased {
    /// What was erased.
    #[serde(flatten)]
    pub erasure: Erasure,
    /// The entry in the audit: `aud_…`
    pub audit: AuditId,
    /// How sure it is that the database's files hold nothing of it any more.
    pub files: Files,
}

/// What is known of the database's files after an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Files {
    /// They were searched, and hold none of the phones, addresses, accounts and whole names.
    Clean,
    /// The same text still stands in them: in other people's records, or in a log that another process keeps open.
    Found,
    /// Dead rows were vacuumed away; the server's files are not for the hub to search.
    Vacuumed,
}

impl Store {
    /// What an erasure would erase; none where there is no such contact.
    pub async fn erasure(&self, workspace: WorkspaceId, contact: ContactId) -> Result<Option<Erasure>, StoreError> {
        let Some(scanned) = self.scan(workspace, contact).await? else { return Ok(None) };
        let mut tx = self.db.begin().await?;
        let found = owned(&mut tx, workspace, contact).await?;
        let Some(mut owned) = found else { return Ok(None) };
        owned.events.extend(&scanned.events);
        add_deliveries(&mut tx, &mut owned).await?;
        tx.commit().await?;
        Ok(Some(summary(&owned, &scanned)))
    }

    /// Erases a person everywhere. `author` is who wants it. None: there is no such contact.
    pub async fn erase_contact(&self, workspace: WorkspaceId, contact: ContactId, author: &str) -> Result<Option<Erased>, StoreError> {
        for _ in 0..MOST_RETRIES {
            let Some(scanned) = self.scan(workspace, contact).await? else { return Ok(None) };
            self.db.overwrite_deleted(true).await?;
            let done = self.try_erase(workspace, contact, author, &scanned).await;
            self.db.overwrite_deleted(false).await?;
            let Some((erasure, audit)) = done? else { continue };
            let needles = &scanned.needles;
            let holds = |bytes: &[u8]| needles.stored_in(bytes) || needles.found_in(bytes) || needles.named_in(bytes);
            let clean = self.db.scrub(LONGEST_TRACE.max(needles.longest()), holds).await?;
            let files = match clean {
                Some(true) => Files::Clean,
                Some(false) => Files::Found,
                None => Files::Vacuumed,
            };
            return Ok(Some(Erased { erasure, audit, files }));
        }
        Err(StoreError::Contended(u32::try_from(MOST_RETRIES).unwrap_or(u32::MAX)))
    }

    /// None: people changed meanwhile.
    async fn try_erase(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        author: &str,
        scanned: &Scanned,
    ) -> Result<Option<(Erasure, AuditId)>, StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(mut owned) = owned(&mut tx, workspace, contact).await? else { return Ok(None) };
        // Whoever joined the person after everything was read was not looked for.
        let known = self.contacts_of(workspace, contact).await?.unwrap_or_default();
        if known != owned.contacts {
            return Ok(None);
        }
        owned.events.extend(&scanned.events);
        add_deliveries(&mut tx, &mut owned).await?;
        let erasure = summary(&owned, scanned);
        let now = self.clock.now_ms();
        empty_commands(&mut tx, workspace, &owned, now).await?;
        empty_events(&mut tx, &owned).await?;
        empty_deliveries(&mut tx, &owned, scanned).await?;
        forget_people(&mut tx, workspace, &owned, scanned).await?;
        forget_words(&mut tx, workspace, scanned).await?;
        let audit: AuditId = self.ids.next();
        let details = serde_json::json!({
            "contacts": erasure.contacts, "leads": erasure.leads, "conversations": erasure.conversations, "interactions": erasure.interactions,
            "events": erasure.events, "deliveries": erasure.deliveries, "commands": erasure.commands, "state": erasure.state,
            "remote": erasure.remote.len(),
        });
        let subject = owned.shown.unwrap_or(contact);
        note_erasure(&mut tx, audit, (workspace, subject), (author, &details), now).await?;
        tx.commit().await?;
        Ok(Some((erasure, audit)))
    }
}

fn summary(owned: &Owned, scanned: &Scanned) -> Erasure {
    Erasure {
        contacts: owned.contacts.len(),
        leads: owned.leads.len(),
        conversations: owned.conversations.len(),
        interactions: owned.interactions.len(),
        events: owned.events.len(),
        deliveries: owned.deliveries.union(&scanned.deliveries).count(),
        shared_deliveries: owned.shared.len(),
        commands: owned.commands.len(),
        state: scanned.state.len(),
        named: scanned.named.clone(),
        remote: owned.records.clone(),
    }
}

/// What was asked of vendors stays counted, and says nothing any more. What waits, or was given up, is superseded: there is nothing to do.
async fn empty_commands(tx: &mut Tx, workspace: WorkspaceId, owned: &Owned, now: i64) -> sqlx::Result<()> {
    let mut moved: BTreeMap<ConnectionId, Ends> = BTreeMap::new();
    let sql = "select connection_id, state from outbox where id in ({list}) and state in ('pending', 'dead')";
    for row in by_chunks(tx, sql, &owned.commands).await? {
        let ends = moved.entry(row.id(0)?).or_default();
        ends.superseded += 1;
        ends.dead -= i64::from(row.text(1)? == "dead");
    }
    counters::ended(tx, &moved, PEOPLE_SHARD);
    let sql = format!(
        "update outbox set payload = case when payload is null then null else '{{}}' end, reason = null, \
         finished_at = coalesce(finished_at, {now}), state = case when state in ('pending', 'dead') then 'superseded' else state end \
         where id in ({{list}})"
    );
    write_by_chunks(tx, &sql, &owned.commands).await?;
    write_by_chunks(tx, "update attempts set message = null where outbox_id in ({list})", &owned.commands).await?;
    let mut lanes: Vec<String> = owned.leads.iter().map(ToString::to_string).collect();
    lanes.extend(owned.conversations.iter().map(ToString::to_string));
    for lane in lanes {
        let sql = "delete from lanes where lane = $2 and connection_id in (select id from connections where workspace_id = $1)";
        tx.execute(sql, vec![workspace.into(), lane.into()]).await?;
    }
    Ok(())
}

async fn empty_events(tx: &mut Tx, owned: &Owned) -> sqlx::Result<()> {
    write_by_chunks(tx, "delete from call_steps where interaction_id in ({list})", &owned.interactions).await?;
    write_by_chunks(tx, "delete from interactions where id in ({list})", &owned.interactions).await?;
    let events: Vec<EventId> = owned.events.iter().copied().collect();
    let sql = "update events set kind = 'erased', key = 'erased:' || id, state = 'accepted', reason = null, occurred_at = null, payload = '{}' \
               where id in ({list})";
    write_by_chunks(tx, sql, &events).await?;
    Ok(())
}

async fn empty_deliveries(tx: &mut Tx, owned: &Owned, scanned: &Scanned) -> sqlx::Result<()> {
    let deliveries: Vec<DeliveryId> = owned.deliveries.union(&scanned.deliveries).copied().collect();
    let sql = "select connection_id, count(*) from deliveries where id in ({list}) and outcome = 'dead' group by connection_id";
    for row in by_chunks(tx, sql, &deliveries).await? {
        for _ in 0..row.int(1)? {
            counters::redriven(tx, row.id(0)?, Outcome::Dead, Outcome::Ignored, PEOPLE_SHARD).await?;
        }
    }
    let sql = format!(
        "update deliveries set body = null, packed = 0, request = null, fingerprint = null, size = 0, reason = '{ERASED}', \
         outcome = case when outcome = 'dead' then 'ignored' else outcome end where id in ({{list}})"
    );
    write_by_chunks(tx, &sql, &deliveries).await?;
    Ok(())
}

async fn forget_people(tx: &mut Tx, workspace: WorkspaceId, owned: &Owned, scanned: &Scanned) -> sqlx::Result<()> {
    let contacts = &owned.contacts;
    let list = places(2, contacts.len());
    let bound = || values(workspace, contacts);
    write_by_chunks(tx, "update interactions set lead_id = null, placed = null where lead_id in ({list})", &owned.leads).await?;
    let mut locals: Vec<Value> = owned.leads.iter().map(|it| Value::from(*it)).collect();
    locals.extend(owned.interactions.iter().map(|it| Value::from(*it)));
    locals.extend(owned.commands.iter().map(|it| Value::from(*it)));
    for locals in locals.chunks(500) {
        let sql = format!(
            "delete from external_refs where kind in ('lead', 'parted', 'deleted', 'person', 'interaction', 'message', 'call') and local_id in ({}) \
             and connection_id in (select id from connections where workspace_id = $1)",
            places(2, locals.len())
        );
        tx.execute(&sql, std::iter::once(workspace.into()).chain(locals.iter().cloned()).collect()).await?;
    }
    let sql = "delete from link_uses where link_id in (select id from links where contact_id in ({list}))";
    write_by_chunks(tx, sql, contacts).await?;
    write_by_chunks(tx, "delete from links where contact_id in ({list})", contacts).await?;
    write_by_chunks(tx, "delete from link_uses where contact_id in ({list})", contacts).await?;
    for link in tx.fetch("select id, visitor from links where workspace_id = $1 and visitor is not null", vec![workspace.into()]).await? {
        if scanned.needles.found_in(link.text(1)?.as_bytes()) {
            tx.execute("delete from links where id = $1", vec![link.id::<crate::ids::Link>(0)?.into()]).await?;
        }
    }
    write_by_chunks(tx, "delete from lead_sayings where lead_id in ({list})", &owned.leads).await?;
    write_by_chunks(tx, "delete from leads where id in ({list})", &owned.leads).await?;
    for conversation in &owned.conversations {
        let place: Vec<Value> = vec![workspace.into(), (*conversation).into()];
        if let Some(other) = scanned.shared.get(conversation) {
            let sql = "update conversations set contact_id = $3 where workspace_id = $1 and id = $2";
            tx.execute(sql, [place, vec![(*other).into()]].concat()).await?;
        } else {
            tx.execute("delete from conversations where workspace_id = $1 and id = $2", place).await?;
        }
    }
    for (table, one, other) in [("merges", "from_id", "into_id"), ("verdicts", "one", "other"), ("questions", "one", "other")] {
        let sql = format!("delete from {table} where workspace_id = $1 and ({one} in ({list}) or {other} in ({list}))");
        tx.execute(&sql, bound()).await?;
    }
    for (key, contact) in &scanned.blocks {
        tx.execute("delete from blocks where key = $1 and contact_id = $2", vec![(*key).into(), (*contact).into()]).await?;
    }
    write_by_chunks(tx, "delete from revisits where contact_id in ({list})", contacts).await?;
    write_by_chunks(tx, "delete from pins where contact_id in ({list})", contacts).await?;
    write_by_chunks(tx, "delete from identities where contact_id in ({list})", contacts).await?;
    tx.execute(&format!("delete from contacts where workspace_id = $1 and id in ({list})"), bound()).await?;
    // A name that one person holds is not kept as a number either.
    tx.execute("delete from terms where workspace_id = $1 and people <= 1", vec![workspace.into()]).await?;
    Ok(())
}

/// What connectors remember of the person, and what was said of them in passing.
async fn forget_words(tx: &mut Tx, workspace: WorkspaceId, scanned: &Scanned) -> sqlx::Result<()> {
    for (connection, key) in &scanned.state {
        let sql = "delete from connector_state where connection_id = $1 and key = $2";
        tx.execute(sql, vec![connection.as_str().into(), key.as_str().into()]).await?;
    }
    for (lead, source) in &scanned.sayings {
        crate::store::sayings::forget_person(tx, *lead, source).await?;
    }
    for (table, id, of) in [("alerts", "id", "connection_id"), ("holds", "connection_id", "connection_id"), ("connections", "id", "id")] {
        let sql = format!(
            "select t.{id}, t.reason from {table} t where t.reason is not null and t.{of} in (select id from connections where workspace_id = $1)"
        );
        for row in tx.fetch(&sql, vec![workspace.into()]).await? {
            if scanned.needles.found_in(row.text(1)?.as_bytes()) {
                let sql = format!("update {table} set reason = '{ERASED}' where {id} = $1");
                tx.execute(&sql, vec![row.text(0)?.into()]).await?;
            }
        }
    }
    Ok(())
}
