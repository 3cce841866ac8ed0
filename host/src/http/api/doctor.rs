//! The doctor: proves from the rows that the sums are true and that nothing hangs in the air.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::store::doctor::Finding;

/// It reads every row, so one at a time.
static ONE: Semaphore = Semaphore::const_new(1);

/// What the doctor found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Findings {
    /// Every rule holds.
    sound: bool,
    /// Rule by rule; a rule without violations holds.
    findings: Vec<Finding>,
}

/// Looks at every rule, in the whole hub: only tokens of the first workspace may ask.
#[utoipa::path(get, path = "/doctor", tag = "doctor", responses((status = 200, body = Findings)))]
pub(super) async fn examine(State(app): State<Arc<App>>, Caller { workspace, .. }: Caller) -> Result<Json<Findings>, ApiError> {
    if workspace != app.hub.workspace.id {
        return Err(ApiError::FirstWorkspaceOnly);
    }
    let _turn = ONE.try_acquire().map_err(|_| ApiError::Busy("the doctor is at work already"))?;
    let findings = app.hub.store.examine().await?;
    Ok(Json(Findings { sound: findings.iter().all(|it| it.violations.is_empty()), findings }))
}
