//! For those who keep the hub running: is it up, is it ready, how is it doing. No token is needed, so nothing private is said.

mod metrics;
mod request_id;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

pub(super) use request_id::request_id;

use super::App;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `/healthz`, `/readyz` and `/metrics`.
pub(super) fn router() -> Router<Arc<App>> {
    let started = Instant::now();
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(async move |State(app): State<Arc<App>>| scrape(&app, started).await))
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let answers = tokio::time::timeout(PATIENCE, app.hub.store.ping()).await.unwrap_or(false);
    let reason = if !answers {
        Some("the database does not answer")
    } else if !tokio::time::timeout(PATIENCE, app.hub.store.takes_writes()).await.unwrap_or(false) {
        Some("the database takes no writes: what comes in is turned away until it does")
    } else if app.hub.registry.current().contexts.is_empty() {
        Some("the connections are not loaded yet")
    } else {
        None
    };
    match reason {
        None => Json(json!({ "ready": true })).into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "reason": reason }))).into_response(),
    }
}

async fn scrape(app: &App, started: Instant) -> Response {
    match tokio::time::timeout(PATIENCE, metrics::text(app, started.elapsed())).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Ok(Err(error)) => {
            tracing::error!(error = %error, "the metrics could not be read from the database");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
