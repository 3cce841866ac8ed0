//! What is known of everything that a batch names.

use patchbay_schemas::{IdentityKind, Qualification, Responsible, Stage, Temperature};

use crate::clock::timestamp;
use crate::ids::{ConnectionId, ContactId, LeadId};
use crate::rules::identity::IdentityKey;
use crate::rules::ingest::{CallState, ConversationState, Keys, Known, LeadState, Quarantine, Step};
use crate::store::db::LookUp;
use crate::store::{Record, Tx};

pub(super) async fn load(tx: &mut Tx, keys: Keys) -> sqlx::Result<Known> {
    let mut known = Known::default();
    let mut contacts: Vec<ContactId> = Vec::new();
    let events = keys.events.into_iter().map(|(connection, key)| vec![connection.to_string(), key]).collect();
    let identities = keys.identities.into_iter();
    let identities = identities.map(|(workspace, key)| vec![workspace.to_string(), key.kind.as_str().to_owned(), key.value]).collect();
    let conversations = keys.conversations.into_iter().map(|(connection, key)| vec![connection.to_string(), key]).collect();
    let fingerprints = keys.fingerprints.into_iter().map(|(connection, it)| vec![connection.to_string(), it]).collect();
    let sql = "with k(connection_id, key) as ({rows}), i(workspace_id, kind, value) as ({rows}), v(connection_id, key) as ({rows}), \
               f(connection_id, fingerprint) as ({rows}) \
               select 'event', e.connection_id, e.key, null, null from k \
               join events e on e.connection_id = k.connection_id and e.key = k.key \
               union all \
               select o.kind, o.workspace_id, o.value, null, coalesce(c.merged_into, c.id) from i \
               join identities o on o.workspace_id = i.workspace_id and o.kind = i.kind and o.value = i.value \
               join contacts c on c.id = o.contact_id \
               union all \
               select 'conversation', o.connection_id, o.key, o.id, coalesce(c.merged_into, c.id) from v \
               join conversations o on o.connection_id = v.connection_id and o.key = v.key \
               join contacts c on c.id = o.contact_id \
               union all \
               select 'failed', d.connection_id, d.fingerprint, d.id, null from f \
               join deliveries d on d.connection_id = f.connection_id and d.fingerprint = f.fingerprint and d.outcome = 'dead'";
    let keyed = [
        LookUp { columns: 2, rows: events },
        LookUp { columns: 3, rows: identities },
        LookUp { columns: 2, rows: conversations },
        LookUp { columns: 2, rows: fingerprints },
    ];
    for row in tx.look_up(sql, 5, keyed).await? {
        match row.text(0)?.as_str() {
            "event" => {
                known.events.insert((row.id(1)?, row.text(2)?));
            }
            "failed" => known.failed.entry((row.id(1)?, row.text(2)?)).or_default().push(row.id(3)?),
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
    load_calls(tx, keys.calls, &mut known, &mut contacts).await?;
    load_quarantine(tx, keys.troubled, &mut known).await?;
    load_references(tx, keys.references, &mut known, &mut contacts).await?;
    load_contacts(tx, contacts, &mut known).await?;
    Ok(known)
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
               select n.connection_id, n.call_id, n.id, coalesce(c.merged_into, c.id), n.lead_id, n.conversation_id, n.occurred_at, \
               coalesce(e.occurred_at, e.received_at), e.payload from k \
               join interactions n on n.connection_id = k.connection_id and n.call_id = k.call_id \
               join contacts c on c.id = n.contact_id join events e on e.id = n.event_id";
    for row in tx.look_up(sql, 9, [LookUp { columns: 2, rows }]).await? {
        let Told { call } = row.json(8)?;
        let state = CallState {
            interaction: row.id(2)?,
            contact: row.id(3)?,
            lead: row.opt_id(4)?,
            conversation: row.opt_id(5)?,
            began_at: timestamp(row.int(6)?),
            step: Step { at: timestamp(row.int(7)?), call },
        };
        contacts.push(state.contact);
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
