//! What would be written to a sink, without writing: `patchbay sync plan`.

use std::collections::BTreeMap;

use patchbay_schemas::command::{CommandBody, FieldChange, LeadUpsert, Planned, RecordPlan};
use patchbay_schemas::{Extra, Lead};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deliver::upsert_of;
use crate::hub::Hub;
use crate::ids::{ConnectionId, LeadId, WorkspaceId};
use crate::mapping::{Answered, chosen};
use crate::operations::{OperationError, not_found};
use crate::registry::Running;
use crate::store::leads::LeadFilter;

/// How many leads the connector is asked about at once.
const BATCH: usize = 10;

/// What would be done with one record of the sink.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct RecordView {
    /// `create`, `update` or `leave`; `fail`: it cannot be said.
    pub result: &'static str,
    /// The record that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// Its address for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Field by field: `from` what stands there, `to` what would.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<FieldChange>,
    /// What the connector would leave out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Why it cannot be said: `code: message`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What would be done with one lead.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PlannedLead {
    /// `lead_…`
    pub lead: String,
    /// Its title.
    pub title: String,
    #[serde(flatten)]
    record: RecordView,
    /// Rules of the mapping that failed, by field, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, String>,
}

impl PlannedLead {
    /// What would be done with its record.
    #[must_use]
    pub fn record(&self) -> &RecordView {
        &self.record
    }
}

/// A page of a plan, and what it comes to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SyncPlan {
    /// One for each lead, newest first.
    pub items: Vec<PlannedLead>,
    /// How many leads of this page have which result.
    pub sums: BTreeMap<&'static str, usize>,
    /// The `before` of the next page; absent: this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What is to be planned.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlanWanted {
    /// This mapping instead of the connection's own.
    #[schema(value_type = Option<Object>)]
    pub mapping: Option<Value>,
    /// Only leads that are older than this one: `next` of the page before.
    #[schema(value_type = Option<String>)]
    pub before: Option<LeadId>,
    /// At most so many leads, 1 to 200; 50 unless told.
    #[schema(minimum = 1, maximum = 200)]
    pub limit: Option<i64>,
}

impl Hub {
    /// What would be created, updated and left alone, page by page, if every lead were written to the sink now. Nothing is written.
    pub async fn plan_sync(&self, workspace: WorkspaceId, id: ConnectionId, wanted: &PlanWanted) -> Result<SyncPlan, OperationError> {
        let connection = self.found(workspace, id).await?;
        let running = self.registry.run(connection).await?;
        if !running.takes("lead.plan") {
            let connector = &running.connection.connector;
            return Err(OperationError::Refused(format!("the connector `{connector}` cannot say what it would write (lead.plan)")));
        }
        let mapping = chosen(&running, wanted.mapping.as_ref())?;
        let limit = wanted.limit.unwrap_or(50).clamp(1, 200);
        let leads = self.store.leads(workspace, &LeadFilter::default(), wanted.before, limit).await?;
        let next = leads.last().filter(|_| i64::try_from(leads.len()).is_ok_and(|it| it == limit)).map(|it| it.id.clone());
        let mut items = Vec::with_capacity(leads.len());
        let mut leads = leads.into_iter().peekable();
        while leads.peek().is_some() {
            let (mut questions, mut asked) = (Vec::new(), Vec::new());
            for lead in leads.by_ref().take(BATCH) {
                let lead_id: LeadId = lead.id.parse().map_err(|_| not_found("lead", &lead.id))?;
                let made = self.mapped(mapping.as_deref(), workspace, lead_id, &lead).await?;
                asked.push((lead.id.clone(), lead.title.clone(), made.failed));
                questions.push(self.plan_of(&running, lead, lead_id, made.values).await?);
            }
            for ((lead, title, failed), answer) in asked.into_iter().zip(running.ask(&questions).await?) {
                items.push(PlannedLead { lead, title, record: view(answer), failed });
            }
        }
        let mut sums = BTreeMap::new();
        for it in &items {
            *sums.entry(it.record.result).or_insert(0) += 1;
        }
        Ok(SyncPlan { items, sums, next })
    }

    /// What would be written of one lead.
    pub(crate) async fn plan_lead(&self, running: &Running, lead: Lead, id: LeadId, fields: Extra) -> Result<RecordView, OperationError> {
        let question = self.plan_of(running, lead, id, fields).await?;
        Ok(view(running.ask(&[question]).await?.remove(0)))
    }

    async fn plan_of(&self, running: &Running, lead: Lead, id: LeadId, fields: Extra) -> Result<CommandBody, OperationError> {
        let sources = self.store.sources(id).await?;
        let upsert: LeadUpsert = upsert_of(self, &running.connection, id, (lead, &sources), fields, false).await?;
        Ok(CommandBody::LeadPlan(Box::new(upsert)))
    }
}

fn view(answer: Answered) -> RecordView {
    let fail = |problem: String| RecordView { result: "fail", problem: Some(problem), ..RecordView::default() };
    let receipt = match answer {
        Ok(receipt) => receipt,
        Err(error) => return fail(error.to_string()),
    };
    let mut details: Value = serde_json::from_str(&receipt.details).unwrap_or_default();
    let plan: RecordPlan = match serde_json::from_value(details["plan"].take()) {
        Ok(plan) => plan,
        Err(error) => return fail(format!("connector.plan: the connector's plan is not of the shape that receipt.json has: {error}")),
    };
    let result = match plan.result {
        Planned::Create => "create",
        Planned::Update => "update",
        Planned::Leave => "leave",
    };
    let left_out = details["left_out"].as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    RecordView { result, remote_id: receipt.remote_id, url: plan.url, changes: plan.changes, left_out, problem: None }
}
