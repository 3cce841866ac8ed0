//! Leads: wishes to buy, with their persons and timelines.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use patchbay_schemas::Lead;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{At, Body, Params};
use super::interactions::Span;
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ContactId, LeadId};
use crate::operations::OperationError;
use crate::store::leads::{InteractionView, LeadFilter, Of};
use crate::store::stages::LeadWhy;

/// How far a lead came.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// Someone reacted, no way yet to reach a person.
    Interest,
    /// A named or reachable person.
    Lead,
    /// Converted.
    Client,
    /// They said no.
    Refused,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Interest => "interest",
            Self::Lead => "lead",
            Self::Client => "client",
            Self::Refused => "refused",
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only in this stage.
    #[param(inline)]
    stage: Option<Stage>,
    /// Only of this person: `con_…`
    #[param(value_type = Option<String>)]
    contact: Option<ContactId>,
    /// Only from this medium: `telegram`, `form`
    channel: Option<String>,
    /// `true`: only those of whose person somebody was to speak with by now.
    #[serde(default)]
    due: bool,
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<LeadId>,
}

/// The leads, newest first.
#[utoipa::path(get, path = "/leads", tag = "leads", params(Query),
    responses((status = 200, body = ref("#/components/schemas/page.lead.json"))))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<Lead>>, ApiError> {
    let due_by = query.due.then(|| app.hub.store.clock.now());
    let filter = LeadFilter { stage: query.stage.map(|it| it.as_str().to_owned()), contact: query.contact, channel: query.channel, due_by };
    let found = app.hub.store.leads(workspace, &filter, query.cursor, query.limit.and_one()).await?;
    Ok(Json(Page::new(found, query.limit, |it| it.id.clone())))
}

/// One lead with its person.
#[utoipa::path(get, path = "/leads/{id}", tag = "leads", params(("id" = String, Path, description = "`lead_…`")),
    responses((status = 200, body = ref("#/components/schemas/lead.json"))))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Lead>,
) -> Result<Json<Lead>, ApiError> {
    let found = app.hub.store.lead(workspace, id).await?;
    Ok(Json(found.ok_or_else(|| OperationError::NotFound(format!("lead {id}")))?))
}

/// A lead among the others of its person, and why each interaction belongs to it: what it opened, joined or reopened, and by which rule.
#[utoipa::path(get, path = "/leads/{id}/why", tag = "leads", params(("id" = String, Path, description = "`lead_…`")),
    responses((status = 200, body = LeadWhy)))]
pub(super) async fn why(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Lead>,
) -> Result<Json<LeadWhy>, ApiError> {
    Ok(Json(app.hub.lead_why(workspace, id).await?))
}

/// The stage that a lead is put into.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStage {
    /// `lead`, `client` or `refused`
    name: Stage,
    /// Of `refused` alone: why.
    reason: Option<String>,
    /// Of `refused` alone: when to come back to it.
    return_at: Option<patchbay_schemas::Timestamp>,
}

/// Puts a lead into a stage, and tells the sinks. A refused lead is due again on the date to come back to it.
#[utoipa::path(put, path = "/leads/{id}/stage", tag = "leads", params(("id" = String, Path, description = "`lead_…`")), request_body = NewStage,
    responses((status = 200, body = ref("#/components/schemas/lead.json"))))]
pub(super) async fn set_stage(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Lead>,
    Body(NewStage { name, reason, return_at }): Body<NewStage>,
) -> Result<Json<Lead>, ApiError> {
    let stage = match name {
        Stage::Refused => patchbay_schemas::Stage::Refused { reason, return_at },
        _ if reason.is_some() || return_at.is_some() => {
            return Err(ApiError::Shape("/reason and /return_at belong to the stage `refused` alone".to_owned()));
        }
        Stage::Interest => patchbay_schemas::Stage::Interest,
        Stage::Lead => patchbay_schemas::Stage::Lead,
        Stage::Client => patchbay_schemas::Stage::Client,
    };
    let lead = app.hub.set_stage(workspace, id, stage).await?;
    app.wake.notify_waiters();
    Ok(Json(lead))
}

/// What happened with a lead, newest first.
#[utoipa::path(get, path = "/leads/{id}/timeline", tag = "leads", params(("id" = String, Path, description = "`lead_…`"), Span),
    responses((status = 200, body = Page<InteractionView>)))]
pub(super) async fn timeline(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Lead>,
    Params(span): Params<Span>,
) -> Result<Json<Page<InteractionView>>, ApiError> {
    app.hub.store.lead(workspace, id).await?.ok_or_else(|| OperationError::NotFound(format!("lead {id}")))?;
    span.page(&app, workspace, Of::Lead(id)).await
}
