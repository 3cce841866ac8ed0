//! The outbox: what waits for connections, or waited.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{At, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ConnectionId, OutboxId};
use crate::operations::OperationError;
use crate::store::deliveries::{AttemptView, Filter, OutboxView};

/// Most tries of one row that are shown.
const ATTEMPTS: i64 = 50;

/// What became of a row.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RowState {
    /// It waits.
    Pending,
    /// It was carried out.
    Delivered,
    /// A later row made it unnecessary.
    Superseded,
    /// It was given up.
    Dead,
}

impl RowState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Superseded => "superseded",
            Self::Dead => "dead",
        }
    }
}

/// A row of the outbox with its tries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tried {
    #[serde(flatten)]
    row: OutboxView,
    /// Its last tries, newest first, at most 50.
    tries: Vec<AttemptView>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only of this connection: `cxn_…`
    #[param(value_type = Option<String>)]
    connection: Option<ConnectionId>,
    /// Only in this state.
    #[param(inline)]
    state: Option<RowState>,
    /// Only in this lane: `lead_…` or `cnv_…`
    lane: Option<String>,
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<OutboxId>,
}

/// The rows of the outbox, newest first.
#[utoipa::path(get, path = "/outbox", tag = "outbox", params(Query), responses((status = 200, body = Page<OutboxView>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<OutboxView>>, ApiError> {
    let filter = Filter {
        connection: query.connection,
        state: query.state.map(|it| it.as_str().to_owned()),
        lane: query.lane,
        before: query.cursor.map(|it| it.to_string()),
        limit: query.limit.and_one(),
    };
    let found = app.hub.store.outbox(workspace, &filter).await?;
    Ok(Json(Page::new(found, query.limit, |it| it.id.to_string())))
}

/// One row of the outbox with its tries.
#[utoipa::path(get, path = "/outbox/{id}", tag = "outbox", params(("id" = String, Path, description = "`out_…`")),
    responses((status = 200, body = Tried)))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Outbox>,
) -> Result<Json<Tried>, ApiError> {
    let found = app.hub.store.outbox_row(workspace, id).await?;
    let row = found.ok_or_else(|| OperationError::NotFound(format!("outbox row {id}")))?;
    let tries = app.hub.store.attempts(workspace, id, ATTEMPTS).await?;
    Ok(Json(Tried { row, tries }))
}
