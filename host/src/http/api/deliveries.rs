//! Deliveries: the raw payloads that came in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{At, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ConnectionId, DeliveryId};
use crate::operations::OperationError;
use crate::rules::ingest::Outcome;
use crate::store::deliveries::{DeliveryView, Filter};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only of this connection: `cxn_…`
    #[param(value_type = Option<String>)]
    connection: Option<ConnectionId>,
    /// Only with this outcome.
    #[param(inline)]
    outcome: Option<Outcome>,
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<DeliveryId>,
}

/// The deliveries, newest first.
#[utoipa::path(get, path = "/deliveries", tag = "deliveries", params(Query), responses((status = 200, body = Page<DeliveryView>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<DeliveryView>>, ApiError> {
    let filter = Filter {
        connection: query.connection,
        state: query.outcome.map(|it| it.as_str().to_owned()),
        lane: None,
        before: query.cursor.map(|it| it.to_string()),
        limit: query.limit.and_one(),
    };
    let found = app.hub.store.deliveries(workspace, &filter).await?;
    Ok(Json(Page::new(found, query.limit, |it| it.id.to_string())))
}

/// One delivery.
#[utoipa::path(get, path = "/deliveries/{id}", tag = "deliveries", params(("id" = String, Path, description = "`dlv_…`")),
    responses((status = 200, body = DeliveryView)))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Delivery>,
) -> Result<Json<DeliveryView>, ApiError> {
    let found = app.hub.store.delivery(workspace, id).await?;
    let (delivery, _) = found.ok_or_else(|| OperationError::NotFound(format!("delivery {id}")))?;
    Ok(Json(delivery))
}

/// A delivery's body, byte for byte. Of a duplicate there is none.
#[utoipa::path(get, path = "/deliveries/{id}/body", tag = "deliveries", params(("id" = String, Path, description = "`dlv_…`")),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)))]
pub(super) async fn body(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Delivery>,
) -> Result<impl IntoResponse, ApiError> {
    let found = app.hub.store.delivery(workspace, id).await?;
    let (delivery, body) = found.ok_or_else(|| OperationError::NotFound(format!("delivery {id}")))?;
    let body = body.ok_or_else(|| OperationError::NotFound(format!("body of {id}, which is {},", delivery.outcome)))?;
    // A stranger wrote it: no browser may take it for a page.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, body))
}
