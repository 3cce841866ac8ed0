//! Conversations: the threads of vendors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use patchbay_schemas::Conversation;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{At, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ConversationId};
use crate::operations::OperationError;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<ConversationId>,
}

/// The conversations, newest first. `GET /interactions?conversation=` tells what was said.
#[utoipa::path(get, path = "/conversations", tag = "conversations", params(Query),
    responses((status = 200, body = ref("#/components/schemas/page.conversation.json"))))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<Conversation>>, ApiError> {
    let found = app.hub.store.conversations(workspace, query.cursor, query.limit.and_one()).await?;
    Ok(Json(Page::new(found, query.limit, |it| it.id.clone())))
}

/// One conversation.
#[utoipa::path(get, path = "/conversations/{id}", tag = "conversations", params(("id" = String, Path, description = "`cnv_…`")),
    responses((status = 200, body = ref("#/components/schemas/conversation.json"))))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Conversation>,
) -> Result<Json<Conversation>, ApiError> {
    let found = app.hub.store.conversation(workspace, id).await?;
    Ok(Json(found.ok_or_else(|| OperationError::NotFound(format!("conversation {id}")))?))
}
