//! Contacts: persons.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{Contact, Identity};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{At, Params};
use super::interactions::Span;
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ContactId, WorkspaceId};
use crate::operations::OperationError;
use crate::rules::identity::{Heard, normalise};
use crate::store::leads::{InteractionView, Of};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only who has this phone, in any spelling: `8 (912) 345-67-89`
    phone: Option<String>,
    /// Only who has this e-mail address.
    email: Option<String>,
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<ContactId>,
}

/// The contacts, newest first: all, or whoever has this phone or this address.
#[utoipa::path(get, path = "/contacts", tag = "contacts", params(Query),
    responses((status = 200, body = ref("#/components/schemas/page.contact.json"))))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<Contact>>, ApiError> {
    let wanted = match (query.phone, query.email) {
        (None, None) => None,
        (Some(phone), None) => Some(one_form(&app, workspace, "phone", Identity::phone(phone)).await?),
        (None, Some(email)) => Some(one_form(&app, workspace, "email", Identity::email(email)).await?),
        (Some(_), Some(_)) => return Err(ApiError::Parameter("phone, email: only one of them at a time".to_owned())),
    };
    let found = app.hub.store.contacts(workspace, wanted.as_deref(), query.cursor, query.limit.and_one()).await?;
    Ok(Json(Page::new(found, query.limit, |it| it.id.clone())))
}

/// One contact; one that was merged is shown as the one that it was merged into.
#[utoipa::path(get, path = "/contacts/{id}", tag = "contacts", params(("id" = String, Path, description = "`con_…`")),
    responses((status = 200, body = ref("#/components/schemas/contact.json"))))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace }: Caller,
    At(id): At<ids::Contact>,
) -> Result<Json<Contact>, ApiError> {
    Ok(Json(found(&app, workspace, id).await?))
}

/// What happened with a person on every channel, newest first; merged contacts included.
#[utoipa::path(get, path = "/contacts/{id}/timeline", tag = "contacts", params(("id" = String, Path, description = "`con_…`"), Span),
    responses((status = 200, body = Page<InteractionView>)))]
pub(super) async fn timeline(
    State(app): State<Arc<App>>,
    Caller { workspace }: Caller,
    At(id): At<ids::Contact>,
    Params(span): Params<Span>,
) -> Result<Json<Page<InteractionView>>, ApiError> {
    let shown = found(&app, workspace, id).await?;
    span.page(&app, workspace, Of::Contact(shown.id.parse().unwrap_or(id))).await
}

async fn found(app: &App, workspace: WorkspaceId, id: ContactId) -> Result<Contact, ApiError> {
    let found = app.hub.store.contact(workspace, id).await?;
    Ok(found.ok_or_else(|| OperationError::NotFound(format!("contact {id}")))?)
}

/// What was asked for, as it is stored.
async fn one_form(app: &App, workspace: WorkspaceId, name: &str, identity: Identity) -> Result<String, ApiError> {
    let workspaces = app.hub.store.workspaces().await?;
    let region = workspaces.iter().find(|it| it.id == workspace).map_or("", |it| it.region.as_str());
    // Only handles look at who said it.
    let heard = Heard { region, connector: "", connection: "", handles: HandleScope::Vendor };
    let normal = normalise(&identity, heard).ok_or_else(|| ApiError::Parameter(format!("{name}: this is not a valid one")))?;
    Ok(normal.key.value)
}
