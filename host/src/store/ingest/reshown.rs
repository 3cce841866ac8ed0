//! What the sinks hear of people who are shown otherwise than before, beside the lead that was spoken of.

use std::collections::{HashMap, HashSet};

use crate::ids::{ContactId, LeadId, WorkspaceId};
use crate::rules::ingest::{Ask, Context, MergeNote, MergeStep, NewMerge, NewOutbox, Plan};
use crate::store::db::LookUp;
use crate::store::imports::only_read;
use crate::store::{Store, Tx};

/// The leads of all contacts that these people are.
const LEADS: &str = "with k(id) as ({rows}) \
    select l.id, l.workspace_id, k.id from k join leads l on l.contact_id = k.id union all \
    select l.id, l.workspace_id, k.id from k join contacts c on c.merged_into = k.id join leads l on l.contact_id = c.id";

/// The records of these people's other leads show who they are now, and those of people who were merged say so. One way to the database, for a
/// batch that shows somebody otherwise.
pub(super) async fn tell_leads(tx: &mut Tx, store: &Store, contexts: &HashMap<WorkspaceId, Context>, plan: &mut Plan) -> sqlx::Result<()> {
    let rows = plan.reshown.iter().map(|it| vec![it.to_string()]).collect();
    let mut told: HashSet<LeadId> = plan.outbox.iter().filter(|it| matches!(it.ask, Ask::Upsert)).map(|it| it.lead).collect();
    let mut asks = Vec::new();
    let mut leads: HashMap<ContactId, Vec<LeadId>> = HashMap::new();
    for row in tx.look_up(LEADS, 3, [LookUp { columns: 1, rows }]).await? {
        let (lead, workspace): (LeadId, WorkspaceId) = (row.id(0)?, row.id(1)?);
        leads.entry(row.id(2)?).or_default().push(lead);
        if told.insert(lead) {
            asks.push((workspace, lead, Ask::Upsert));
        }
    }
    for merge in &plan.merges {
        asks.extend(notes(merge, &mut leads).into_iter().map(|(lead, ask)| (merge.workspace, lead, ask)));
    }
    let sinks = |workspace: &WorkspaceId| contexts.get(workspace).into_iter().flat_map(|it| &it.sinks);
    let pairs: Vec<_> = asks.iter().flat_map(|(workspace, lead, _)| sinks(workspace).map(|sink| (*sink, *lead))).collect();
    let silent = only_read(tx, &pairs).await?;
    let created_at = store.clock.now();
    for (workspace, lead, ask) in asks.into_iter().filter(|(_, lead, _)| !silent.contains(lead)) {
        for sink in sinks(&workspace) {
            plan.counted.entry(*sink).or_default().created += 1;
            plan.outbox.push(NewOutbox { id: store.ids.next(), workspace, sink: *sink, lead, ask: ask.clone(), created_at });
        }
    }
    Ok(())
}

/// What the records of two people are told of their merge. `leads` are those of each person as it was before, and then of both as one.
fn notes(merge: &NewMerge, leads: &mut HashMap<ContactId, Vec<LeadId>>) -> Vec<(LeadId, Ask)> {
    let [here, there] = merge.people.clone().map(|(person, made)| (person, [leads.remove(&person).unwrap_or_default(), made].concat()));
    let notes = MergeNote::for_both(merge.id, MergeStep::Merged, &here.1, &there.1);
    leads.insert(there.0, [here.1, there.1].concat());
    notes
}
