//! HTTP: where vendors post to, and where people ask.

pub mod api;
mod auth;
mod error;
mod inbound;
mod oauth2;
mod ops;

use std::sync::Arc;

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{Notify, Semaphore};

use crate::committer::Committer;
use crate::hub::Hub;

/// What every handler can reach.
pub struct App {
    /// The hub's parts.
    pub hub: Hub,
    /// The way to the writers.
    pub committer: Committer,
    /// Wakes whoever sends what waits in the outbox.
    pub wake: Arc<Notify>,
    /// Bytes of bodies that may lie between receipt and commit, in KiB.
    pub room: Semaphore,
    /// The metrics of this process.
    pub prometheus: metrics_exporter_prometheus::PrometheusHandle,
}

/// Every route of the hub.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(inbound::router())
        .nest("/api/v1", api::router())
        .merge(ops::router())
        .merge(oauth2::router())
        .route("/example", get(example))
        .layer(axum::middleware::from_fn(ops::request_id))
        .with_state(app)
}

/// A page with the form of the first form connection, to try the hub with.
async fn example(axum::extract::State(app): axum::extract::State<Arc<App>>) -> Response {
    match crate::example::example_page(&app.hub).await {
        Some(page) => Html(page).into_response(),
        None => (axum::http::StatusCode::NOT_FOUND, "there is no form connection: `patchbay connection add webform` makes one\n")
            .into_response(),
    }
}
