//! Commits a batch of deliveries: load what is known, plan, write, in one transaction.

use std::collections::HashMap;

use patchbay_schemas::{IdentityKind, Qualification, Responsible, Stage, Temperature, Timestamp};

use super::db::LookUp;
use super::db::Type::{Bytes, Int, Text};
use super::{Record, Store, StoreError, Tx, Value};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, ContactId, LeadId};
use crate::rules::identity::IdentityKey;
use crate::rules::ingest::{
    Committed, ContactState, Context, ConversationState, Counted, Intake, Keys, Known, LeadState, Outcome, Plan, Planner, Quarantine,
};

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
        let keys = Keys::of(batch, |it| contexts.get(&it).map_or("", |it| it.region.as_str()));
        let mut tx = self.db.begin().await?;
        let known = load(&mut tx, keys).await?;
        let mut planner = Planner::new(&self.ids, contexts, known);
        let outcomes = batch.iter().map(|it| planner.take(it)).collect();
        let Planner { plan, known, .. } = planner;
        write(&mut tx, plan, &known, self.clock.now_ms(), shard).await?;
        tx.commit().await?;
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
        let keys = Keys::of(std::slice::from_ref(intake), |it| contexts.get(&it).map_or("", |it| it.region.as_str()));
        let mut tx = self.db.begin().await?;
        // Events that did not fit the schema may do so now.
        tx.execute("delete from events where delivery_id = $1 and state = 'dead'", vec![intake.id.into()]).await?;
        let mut known = load(&mut tx, keys).await?;
        // The delivery is in the quarantine already: it takes no further place there.
        known.quarantine.clear();
        let mut planner = Planner::new(&self.ids, contexts, known);
        let after = planner.take(intake).outcome;
        let Planner { mut plan, known, .. } = planner;
        let reason = plan.deliveries.pop().and_then(|it| it.reason);
        if let Some(counted) = plan.counted.get_mut(&intake.origin.connection) {
            *counted = Counted { created: counted.created, ..Counted::default() };
        }
        write(&mut tx, plan, &known, self.clock.now_ms(), shard).await?;
        let sql = "update deliveries set outcome = $3, reason = $4 where id = $1 and outcome = $2";
        let values = vec![intake.id.into(), before.as_str().into(), after.as_str().into(), reason.into()];
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
    let keys = Keys::of(std::slice::from_ref(intake), |it| contexts.get(&it).map_or("", |it| it.region.as_str()));
    let known = load(tx, keys).await?;
    let mut planner = Planner::new(&store.ids, contexts, known);
    planner.take(intake);
    let Planner { plan, known, .. } = planner;
    write(tx, plan, &known, store.clock.now_ms(), crate::committer::DELIVERY_SHARD).await
}

fn is_collision(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    // unique_violation, serialization_failure, deadlock_detected
    error.is_unique_violation() || matches!(error.code().as_deref(), Some("40001" | "40P01"))
}

async fn load(tx: &mut Tx, keys: Keys) -> sqlx::Result<Known> {
    let mut known = Known::default();
    let mut contacts: Vec<ContactId> = Vec::new();
    let events = keys.events.into_iter().map(|(connection, key)| vec![connection.to_string(), key]).collect();
    let identities = keys.identities.into_iter();
    let identities = identities.map(|(workspace, key)| vec![workspace.to_string(), key.kind.as_str().to_owned(), key.value]).collect();
    let conversations = keys.conversations.into_iter().map(|(connection, key)| vec![connection.to_string(), key]).collect();
    let sql = "with k(connection_id, key) as ({rows}), i(workspace_id, kind, value) as ({rows}), v(connection_id, key) as ({rows}) \
               select 'event', e.connection_id, e.key, null, null from k \
               join events e on e.connection_id = k.connection_id and e.key = k.key \
               union all \
               select o.kind, o.workspace_id, o.value, null, coalesce(c.merged_into, c.id) from i \
               join identities o on o.workspace_id = i.workspace_id and o.kind = i.kind and o.value = i.value \
               join contacts c on c.id = o.contact_id \
               union all \
               select 'conversation', o.connection_id, o.key, o.id, coalesce(c.merged_into, c.id) from v \
               join conversations o on o.connection_id = v.connection_id and o.key = v.key \
               join contacts c on c.id = o.contact_id";
    let keyed = [LookUp { columns: 2, rows: events }, LookUp { columns: 3, rows: identities }, LookUp { columns: 2, rows: conversations }];
    for row in tx.look_up(sql, 5, keyed).await? {
        match row.text(0)?.as_str() {
            "event" => {
                known.events.insert((row.id(1)?, row.text(2)?));
            }
            "conversation" => {
                let contact = row.id(4)?;
                contacts.push(contact);
                known.conversations.insert((row.id(1)?, row.text(2)?), ConversationState { id: row.id(3)?, contact });
            }
            kind => {
                let contact = row.id(4)?;
                contacts.push(contact);
                known.identities.insert((row.id(1)?, IdentityKey { kind: identity_kind(kind)?, value: row.text(2)? }), contact);
            }
        }
    }
    load_quarantine(tx, keys.troubled, &mut known).await?;
    load_references(tx, keys.references, &mut known, &mut contacts).await?;
    load_contacts(tx, contacts, &mut known).await?;
    Ok(known)
}

