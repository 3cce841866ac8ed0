//! What is known of everything that a batch names.

use std::collections::{BTreeSet, HashMap};

use patchbay_schemas::{ConversationRef, IdentityKind, Qualification, Responsible, Stage, Temperature};

use super::records::{load_holders, load_people, load_persons, load_tellers};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, ContactId, ConversationId, LeadId, WorkspaceId};
use crate::rules::identity::IdentityKey;
use crate::rules::ingest::returning::History;
use crate::rules::ingest::{
    Addressed, Answered, CallState, ContactState, ConversationState, Holder, Keys, Known, LeadState, Quarantine, Reach, Step,
};
use crate::store::db::LookUp;
use crate::store::{Record, Tx};

/// People with their leads: which leads, and what rules look at of them.
macro_rules! known {
    ($which:literal, $history:literal) => {
        concat!(
            "with k(id) as ({rows}) ",
            "select c.id, c.name, c.company, c.city, c.language, c.guarded, c.reach, ",
            "l.id, l.workspace_id, l.contact_id, l.title, l.stage, l.refused_reason, l.return_at, l.responsible_id, ",
            "l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags, ",
            $history,
            " from k join contacts c on c.id = k.id left join leads l on l.contact_id = c.id and ",
            $which,
            " union all select m.merged_into, m.name, m.company, m.city, m.language, m.guarded, m.reach, ",
            "l.id, l.workspace_id, l.contact_id, l.title, l.stage, l.refused_reason, l.return_at, l.responsible_id, ",
            "l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags, ",
            $history,
            " from k join contacts m on m.merged_into = k.id left join leads l on l.contact_id = m.id and ",
            $which
        )
    };
}

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

/// The people of contacts that show them, each contact of a person with each of its open leads.
const KNOWN: &str = known!("l.stage in ('interest', 'lead')", "cast(null as text), cast(null as text), cast(null as bigint)");
/// The same with the newest lead of each contact, whatever its stage, and with what the workspace's rules look at of leads.
const KNOWN_WITH_HISTORIES: &str = known!(
    "(l.stage in ('interest', 'lead') or l.id = (select max(x.id) from leads x where x.contact_id = l.contact_id))",
    "l.channel, l.form, (select max(y.at) from (select l.updated_at as at union all select n.received_at from \
     (select n.received_at from interactions n where n.lead_id = l.id order by n.id desc limit 1) n) y)"
);

/// `histories`: rules of the workspaces look at more than open leads. The way to the database and back is the same one.
pub(super) async fn load(tx: &mut Tx, keys: Keys, histories: bool) -> sqlx::Result<Known> {
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
    load_addressed(tx, keys.addressed, &mut known, &mut contacts).await?;
    load_answered(tx, keys.statuses, &mut known).await?;
    load_quarantine(tx, keys.troubled, &mut known).await?;
    load_references(tx, keys.references, &mut known, &mut contacts).await?;
    let named: Vec<LeadId> = keys.leads.iter().map(|it| it.1).collect();
    load_named_leads(tx, keys.leads, &mut known, &mut contacts).await?;
    let of_named = keys.importing.iter().flat_map(|it| named.iter().map(move |lead| (*it, *lead)));
    let records: BTreeSet<(ConnectionId, LeadId)> =
        known.references.iter().map(|((sink, _), lead)| (*sink, *lead)).chain(of_named).collect();
    load_tellers(tx, &records, &mut known, &mut contacts).await?;
    load_persons(tx, keys.persons, &records, &mut known, &mut contacts).await?;
    load_holders(tx, keys.told, &mut known, &mut contacts).await?;
    load_contacts(tx, contacts, &mut known, histories).await?;
    load_people(tx, &records, &mut known).await?;
    load_bound(tx, &keys.importing, &mut known).await?;
    // An import may find a record of any lead of its people.
    let told: BTreeSet<LeadId> =
        if keys.importing.is_empty() { known.references.values().copied().collect() } else { known.leads.keys().copied().collect() };
    lock_leads(tx, &told, &mut known).await?;
    crate::store::sayings::load(tx, told.into_iter(), &mut known).await?;
    Ok(known)
}

