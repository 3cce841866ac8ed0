//! Field mappings of connections, and what would be written to a sink.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::extract::{At, Body};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, LeadId};
use crate::mapping::Preview;
use crate::operations::OperationError;
use crate::setup::Fault;
use crate::store::mappings::MappingVersion;
use crate::sync::{PlanWanted, SyncPlan};

/// A connection's mapping, and the versions before it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MappingView {
    /// Newest first, 100 at most: the first one holds.
    versions: Vec<MappingVersion>,
}

/// A mapping to be checked or saved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingGiven {
    /// `{"fields": {"city": "contact.city"}}`: the sink's fields with their rules.
    #[schema(value_type = Object)]
    document: Value,
    /// Do not hold it against the sink's fields.
    #[serde(default)]
    offline: bool,
}

/// What is wrong with a mapping.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MappingChecked {
    /// Each with a JSON pointer into the document; none: the mapping is sound.
    faults: Vec<Fault>,
}

/// A lead to try a mapping on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewWanted {
    /// `lead_…`
    #[schema(value_type = String)]
    lead: LeadId,
    /// This mapping instead of the connection's own.
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
}

/// The fields of a sink.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldsView {
    /// As `receipt.json#/$defs/field` describes them.
    #[schema(value_type = Vec<Object>)]
    fields: Vec<patchbay_schemas::command::Field>,
}

/// The fields that the sink's records have: asked of the sink now.
#[utoipa::path(get, path = "/connections/{id}/fields", tag = "mappings", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = FieldsView)))]
pub(super) async fn fields(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<FieldsView>, ApiError> {
    let fields = app.hub.sink_fields(workspace, id).await?;
    let fields = fields.ok_or_else(|| OperationError::Refused("the connector cannot tell its fields (fields.list)".to_owned()))?;
    Ok(Json(FieldsView { fields }))
}

/// The connection's field mapping, with its older versions.
#[utoipa::path(get, path = "/connections/{id}/mapping", tag = "mappings", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = MappingView)))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<MappingView>, ApiError> {
    app.hub.found(workspace, id).await?;
    Ok(Json(MappingView { versions: app.hub.store.mapping_versions(id).await? }))
}

/// Saves a mapping that has no fault. It holds from the next write of each lead on.
#[utoipa::path(put, path = "/connections/{id}/mapping", tag = "mappings", params(("id" = String, Path, description = "`cxn_…`")),
    request_body = MappingGiven, responses((status = 200, body = MappingView)))]
pub(super) async fn set(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
    Body(given): Body<MappingGiven>,
) -> Result<Json<MappingView>, ApiError> {
    app.hub.set_mapping(workspace, id, &given.document, !given.offline).await?;
    // This hub has it at once, others within a second.
    app.hub.registry.refresh().await?;
    Ok(Json(MappingView { versions: app.hub.store.mapping_versions(id).await? }))
}

/// Says what is wrong with a mapping, and saves nothing.
#[utoipa::path(post, path = "/connections/{id}/mapping/check", tag = "mappings", params(("id" = String, Path, description = "`cxn_…`")),
    request_body = MappingGiven, responses((status = 200, body = MappingChecked)))]
pub(super) async fn check(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
    Body(given): Body<MappingGiven>,
) -> Result<Json<MappingChecked>, ApiError> {
    let faults = app.hub.check_mapping(workspace, id, &given.document, !given.offline).await?;
    Ok(Json(MappingChecked { faults }))
}

/// What a mapping makes of a lead, beside what is written without one. Nothing is written.
#[utoipa::path(post, path = "/connections/{id}/mapping/preview", tag = "mappings", params(("id" = String, Path, description = "`cxn_…`")),
    request_body = PreviewWanted, responses((status = 200, body = Preview)))]
pub(super) async fn preview(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
    Body(wanted): Body<PreviewWanted>,
) -> Result<Json<Preview>, ApiError> {
    Ok(Json(app.hub.preview_mapping(workspace, id, wanted.lead, wanted.document.as_ref()).await?))
}

/// What would be created, updated and left alone in the sink if every lead were written now. Nothing is written.
#[utoipa::path(post, path = "/connections/{id}/plan", tag = "mappings", params(("id" = String, Path, description = "`cxn_…`")),
    request_body = PlanWanted, responses((status = 200, body = SyncPlan)))]
pub(super) async fn plan(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
    Body(wanted): Body<PlanWanted>,
) -> Result<Json<SyncPlan>, ApiError> {
    Ok(Json(app.hub.plan_sync(workspace, id, &wanted).await?))
}