async fn load_quarantine(tx: &mut Tx, troubled: std::collections::HashSet<ConnectionId>, known: &mut Known) -> sqlx::Result<()> {
    let rows = troubled.into_iter().map(|it| vec![it.to_string()]).collect();
    let sql = "with k(id) as ({rows}) select d.connection_id, count(*), cast(sum(d.size) as bigint) from k \
               join deliveries d on d.connection_id = k.id and d.outcome in ('refused', 'dead') group by d.connection_id";
    for row in tx.look_up(sql, 3, [LookUp { columns: 1, rows }]).await? {
        let quarantine = Quarantine { rows: row.int(1)?.unsigned_abs(), bytes: row.int(2)?.unsigned_abs() };
        known.quarantine.insert(row.id(0)?, quarantine);
    }
    Ok(())
}

async fn load_references(
    tx: &mut Tx,
    references: std::collections::HashSet<(ConnectionId, String)>,
    known: &mut Known,
    contacts: &mut Vec<ContactId>,
) -> sqlx::Result<()> {
    let rows = references.into_iter().map(|(connection, remote)| vec![connection.to_string(), remote]).collect();
    let sql = "with k(connection_id, remote_id) as ({rows}) \
               select r.connection_id, r.remote_id, coalesce(c.merged_into, c.id), l.id, l.workspace_id, l.contact_id, l.title, l.stage, \
               l.refused_reason, l.return_at, l.responsible_id, l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags \
               from k join external_refs r on r.connection_id = k.connection_id and r.kind = 'lead' and r.remote_id = k.remote_id \
               join leads l on l.id = r.local_id join contacts c on c.id = l.contact_id";
    for row in tx.look_up(sql, 16, [LookUp { columns: 2, rows }]).await? {
        let (lead, state) = lead_state(&row, 3)?;
        contacts.push(row.id(2)?);
        known.references.insert((row.id(0)?, row.text(1)?), lead);
        known.leads.insert(lead, state);
    }
    Ok(())
}

async fn load_contacts(tx: &mut Tx, mut contacts: Vec<ContactId>, known: &mut Known) -> sqlx::Result<()> {
    contacts.sort_unstable();
    contacts.dedup();
    let keys = || [LookUp { columns: 1, rows: contacts.iter().map(|it| vec![it.to_string()]).collect() }];
    if tx.has_company() {
        // Another hub on the same PostgreSQL must not open a second lead for the same person meanwhile: locked in one order, so that
        // nobody waits in a circle.
        let sql = "with k(id) as ({rows}) select c.id from contacts c where c.id in (select id from k) order by c.id for update";
        tx.look_up(sql, 1, keys()).await?;
    }
    let sql = "with k(id) as ({rows}) \
               select c.id, c.name, c.company, c.city, c.language, \
               case when exists (select 1 from identities i where i.contact_id = c.id) then 'yes' else 'no' end, \
               l.id, l.workspace_id, l.contact_id, l.title, l.stage, l.refused_reason, l.return_at, l.responsible_id, \
               l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags \
               from k join contacts c on c.id = k.id left join leads l on l.contact_id = c.id and l.stage in ('interest', 'lead') \
               union all \
               select c.id, c.name, c.company, c.city, c.language, 'yes', \
               l.id, l.workspace_id, l.contact_id, l.title, l.stage, l.refused_reason, l.return_at, l.responsible_id, \
               l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags \
               from k join contacts c on c.id = k.id join contacts m on m.merged_into = k.id join leads l on l.contact_id = m.id \
               where l.stage in ('interest', 'lead')";
    for row in tx.look_up(sql, 19, keys()).await? {
        let contact = known.contacts.entry(row.id(0)?).or_default();
        contact.name = row.opt_text(1)?;
        contact.company = row.opt_text(2)?;
        contact.city = row.opt_text(3)?;
        contact.language = row.opt_text(4)?;
        contact.reachable |= row.text(5)? == "yes";
        if row.opt_text(6)?.is_some() {
            let (lead, state) = lead_state(&row, 6)?;
            contact.open_lead = Some(contact.open_lead.map_or(lead, |it| it.min(lead)));
            known.leads.insert(lead, state);
        }
    }
    Ok(())
}

