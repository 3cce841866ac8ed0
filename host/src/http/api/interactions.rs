//! Interactions: contacts with persons.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{At, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ContactId, ConversationId, InteractionId, LeadId, WorkspaceId};
use crate::operations::OperationError;
use crate::store::leads::{InteractionView, Of};

/// Which page of a timeline.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<InteractionId>,
}

impl Span {
    /// That page.
    pub async fn page(self, app: &App, workspace: WorkspaceId, of: Of) -> Result<Json<Page<InteractionView>>, ApiError> {
        let found = app.hub.store.interactions(workspace, of, self.cursor, self.limit.and_one()).await?;
        Ok(Json(Page::new(found, self.limit, |it| it.id.to_string())))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only of this person: `con_…`
    #[param(value_type = Option<String>)]
    contact: Option<ContactId>,
    /// Only of this lead: `lead_…`
    #[param(value_type = Option<String>)]
    lead: Option<LeadId>,
    /// Only of this conversation: `cnv_…`
    #[param(value_type = Option<String>)]
    conversation: Option<ConversationId>,
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<InteractionId>,
}

impl Query {
    fn of(&self) -> Result<Of, ApiError> {
        match (self.contact, self.lead, self.conversation) {
            (None, None, None) => Ok(Of::Everybody),
            (Some(it), None, None) => Ok(Of::Contact(it)),
            (None, Some(it), None) => Ok(Of::Lead(it)),
            (None, None, Some(it)) => Ok(Of::Conversation(it)),
            _ => Err(ApiError::Parameter("contact, lead, conversation: only one of them at a time".to_owned())),
        }
    }
}

/// The interactions, newest first: all, or those of one person, one lead or one conversation.
#[utoipa::path(get, path = "/interactions", tag = "interactions", params(Query), responses((status = 200, body = Page<InteractionView>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<InteractionView>>, ApiError> {
    let of = query.of()?;
    Span { limit: query.limit, cursor: query.cursor }.page(&app, workspace, of).await
}

/// One interaction.
#[utoipa::path(get, path = "/interactions/{id}", tag = "interactions", params(("id" = String, Path, description = "`int_…`")),
    responses((status = 200, body = InteractionView)))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Interaction>,
) -> Result<Json<InteractionView>, ApiError> {
    let found = app.hub.store.interaction(workspace, id).await?;
    Ok(Json(found.ok_or_else(|| OperationError::NotFound(format!("interaction {id}")))?))
}