/// Seldom needed: a batch in which nobody of a sink answers asks nothing.
async fn load_addressed(
    tx: &mut Tx,
    keys: BTreeSet<(WorkspaceId, ConversationId)>,
    known: &mut Known,
    contacts: &mut Vec<ContactId>,
) -> sqlx::Result<()> {
    for (workspace, id) in keys {
        let sql = "select o.connection_id, o.key, o.title, o.contact_id, coalesce(c.merged_into, c.id) from conversations o \
                   join contacts c on c.id = o.contact_id where o.workspace_id = $1 and o.id = $2";
        for row in tx.fetch(sql, vec![workspace.into(), id.into()]).await? {
            let thread = ConversationRef { key: row.text(1)?, title: row.opt_text(2)? };
            let contact = known.meet(row.id(3)?, row.id(4)?, contacts);
            known.addressed.insert((workspace, id), Addressed { connection: row.id(0)?, thread, contact });
        }
    }
    Ok(())
}

/// Seldom needed: a batch that tells of no message asks nothing.
async fn load_answered(tx: &mut Tx, statuses: std::collections::HashSet<(ConnectionId, String)>, known: &mut Known) -> sqlx::Result<()> {
    let rows = statuses.into_iter().map(|(connection, message)| vec![connection.to_string(), message]).collect();
    let sql = "with k(connection_id, remote_id) as ({rows}) select r.connection_id, r.remote_id, e.connection_id, o.lane, n.id from k \
               join external_refs r on r.connection_id = k.connection_id and r.kind = 'message' and r.remote_id = k.remote_id \
               join outbox o on o.id = r.local_id join interactions n on n.id = o.answer_id join events e on e.id = n.event_id";
    for row in tx.look_up(sql, 5, [LookUp { columns: 2, rows }]).await? {
        let answered = Answered { sink: row.id(2)?, conversation: row.id(3)?, answer: row.id(4)? };
        known.answered.insert((row.id(0)?, row.text(1)?), answered);
    }
    Ok(())
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
               select r.connection_id, r.remote_id, coalesce(c.merged_into, c.id), r.created_at, l.id, l.workspace_id, l.contact_id, l.title, l.stage, \
               l.refused_reason, l.return_at, l.responsible_id, l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags \
               from k join external_refs r on r.connection_id = k.connection_id and r.kind = 'lead' and r.remote_id = k.remote_id \
               join leads l on l.id = r.local_id join contacts c on c.id = l.contact_id";
    let mut sharing: HashMap<(ConnectionId, String), Vec<Having>> = HashMap::new();
    for row in tx.look_up(sql, 17, [LookUp { columns: 2, rows }]).await? {
        let (lead, state) = lead_state(&row, 4)?;
        let shown: ContactId = row.id(2)?;
        known.meet(state.contact, shown, contacts);
        sharing.entry((row.id(0)?, row.text(1)?)).or_default().push((row.int(3)?, lead, shown));
        known.leads.insert(lead, state);
    }
    known.references.extend(sharing.into_iter().filter_map(|(record, leads)| Some((record, speaks_of(&leads)?))));
    Ok(())
}

/// A lead that has a record: since when, the lead, its person.
type Having = (i64, LeadId, ContactId);

/// The lead that a record speaks of, where several have it: that of whoever had it first, of that person the newest.
fn speaks_of(leads: &[Having]) -> Option<LeadId> {
    let (_, _, keeper) = leads.iter().min()?;
    leads.iter().filter(|it| it.2 == *keeper).map(|it| it.1).max()
}

/// Leads that records of an import say they were made for.
async fn load_named_leads(
    tx: &mut Tx,
    named: BTreeSet<(WorkspaceId, LeadId)>,
    known: &mut Known,
    contacts: &mut Vec<ContactId>,
) -> sqlx::Result<()> {
    let rows = named.into_iter().map(|(workspace, lead)| vec![workspace.to_string(), lead.to_string()]).collect();
    let sql = "with k(workspace_id, id) as ({rows}) \
               select coalesce(c.merged_into, c.id), l.id, l.workspace_id, l.contact_id, l.title, l.stage, \
               l.refused_reason, l.return_at, l.responsible_id, l.responsible_name, l.next_contact_at, l.qualification, l.temperature, l.tags \
               from k join leads l on l.id = k.id and l.workspace_id = k.workspace_id join contacts c on c.id = l.contact_id";
    for row in tx.look_up(sql, 14, [LookUp { columns: 2, rows }]).await? {
        let (lead, state) = lead_state(&row, 1)?;
        known.meet(state.contact, row.id(0)?, contacts);
        known.leads.insert(lead, state);
    }
    Ok(())
}