/// A lead from the columns `id, workspace_id, contact_id, title, stage, refused_reason, return_at, responsible_id, responsible_name,
/// next_contact_at, qualification, temperature, tags`, beginning with column `at`.
pub(super) fn lead_state(row: &Record, at: usize) -> sqlx::Result<(LeadId, LeadState)> {
    let state = LeadState {
        workspace: row.id(at + 1)?,
        contact: row.id(at + 2)?,
        title: row.text(at + 3)?,
        stage: stage(&row.text(at + 4)?, row.opt_text(at + 5)?, row.opt_int(at + 6)?)?,
        responsible: row.opt_text(at + 8)?.map(|name| row.opt_text(at + 7).map(|id| Responsible { id, name })).transpose()?,
        next_contact_at: row.opt_int(at + 9)?.map(timestamp),
        qualification: match row.text(at + 10)?.as_str() {
            "target" => Qualification::Target,
            "non_target" => Qualification::NonTarget,
            _ => Qualification::Unknown,
        },
        temperature: if row.text(at + 11)? == "hot" { Temperature::Hot } else { Temperature::Cold },
        tags: row.json(at + 12)?,
    };
    Ok((row.id(at)?, state))
}

fn stage(name: &str, reason: Option<String>, return_at: Option<i64>) -> sqlx::Result<Stage> {
    Ok(match name {
        "interest" => Stage::Interest,
        "lead" => Stage::Lead,
        "client" => Stage::Client,
        "refused" => Stage::Refused { reason, return_at: return_at.map(timestamp) },
        other => return Err(sqlx::Error::Decode(format!("`{other}` is no stage of a lead").into())),
    })
}

pub(super) fn identity_kind(name: &str) -> sqlx::Result<IdentityKind> {
    match name {
        "phone" => Ok(IdentityKind::Phone),
        "email" => Ok(IdentityKind::Email),
        "handle" => Ok(IdentityKind::Handle),
        other => Err(sqlx::Error::Decode(format!("`{other}` is no kind of identity").into())),
    }
}

async fn write(tx: &mut Tx, plan: Plan, known: &Known, now: i64, shard: i64) -> sqlx::Result<()> {
    write_deliveries(tx, &plan.counted, plan.deliveries, plan.events);
    write_people(tx, &plan.changed_contacts, plan.contacts, plan.merges, plan.identities, plan.claims, known, now).await?;
    write_leads(tx, plan.leads, plan.changed_leads, now);

    let rows = plan.conversations.into_iter().map(|it| {
        let last = it.last_at.as_millisecond();
        vec![
            it.id.into(),
            it.workspace.into(),
            it.connection.into(),
            it.key.into(),
            it.title.into(),
            it.contact.into(),
            last.into(),
            now.into(),
        ]
    });
    let sql = "insert into conversations (id, workspace_id, connection_id, key, title, contact_id, last_at, created_at) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int, Int], rows.collect());
    let rows = plan.touched_conversations.into_iter().map(|(id, at)| vec![id.into(), at.as_millisecond().into()]).collect();
    let sql = "with k(id, at) as ({rows}) update conversations set last_at = k.at from k where conversations.id = k.id and conversations.last_at < k.at";
    tx.queue(sql, &[Text, Int], rows);

    let rows = plan.interactions.into_iter().map(|it| {
        vec![
            it.id.into(),
            it.workspace.into(),
            it.event.into(),
            it.contact.into(),
            it.lead.into(),
            it.conversation.into(),
            it.connection.into(),
            it.kind.into(),
            it.direction.into(),
            it.occurred_at.as_millisecond().into(),
            it.received_at.as_millisecond().into(),
        ]
    });
    let sql = "insert into interactions (id, workspace_id, event_id, contact_id, lead_id, conversation_id, connection_id, kind, direction, \
               occurred_at, received_at) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Text, Text, Int, Int], rows.collect());

    super::outbox::enqueue(tx, plan.outbox, now);
    for (connection, cursor) in plan.cursors {
        tx.execute("update connections set cursor = $2 where id = $1", vec![connection.into(), cursor.into()]).await?;
    }
    // The row stays locked until the commit, which follows at once.
    super::counters::add(tx, &plan.counted, shard);
    Ok(())
}

