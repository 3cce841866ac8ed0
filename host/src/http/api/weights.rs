//! How much each agreement says when people are compared.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::Body;
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::people::Estimate;
use crate::store::people::WeightsView;

/// The weights that people are compared by: the shipped ones, or those that were taken over from the workspace's own contacts.
#[utoipa::path(get, path = "/weights", tag = "contacts", responses((status = 200, body = WeightsView)))]
pub(super) async fn read(State(app): State<Arc<App>>, Caller { workspace, .. }: Caller) -> Result<Json<WeightsView>, ApiError> {
    Ok(Json(app.hub.store.weights(workspace).await?))
}

/// What becomes of an estimate.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wish {
    /// It holds from now on; without it nothing changes.
    apply: bool,
}

/// Estimates weights from the workspace's own contacts, without labels, and shows what they would change.
#[utoipa::path(post, path = "/weights/estimate", tag = "contacts", request_body = Wish, responses((status = 200, body = Estimate)))]
pub(super) async fn estimate(
    State(app): State<Arc<App>>,
    Caller { workspace, token }: Caller,
    Body(Wish { apply }): Body<Wish>,
) -> Result<Json<Estimate>, ApiError> {
    let estimate = app.hub.estimate_weights(workspace, apply, &token.to_string()).await?;
    app.wake.notify_waiters();
    Ok(Json(estimate))
}

/// Has people compared by the shipped weights again.
#[utoipa::path(delete, path = "/weights", tag = "contacts", responses((status = 200, body = WeightsView)))]
pub(super) async fn ship(State(app): State<Arc<App>>, Caller { workspace, token }: Caller) -> Result<Json<WeightsView>, ApiError> {
    let shipped = app.hub.ship_weights(workspace, &token.to_string()).await?;
    app.wake.notify_waiters();
    Ok(Json(shipped))
}
