//! What is known of the people of whom records tell: how they are shown, and what the records said of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use patchbay_schemas::manifest::HandleScope;

use super::load::identity_kind;
use crate::ids::{ConnectionId, ContactId, LeadId, WorkspaceId};
use crate::rules::identity::{Heard, IdentityKey, normalise};
use crate::rules::ingest::{Assurance, Filled, Known, SaidIdentity, Teller};
use crate::store::Tx;
use crate::store::db::LookUp;
use crate::store::people::people_in;

/// Most people in one statement.
const MOST_PEOPLE: usize = 256;

/// Who says what these records say of their lead's person.
pub(super) async fn load_tellers(
    tx: &mut Tx,
    records: &BTreeSet<(ConnectionId, LeadId)>,
    known: &mut Known,
    contacts: &mut Vec<ContactId>,
) -> sqlx::Result<()> {
    let rows = records.iter().map(|(sink, lead)| vec![sink.to_string(), lead.to_string()]).collect();
    let sql = "with k(connection_id, lead) as ({rows}) \
               select c.connection_id, c.record_of, c.id, coalesce(c.merged_into, c.id), c.name, c.company, c.city, c.language, \
               i.kind, i.value, i.shown, i.assurance, i.label from k join contacts c on c.record_of = k.lead and c.connection_id = k.connection_id \
               left join identities i on i.contact_id = c.id";
    for row in tx.look_up(sql, 13, [LookUp { columns: 2, rows }]).await? {
        let contact = known.meet(row.id(2)?, row.id(3)?, contacts);
        let text = |at| row.opt_text(at);
        let says = Filled { name: text(4)?, company: text(5)?, city: text(6)?, language: text(7)? };
        let teller = known.tellers.entry((row.id(0)?, row.id(1)?)).or_insert(Teller { contact, says, identities: Vec::new() });
        let Some(kind) = text(8)? else { continue };
        let key = IdentityKey { kind: identity_kind(&kind)?, value: row.text(9)? };
        teller.identities.push(said_identity(key, text(10)?, &row.text(11)?, text(12)?));
    }
    Ok(())
}

/// Most leads of one contact of a sink that are looked at.
const MOST_LEADS: i64 = 16;

/// Which contacts of a sink these records belonged to, and who else has a record that belongs to those that are told of.
pub(super) async fn load_persons(
    tx: &mut Tx,
    told: HashSet<(ConnectionId, String)>,
    records: &BTreeSet<(ConnectionId, LeadId)>,
    known: &mut Known,
    contacts: &mut Vec<ContactId>,
) -> sqlx::Result<()> {
    let telling: HashSet<ConnectionId> = told.iter().map(|it| it.0).collect();
    let rows = records.iter().filter(|it| telling.contains(&it.0)).map(|(sink, lead)| vec![sink.to_string(), lead.to_string()]).collect();
    let sql = "with k(connection_id, lead) as ({rows}) select r.connection_id, r.local_id, r.remote_id from k \
               join external_refs r on r.connection_id = k.connection_id and r.kind = 'person' and r.local_id = k.lead";
    for row in tx.look_up(sql, 3, [LookUp { columns: 2, rows }]).await? {
        known.persons.insert((row.id(0)?, row.id(1)?), row.text(2)?);
    }
    let rows = told.into_iter().map(|(sink, person)| vec![sink.to_string(), person]).collect();
    let sql = format!(
        "with k(connection_id, person) as ({{rows}}) select r.connection_id, r.remote_id, r.local_id, l.contact_id, coalesce(c.merged_into, c.id) \
         from k join external_refs r on r.connection_id = k.connection_id and r.kind = 'person' and r.remote_id = k.person and r.local_id in \
         (select m.local_id from external_refs m where m.connection_id = k.connection_id and m.kind = 'person' and m.remote_id = k.person \
         order by m.local_id limit {MOST_LEADS}) join leads l on l.id = r.local_id join contacts c on c.id = l.contact_id"
    );
    for row in tx.look_up(&sql, 5, [LookUp { columns: 2, rows }]).await? {
        let contact = known.meet(row.id(3)?, row.id(4)?, contacts);
        known.of_person.entry((row.id(0)?, row.text(1)?)).or_default().push((row.id(2)?, contact));
    }
    // Whoever came first is asked about first.
    known.of_person.values_mut().for_each(|it| it.sort_unstable());
    Ok(())
}

/// Whom a record may mean besides its lead's person: the first few who have what it points by.
pub(super) async fn load_holders(
    tx: &mut Tx,
    told: HashSet<(WorkspaceId, IdentityKey)>,
    known: &mut Known,
    contacts: &mut Vec<ContactId>,
) -> sqlx::Result<()> {
    let rows = told.into_iter().map(|(workspace, key)| vec![workspace.to_string(), key.kind.as_str().to_owned(), key.value]).collect();
    let sql = "with k(workspace_id, kind, value) as ({rows}) select o.workspace_id, o.kind, o.value, o.contact_id, coalesce(c.merged_into, c.id) \
               from k join identities o on o.workspace_id = k.workspace_id and o.kind = k.kind and o.value = k.value and o.said in \
               (select m.said from identities m where m.workspace_id = k.workspace_id and m.kind = k.kind and m.value = k.value order by m.said limit 16) \
               join contacts c on c.id = o.contact_id";
    for row in tx.look_up(sql, 5, [LookUp { columns: 3, rows }]).await? {
        let key = IdentityKey { kind: identity_kind(&row.text(1)?)?, value: row.text(2)? };
        let contact = known.meet(row.id(3)?, row.id(4)?, contacts);
        known.holders.entry((row.id(0)?, key)).or_default().push(contact);
    }
    Ok(())
}

/// An identity as it was said. How much it points at one person stands in its form.
fn said_identity(key: IdentityKey, shown: Option<String>, assurance: &str, label: Option<String>) -> SaidIdentity {
    let assurance = match assurance {
        "vendor" => Assurance::Vendor,
        "written" => Assurance::Written,
        _ => Assurance::Stated,
    };
    let identity = patchbay_schemas::Identity {
        kind: key.kind,
        value: key.value.clone(),
        assurance: patchbay_schemas::Assurance::Stated,
        label: None,
    };
    let heard = Heard { region: "", connector: "", connection: "", handles: HandleScope::Vendor, own: &[] };
    let weak = normalise(&identity, heard).is_some_and(|it| it.weak);
    SaidIdentity { key, shown, weak, assurance, label }
}

/// How the people of these leads are shown.
pub(super) async fn load_people(tx: &mut Tx, records: &BTreeSet<(ConnectionId, LeadId)>, known: &mut Known) -> sqlx::Result<()> {
    let mut wanted: BTreeMap<WorkspaceId, BTreeSet<ContactId>> = BTreeMap::new();
    for state in records.iter().filter_map(|(_, lead)| known.leads.get(lead)) {
        wanted.entry(state.workspace).or_default().insert(known.shown(state.contact));
    }
    for (workspace, people) in wanted {
        let people: Vec<ContactId> = people.into_iter().collect();
        for people in people.chunks(MOST_PEOPLE) {
            for contact in people_in(tx, workspace, people).await? {
                if let Ok(id) = contact.id.parse() {
                    known.people.insert(id, contact);
                }
            }
        }
    }
    Ok(())
}