fn write_deliveries(
    tx: &mut Tx,
    counted: &std::collections::BTreeMap<ConnectionId, Counted>,
    deliveries: Vec<crate::rules::ingest::NewDelivery>,
    events: Vec<crate::rules::ingest::NewEvent>,
) {
    debug_assert!(deliveries.iter().all(|it| counted.contains_key(&it.connection)), "every delivery is counted");
    let rows = deliveries.into_iter().map(|it| {
        vec![
            it.id.into(),
            it.workspace.into(),
            it.connection.into(),
            it.way.as_str().into(),
            it.outcome.as_str().into(),
            it.reason.into(),
            it.request.into(),
            it.body.into(),
            i64::try_from(it.size).unwrap_or(i64::MAX).into(),
            it.received_at.as_millisecond().into(),
        ]
    });
    let sql = "insert into deliveries (id, workspace_id, connection_id, origin, outcome, reason, request, body, size, received_at) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Bytes, Int, Int], rows.collect());

    let rows = events.into_iter().map(|it| {
        vec![
            it.id.into(),
            it.workspace.into(),
            it.connection.into(),
            it.delivery.into(),
            it.key.into(),
            it.kind.into(),
            (if it.dead.is_some() { "dead" } else { "accepted" }).into(),
            it.dead.into(),
            it.occurred_at.map(Timestamp::as_millisecond).into(),
            it.received_at.as_millisecond().into(),
            it.payload.into(),
        ]
    });
    let sql = "insert into events (id, workspace_id, connection_id, delivery_id, key, kind, state, reason, occurred_at, received_at, payload) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Text, Int, Int, Text], rows.collect());
}

#[expect(clippy::too_many_arguments, reason = "the parts of a plan that concern people")]
async fn write_people(
    tx: &mut Tx,
    changed: &std::collections::BTreeSet<ContactId>,
    contacts: Vec<crate::rules::ingest::NewContact>,
    merges: Vec<(ContactId, ContactId)>,
    identities: Vec<crate::rules::ingest::NewIdentity>,
    claims: Vec<crate::rules::ingest::NewClaim>,
    known: &Known,
    now: i64,
) -> sqlx::Result<()> {
    let nobody = ContactState::default();
    let shown = |id: &ContactId| known.contacts.get(id).unwrap_or(&nobody).clone();
    let new: std::collections::HashSet<ContactId> = contacts.iter().map(|it| it.id).collect();
    let rows = contacts.into_iter().map(|it| {
        let state = shown(&it.id);
        let at = it.created_at.as_millisecond();
        vec![
            it.id.into(),
            it.workspace.into(),
            state.name.into(),
            state.company.into(),
            state.city.into(),
            state.language.into(),
            at.into(),
            now.into(),
        ]
    });
    let sql = "insert into contacts (id, workspace_id, name, company, city, language, created_at, updated_at) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int, Int], rows.collect());

    let rows = changed.iter().filter(|it| !new.contains(it)).map(|id| {
        let state = shown(id);
        vec![(*id).into(), state.name.into(), state.company.into(), state.city.into(), state.language.into(), now.into()]
    });
    let sql = "with k(id, name, company, city, language, at) as ({rows}) \
               update contacts set name = k.name, company = k.company, city = k.city, language = k.language, updated_at = k.at \
               from k where contacts.id = k.id";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Int], rows.collect());

    for (from, into) in merges {
        let sql = "update contacts set merged_into = $2, updated_at = $3 where id = $1 or merged_into = $1";
        tx.execute(sql, vec![from.into(), into.into(), now.into()]).await?;
    }

    let rows = identities.into_iter().map(|it| {
        let IdentityKey { kind, value } = it.key;
        let assurance = if it.assurance == patchbay_schemas::Assurance::Vendor { "vendor" } else { "stated" };
        vec![
            it.workspace.into(),
            kind.as_str().into(),
            value.into(),
            it.contact.into(),
            assurance.into(),
            it.label.into(),
            it.connection.into(),
            it.created_at.as_millisecond().into(),
        ]
    });
    let sql = "insert into identities (workspace_id, kind, value, contact_id, assurance, label, connection_id, created_at) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Int], rows.collect());

    let rows = claims.into_iter().map(|it| {
        vec![
            it.contact.into(),
            it.field.into(),
            it.connection.into(),
            it.value.into(),
            it.workspace.into(),
            it.claimed_at.as_millisecond().into(),
        ]
    });
    let sql = "insert into claims (contact_id, field, connection_id, value, workspace_id, claimed_at) {rows} on conflict do nothing";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Int], rows.collect());
    Ok(())
}

