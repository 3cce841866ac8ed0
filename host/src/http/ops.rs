//! Placeholder: replaced by its author.
use std::sync::Arc;
use super::App;
pub(super) fn router() -> axum::Router<Arc<App>> { axum::Router::new().route("/healthz", axum::routing::get(|| async { "ok" })) }
pub(super) async fn request_id(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response { next.run(request).await }
