//! Leads: wishes to buy, with their persons and timelines.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use patchbay_schemas::Lead;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{At, Params};
use super::interactions::Span;
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ContactId, LeadId};
use crate::operations::OperationError;
use crate::store::leads::{InteractionView, LeadFilter, Of};

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
    let filter = LeadFilter { stage: query.stage.map(|it| it.as_str().to_owned()), contact: query.contact, channel: query.channel };
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
