//! `sync plan`

use std::path::PathBuf;

use serde_json::Value;

use super::connection::find;
use super::failure::Failure;
use super::fields::read_object;
use super::mapping::shown;
use super::output::{Out, Table, clean};
use patchbay_host::hub::Hub;
use patchbay_host::ids::LeadId;
use patchbay_host::sync::PlanWanted;

#[derive(clap::Subcommand)]
pub enum Sync {
    /// Show what would be created, updated and left alone in a sink, and write nothing
    Plan {
        /// cxn_…, or its name
        connection: String,
        /// This mapping instead of the connection's own, TOML or JSON
        #[arg(long, value_name = "FILE")]
        mapping: Option<PathBuf>,
        /// Only leads older than this one
        #[arg(long, value_name = "LEAD_…")]
        before: Option<LeadId>,
        /// At most so many leads, the newest
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=200))]
        limit: i64,
    },
}

impl Sync {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        let Self::Plan { connection, mapping, before, limit } = self;
        let found = find(hub, &connection).await?;
        let mapping = mapping.map(|it| read_object(&it).map(Value::Object)).transpose()?;
        let plan = hub.plan_sync(hub.workspace.id, found.id, &PlanWanted { mapping, before, limit: Some(limit) }).await?;
        out.answer(&plan, || {
            let mut text = String::new();
            for it in plan.items.iter().filter(|it| it.record().result != "leave" || !it.failed.is_empty()) {
                let record = it.record();
                let of = record.remote_id.as_deref().map(|it| format!(" record {it}")).unwrap_or_default();
                text += &format!("{}{of}: {} {}\n", record.result, it.lead, clean(&it.title));
                let mut table = Table::plain();
                for change in &record.changes {
                    let from = if change.from.is_null() { String::new() } else { format!("{} → ", shown(&change.from)) };
                    table.row([change.field.clone(), format!("{from}{}", shown(&change.to))]);
                }
                text += &table.text();
                let failed = it.failed.iter().map(|(field, reason)| format!("{field}: {reason}"));
                let faults = failed.chain(record.left_out.iter().cloned()).chain(record.problem.clone());
                text.extend(faults.map(|it| format!("  ! {}\n", clean(&it))));
            }
            let sums: Vec<String> = ["create", "update", "leave", "fail"]
                .iter()
                .map(|it| format!("{} {it}", plan.sums.get(it).copied().unwrap_or(0)))
                .collect();
            text + &format!("{} leads: {}\n", plan.items.len(), sums.join(", "))
        })?;
        if let Some(next) = &plan.next {
            out.note(format!("there may be more: --before {next}"));
        }
        Ok(())
    }
}
