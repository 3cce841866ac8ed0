//! What is known of everything that a batch names.

use patchbay_schemas::{IdentityKind, Qualification, Responsible, Stage, Temperature};

use crate::clock::timestamp;
use crate::ids::{ConnectionId, ContactId, LeadId};
use crate::rules::identity::IdentityKey;
use crate::rules::ingest::{CallState, ContactState, ConversationState, Holder, Keys, Known, LeadState, Quarantine, Step};
use crate::store::db::LookUp;
use crate::store::{Record, Tx};

/// Of all who are known by an identity: whoever said exactly this, and one who stands for the others. An office's number may have thousands.
const KNOWN_BY_ON_SQLITE: &str = "select o.kind, o.workspace_id, o.value, o.contact_id, coalesce(c.merged_into, c.id), i.said, o.said, o.shared \
    from i join identities o on o.workspace_id = i.workspace_id and o.kind = i.kind and o.value = i.value \
    and o.said in (i.said, (select min(m.said) from identities m where m.workspace_id = i.workspace_id and m.kind = i.kind \
    and m.value = i.value)) join contacts c on c.id = o.contact_id";
/// The same in a form for which PostgreSQL looks at these two alone; on SQLite it would take twice as long.
const KNOWN_BY_ON_POSTGRES: &str = "select o.kind, o.workspace_id, o.value, o.contact_id, coalesce(c.merged_into, c.id), w.asked, o.said, o.shared \
    from (select i.workspace_id, i.kind, i.value, i.said, i.said as asked from i union all \
    select i.workspace_id, i.kind, i.value, (select min(m.said) from identities m where m.workspace_id = i.workspace_id \
    and m.kind = i.kind and m.value = i.value), i.said from i) w \
    join identities o on o.workspace_id = w.workspace_id and o.kind = w.kind and o.value = w.value and o.said = w.said \
    join contacts c on c.id = o.contact_id";

pub(super) async fn load(tx: &mut Tx, keys: Keys) -> sqlx::Result<Known> {
    let mut known = Known::default();
    let mut contacts: Vec<ContactId> = Vec::new();
    let events = keys.events.into_iter().map(|(connection, key)| vec![connection.to_string(), key]).collect();
    let identities = keys.identities.into_iter();
    let identities =
        identities.map(|(workspace, key, said)| vec![workspace.to_string(), key.kind.as_str().to_owned(), key.value, said]).collect();
    let conversations = keys.conversations.into_iter().map(|(connection, key)| vec![connection.to_string(), key]).collect();
    let fingerprints = keys.fingerprints.into_iter().map(|(connection, it)| vec![connection.to_string(), it]).collect();
    let known_by = if tx.has_company() { KNOWN_BY_ON_POSTGRES } else { KNOWN_BY_ON_SQLITE };
    let sql = format!(
        "with k(connection_id, key) as ({{rows}}), i(workspace_id, kind, value, said) as ({{rows}}), v(connection_id, key) as ({{rows}}), \
         f(connection_id, fingerprint) as ({{rows}}) \
         select 'event', e.connection_id, e.key, null, null, null, null, null from k \
         join events e on e.connection_id = k.connection_id and e.key = k.key \
         union all {known_by} union all \
         select 'conversation', o.connection_id, o.key, o.contact_id, coalesce(c.merged_into, c.id), o.id, null, null from v \
         join conversations o on o.connection_id = v.connection_id and o.key = v.key \
         join contacts c on c.id = o.contact_id \
         union all \
         select 'failed', d.connection_id, d.fingerprint, d.id, null, null, null, null from f \
         join deliveries d on d.connection_id = f.connection_id and d.fingerprint = f.fingerprint and d.outcome = 'dead'"
    );
    let keyed = [
        LookUp { columns: 2, rows: events },
        LookUp { columns: 4, rows: identities },
        LookUp { columns: 2, rows: conversations },
        LookUp { columns: 2, rows: fingerprints },
    ];
    for row in tx.look_up(&sql, 8, keyed).await? {
        match row.text(0)?.as_str() {
            "event" => {
                known.events.insert((row.id(1)?, row.text(2)?));
            }
            "failed" => known.failed.entry((row.id(1)?, row.text(2)?)).or_default().push(row.id(3)?),
            "conversation" => {
                let contact = known.meet(row.id(3)?, row.id(4)?, &mut contacts);
                known.conversations.insert((row.id(1)?, row.text(2)?), ConversationState { id: row.id(5)?, contact });
            }
            kind => {
                let (workspace, key) = (row.id(1)?, IdentityKey { kind: identity_kind(kind)?, value: row.text(2)? });
                let contact = known.meet(row.id(3)?, row.id(4)?, &mut contacts);
                let (asked, said) = (row.text(5)?, row.text(6)?);
                let holder = Holder { contact, shared: row.int(7)? != 0 };
                if asked == said {
                    known.records.insert((workspace, key.clone(), said), contact);
                    // Whoever stands for the others comes in a row of its own, unless it is this one.
                    known.identities.entry((workspace, key)).or_insert(holder);
                } else {
                    known.identities.insert((workspace, key), holder);
                }
            }
        }
    }
    load_calls(tx, keys.calls, &mut known, &mut contacts).await?;
    load_quarantine(tx, keys.troubled, &mut known).await?;
    load_references(tx, keys.references, &mut known, &mut contacts).await?;
    load_contacts(tx, contacts, &mut known).await?;
    Ok(known)
}