fn write_leads(tx: &mut Tx, leads: Vec<crate::rules::ingest::NewLead>, changed: std::collections::BTreeMap<LeadId, LeadState>, now: i64) {
    let rows = leads.into_iter().map(|it| {
        let [title, stage, reason, return_at, responsible_id, responsible_name, next, qualification, temperature, tags] =
            columns(it.state.clone());
        vec![
            it.id.into(),
            it.state.workspace.into(),
            it.state.contact.into(),
            title,
            stage,
            reason,
            return_at,
            it.channel.into(),
            it.connection.into(),
            it.source.into(),
            responsible_id,
            responsible_name,
            next,
            qualification,
            temperature,
            tags,
            it.created_at.as_millisecond().into(),
            now.into(),
        ]
    });
    let sql = "insert into leads (id, workspace_id, contact_id, title, stage, refused_reason, return_at, channel, connection_id, source, \
               responsible_id, responsible_name, next_contact_at, qualification, temperature, tags, created_at, updated_at) {rows}";
    tx.queue(
        sql,
        &[Text, Text, Text, Text, Text, Text, Int, Text, Text, Text, Text, Text, Int, Text, Text, Text, Int, Int],
        rows.collect(),
    );

    let rows = changed.into_iter().map(|(id, state)| {
        let mut row = vec![id.into()];
        row.extend(columns(state));
        row.push(now.into());
        row
    });
    let sql = "with k(id, title, stage, refused_reason, return_at, responsible_id, responsible_name, next_contact_at, qualification, temperature, \
               tags, at) as ({rows}) update leads set title = k.title, stage = k.stage, refused_reason = k.refused_reason, return_at = k.return_at, \
               responsible_id = k.responsible_id, responsible_name = k.responsible_name, next_contact_at = k.next_contact_at, \
               qualification = k.qualification, temperature = k.temperature, tags = k.tags, updated_at = k.at from k where leads.id = k.id";
    tx.queue(sql, &[Text, Text, Text, Text, Int, Text, Text, Int, Text, Text, Text, Int], rows.collect());
}

/// `title, stage, refused_reason, return_at, responsible_id, responsible_name, next_contact_at, qualification, temperature, tags`
fn columns(state: LeadState) -> [Value; 10] {
    let name = state.stage.name();
    let (reason, return_at) = match state.stage {
        Stage::Refused { reason, return_at } => (reason, return_at),
        _ => (None, None),
    };
    let (responsible_id, responsible_name) = state.responsible.map_or((None, None), |it| (it.id, Some(it.name)));
    let qualification = match state.qualification {
        Qualification::Unknown => "unknown",
        Qualification::Target => "target",
        Qualification::NonTarget => "non_target",
    };
    let temperature = if state.temperature == Temperature::Hot { "hot" } else { "cold" };
    let tags = serde_json::to_string(&state.tags).expect("a list of texts is JSON");
    [
        state.title.into(),
        name.into(),
        reason.into(),
        return_at.map(Timestamp::as_millisecond).into(),
        responsible_id.into(),
        responsible_name.into(),
        state.next_contact_at.map(Timestamp::as_millisecond).into(),
        qualification.into(),
        temperature.into(),
        tags.into(),
    ]
}
