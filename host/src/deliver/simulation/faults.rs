//! What must be true when all is quiet.

use std::collections::BTreeSet;

use super::run::Simulation;
use crate::ids::{InteractionId, OutboxId};
use crate::store::deliveries::Filter;
use crate::store::leads::{LeadFilter, Of};

impl Simulation {
    /// What is wrong now that all is quiet.
    pub async fn faults(&mut self) -> Vec<String> {
        let mut faults = std::mem::take(&mut self.vendor.faults);
        let (store, workspace) = (&self.world.hub.store, self.world.hub.workspace.id);
        for finding in store.examine().await.unwrap() {
            faults.extend(finding.violations.iter().map(|it| format!("the doctor: {}: {it}", finding.rule)));
        }
        for it in store.sums(workspace).await.unwrap().iter().filter(|it| it.connection == self.world.sink.to_string()) {
            if it.created != it.delivered + it.superseded || it.outbox_dead != 0 {
                faults.push(format!("commands are left: {it:?}"));
            }
        }
        let leads = store.leads(workspace, &LeadFilter::default(), None, 1_000).await.unwrap();
        for lead in &leads {
            let records: Vec<_> = self.vendor.records.iter().filter(|it| it.live && it.lead == lead.id).collect();
            let record = match records.as_slice() {
                [record] => record,
                [] if self.deleted.contains(&lead.id) => continue,
                _ => {
                    faults.push(format!("{} has {} records", lead.id, records.len()));
                    continue;
                }
            };
            if record.document != serde_json::to_value(lead).unwrap() {
                faults.push(format!(
                    "{}: the record shows\n  {}\nbut the lead is\n  {}",
                    lead.id,
                    record.document,
                    serde_json::to_value(lead).unwrap()
                ));
            }
            let timeline = store.interactions(workspace, Of::Lead(lead.id.parse().unwrap()), None, 1_000).await.unwrap();
            let mut ours: Vec<String> = timeline.iter().map(|it| it.id.to_string()).collect();
            ours.sort_unstable();
            let merges = Filter { lane: Some(lead.id.clone()), state: Some("delivered".to_owned()), limit: 1_000, ..Filter::default() };
            let rows = store.outbox(workspace, &merges).await.unwrap();
            let told: BTreeSet<String> = rows.iter().filter(|it| it.kind.starts_with("person.")).map(|it| noted(it.id)).collect();
            let (merges, mut theirs): (Vec<String>, Vec<String>) = record.notes.iter().cloned().partition(|it| told.contains(it));
            if merges.len() != told.len() && !self.deleted.contains(&lead.id) {
                faults.push(format!("{}: of the merges {told:?} the record is told {merges:?} in its notes", lead.id));
            }
            if self.deleted.contains(&lead.id) {
                ours.retain(|it| theirs.contains(it));
            }
            if self.redriven.contains(&lead.id) {
                theirs.sort_unstable();
            }
            if ours != theirs {
                let rows =
                    store.outbox(workspace, &Filter { lane: Some(lead.id.clone()), limit: 1_000, ..Filter::default() }).await.unwrap();
                let rows = rows.iter().map(|it| format!("{} {} {} after {}", it.kind, noted(it.id), it.state, it.attempts));
                let rows = rows.collect::<Vec<_>>().join("; ");
                faults.push(format!("{}: the notes are {theirs:?}, due are {ours:?}; of {rows}", lead.id));
            }
        }
        let said: BTreeSet<_> = store.interactions(workspace, Of::Everybody, None, 1_000).await.unwrap().iter().map(|it| it.id).collect();
        if said.len() != self.written.len() {
            faults.push(format!("{} messages were written, {} are kept", self.written.len(), said.len()));
        }
        faults
    }
}

/// The id by which the vendor knows a note of a merge.
fn noted(row: OutboxId) -> String {
    InteractionId::of_number(row.number()).to_string()
}
