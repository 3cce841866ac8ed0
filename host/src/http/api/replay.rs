//! Stored deliveries, read again by the connector that is installed now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::extract::{At, Body};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids;
use crate::replay::{ReplayWanted, Replayed};

/// Reads stored deliveries of a connection again, oldest first, and says what differs from what is stored. With `apply` it is taken over: new
/// events go the way of every new event, changed ones are changed where they stand and each sink gets one upsert of their lead.
#[utoipa::path(post, path = "/connections/{id}/replay", tag = "deliveries", params(("id" = String, Path, description = "`cxn_…`")),
    request_body = ReplayWanted, responses((status = 200, body = Replayed)))]
pub(super) async fn replay(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
    Body(wanted): Body<ReplayWanted>,
) -> Result<Json<Replayed>, ApiError> {
    let done = app.hub.replay(workspace, id, &wanted).await?;
    app.wake.notify_waiters();
    Ok(Json(done))
}
