//! The audit: which secret was used for what, who changed one, who erased a person.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::Params;
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::AuditId;
use crate::store::audit::{AuditFilter, AuditLine};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only of this connection or contact, by its id.
    subject: Option<String>,
    /// Only this action, or all that begin with this word: `contact.erase`, `secret`.
    action: Option<String>,
    /// Only what somebody did, without uses of secrets.
    #[serde(default)]
    changes: bool,
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<AuditId>,
}

/// The audit, newest first: each use of a secret by name, counted by the hour, each change of one, each erasure of a person. Never a value, nothing
/// personal.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Query), responses((status = 200, body = Page<AuditLine>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<AuditLine>>, ApiError> {
    let Query { subject, action, changes, limit, cursor } = query;
    let filter = AuditFilter { subject, action, changes, before: cursor, limit: limit.and_one() };
    let found = app.hub.store.audit(workspace, &filter).await?;
    Ok(Json(Page::new(found, limit, |it| it.id.to_string())))
}