impl Known {
    /// Notes who shows a contact, and that this person must be loaded.
    fn meet(&mut self, contact: ContactId, shown: ContactId, people: &mut Vec<ContactId>) -> ContactId {
        if contact != shown {
            self.shown_by.insert(contact, shown);
        }
        people.push(shown);
        contact
    }
}

/// Of a call's newest step.
#[derive(serde::Deserialize)]
struct Told {
    call: patchbay_schemas::interaction::Call,
}

async fn load_calls(
    tx: &mut Tx,
    calls: std::collections::HashSet<(ConnectionId, String)>,
    known: &mut Known,
    contacts: &mut Vec<ContactId>,
) -> sqlx::Result<()> {
    let rows: Vec<Vec<String>> = calls.into_iter().map(|(connection, call)| vec![connection.to_string(), call]).collect();
    if tx.has_company() {
        // Another hub must not put an earlier step in the place of a later one: what is read below is read after the lock.
        let sql = "with k(connection_id, call_id) as ({rows}) select n.id from interactions n \
                   where (n.connection_id, n.call_id) in (select connection_id, call_id from k) order by n.id for update";
        tx.look_up(sql, 1, [LookUp { columns: 2, rows: rows.clone() }]).await?;
    }
    let sql = "with k(connection_id, call_id) as ({rows}) \
               select n.connection_id, n.call_id, n.id, c.id, n.lead_id, n.conversation_id, n.occurred_at, \
               coalesce(e.occurred_at, e.received_at), e.payload, coalesce(c.merged_into, c.id) from k \
               join interactions n on n.connection_id = k.connection_id and n.call_id = k.call_id \
               join contacts c on c.id = n.contact_id join events e on e.id = n.event_id";
    for row in tx.look_up(sql, 10, [LookUp { columns: 2, rows }]).await? {
        let Told { call } = row.json(8)?;
        let state = CallState {
            interaction: row.id(2)?,
            contact: known.meet(row.id(3)?, row.id(9)?, contacts),
            lead: row.opt_id(4)?,
            conversation: row.opt_id(5)?,
            began_at: timestamp(row.int(6)?),
            step: Step { at: timestamp(row.int(7)?), call },
        };
        known.calls.insert((row.id(0)?, row.text(1)?), state);
    }
    Ok(())
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
        known.meet(state.contact, row.id(2)?, contacts);
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
               select c.id, c.name, c.company, c.city, c.language, c.guarded, \
               cast(case when exists (select 1 from identities i where i.contact_id = c.id) then 1 else 0 end as bigint), \
               l.id, l.workspace_id, l.contact_id, l.title, l.stage, l.refused_reason, l.return_at, l.responsible_id, \
               l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags \
               from k join contacts c on c.id = k.id left join leads l on l.contact_id = c.id and l.stage in ('interest', 'lead') \
               union all \
               select m.merged_into, m.name, m.company, m.city, m.language, m.guarded, 1, \
               l.id, l.workspace_id, l.contact_id, l.title, l.stage, l.refused_reason, l.return_at, l.responsible_id, \
               l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags \
               from k join contacts m on m.merged_into = k.id left join leads l on l.contact_id = m.id and l.stage in ('interest', 'lead')";
    for row in tx.look_up(sql, 20, keys()).await? {
        let mut state = ContactState {
            names: row.opt_text(1)?.into_iter().collect(),
            company: row.opt_text(2)?,
            city: row.opt_text(3)?,
            language: row.opt_text(4)?,
            guarded: row.int(5)? != 0,
            reachable: row.int(6)? != 0,
            open_lead: None,
        };
        if row.opt_text(7)?.is_some() {
            let (lead, open) = lead_state(&row, 7)?;
            state.open_lead = Some(lead);
            known.leads.insert(lead, open);
        }
        known.contacts.entry(row.id(0)?).or_default().absorb(state);
    }
    Ok(())
}

/// A lead from the columns `id, workspace_id, contact_id, title, stage, refused_reason, return_at, responsible_id, responsible_name,
/// next_contact_at, qualification, temperature, tags`, beginning with column `at`.
pub fn lead_state(row: &Record, at: usize) -> sqlx::Result<(LeadId, LeadState)> {
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

pub fn identity_kind(name: &str) -> sqlx::Result<IdentityKind> {
    match name {
        "phone" => Ok(IdentityKind::Phone),
        "email" => Ok(IdentityKind::Email),
        "handle" => Ok(IdentityKind::Handle),
        other => Err(sqlx::Error::Decode(format!("`{other}` is no kind of identity").into())),
    }
}
