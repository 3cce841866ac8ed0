//! Alerts: what people must hear of.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::store::alerts::Alert;

/// Most alerts that are shown: there are six kinds, and one of a kind for each connection.
const MOST: i64 = 1_000;

/// The open alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alerts {
    /// Oldest first, at most 1,000.
    items: Vec<Alert>,
}

/// The open alerts, oldest first: a refused credential, a connector in quarantine, a vendor that is down, commands that wait long, tries that fail, silence.
#[utoipa::path(get, path = "/alerts", tag = "alerts", responses((status = 200, body = Alerts)))]
pub(super) async fn list(State(app): State<Arc<App>>, Caller { workspace, .. }: Caller) -> Result<Json<Alerts>, ApiError> {
    Ok(Json(Alerts { items: app.hub.store.alerts(workspace, MOST).await? }))
}