/// Which of the leads that are known have a record in a sink that is being imported.
async fn load_bound(tx: &mut Tx, importing: &BTreeSet<ConnectionId>, known: &mut Known) -> sqlx::Result<()> {
    let pairs = importing.iter().flat_map(|it| known.leads.keys().map(|lead| vec![it.to_string(), lead.to_string()]));
    let sql = "with k(connection_id, lead) as ({rows}) select r.connection_id, r.local_id from k \
               join external_refs r on r.connection_id = k.connection_id and r.kind = 'lead' and r.local_id = k.lead";
    for row in tx.look_up(sql, 2, [LookUp { columns: 2, rows: pairs.collect() }]).await? {
        known.bound.insert((row.id(0)?, row.id(1)?));
    }
    Ok(())
}

/// Another hub must not write what was said of these leads meanwhile: they are locked in one order, behind their people.
async fn lock_leads(tx: &mut Tx, leads: &BTreeSet<LeadId>, known: &mut Known) -> sqlx::Result<()> {
    if !tx.has_company() {
        return Ok(());
    }
    let rows = leads.iter().map(|it| vec![it.to_string()]).collect();
    let sql = format!("with k(id) as ({{rows}}) select {LEAD_STATE} from leads where id in (select id from k) order by id for update");
    for row in tx.look_up(&sql, 13, [LookUp { columns: 1, rows }]).await? {
        let (lead, state) = lead_state(&row, 0)?;
        known.leads.insert(lead, state);
    }
    Ok(())
}

async fn load_contacts(tx: &mut Tx, mut contacts: Vec<ContactId>, known: &mut Known, histories: bool) -> sqlx::Result<()> {
    contacts.sort_unstable();
    contacts.dedup();
    let keys = || [LookUp { columns: 1, rows: contacts.iter().map(|it| vec![it.to_string()]).collect() }];
    if tx.has_company() {
        // Another hub on the same PostgreSQL must not open a second lead for the same person meanwhile: locked in one order, so that
        // nobody waits in a circle.
        let sql = "with k(id) as ({rows}) select c.id from contacts c where c.id in (select id from k) order by c.id for update";
        tx.look_up(sql, 1, keys()).await?;
    }
    let sql = if histories { KNOWN_WITH_HISTORIES } else { KNOWN };
    for row in tx.look_up(sql, 23, keys()).await? {
        let mut state = ContactState {
            names: row.opt_text(1)?.into_iter().collect(),
            company: row.opt_text(2)?,
            city: row.opt_text(3)?,
            language: row.opt_text(4)?,
            guarded: row.int(5)? != 0,
            reach: match row.int(6)? {
                0 => Reach::Nothing,
                1 => Reach::Company,
                _ => Reach::Person,
            },
            leads: BTreeSet::new(),
        };
        if row.opt_text(7)?.is_some() {
            let (lead, found) = lead_state(&row, 7)?;
            state.leads.insert(lead);
            known.leads.insert(lead, found);
            if let Some(channel) = row.opt_text(20)? {
                let history = History { channel, form: row.opt_text(21)?, active_at: timestamp(row.int(22)?) };
                known.histories.insert(lead, history);
            }
        }
        known.contacts.entry(row.id(0)?).or_default().absorb(state);
    }
    Ok(())
}

/// The columns that [`lead_state`] reads.
pub const LEAD_STATE: &str = "id, workspace_id, contact_id, title, stage, refused_reason, return_at, responsible_id, responsible_name, \
                              next_contact_at, qualification, temperature, tags";

/// A lead from the columns [`LEAD_STATE`], beginning with column `at`.
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
