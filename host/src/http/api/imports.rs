//! Imports: what a CRM knew before the hub was connected to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::extract::At;
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids;
use crate::store::imports::ImportView;

/// Reads the people of a CRM and its open leads into the hub, beside everything else. Nothing is written into any CRM. One that was stopped goes on
/// where it was; one that is done begins anew, and what is known already is known then.
#[utoipa::path(post, path = "/connections/{id}/import", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 202, body = ImportView)))]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<(StatusCode, Json<ImportView>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(app.hub.begin_import(workspace, id).await?)))
}

/// How far the import of a connection has come.
#[utoipa::path(get, path = "/connections/{id}/import", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = ImportView)))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<ImportView>, ApiError> {
    Ok(Json(app.hub.imported(workspace, id).await?))
}

/// Ends an import before its end. What it brought stays; it goes on where it was when it is asked for again.
#[utoipa::path(delete, path = "/connections/{id}/import", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = ImportView)))]
pub(super) async fn stop(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<ImportView>, ApiError> {
    Ok(Json(app.hub.stop_import(workspace, id).await?))
}
