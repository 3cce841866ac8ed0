//! Sums: what every connection received and sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::Params;
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::ConnectionId;
use crate::store::counters::Sums;

/// The sums of one connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SumsView {
    #[serde(flatten)]
    sums: Sums,
    /// Outbox rows that still wait: `created - delivered - superseded - outbox_dead`.
    pending: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<ConnectionId>,
}

/// The sums of every connection, removed ones too: `received = accepted + duplicate + ignored + refused + dead`, and
/// `created = delivered + superseded + outbox_dead + pending`.
#[utoipa::path(get, path = "/sums", tag = "sums", params(Query), responses((status = 200, body = Page<SumsView>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<SumsView>>, ApiError> {
    let all = app.hub.store.sums(workspace).await?;
    let after = query.cursor.map(|it| it.to_string());
    let page = Page::of_all(all, query.limit, after.as_deref(), |it| it.connection.clone());
    Ok(Json(page.map(|sums| SumsView { pending: sums.pending(), sums })))
}
