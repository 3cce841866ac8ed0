//! Contacts: persons.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{Contact, Identity};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::extract::{At, Body, Params};
use super::interactions::Span;
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ContactId, WorkspaceId};
use crate::operations::OperationError;
use crate::rules::identity::{Heard, normalise};
use crate::rules::survivorship::Shown;
use crate::store::leads::{InteractionView, Of};
use crate::store::people::{Dossier, Erased, Erasure, Why};

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
    Caller { workspace, .. }: Caller,
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
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Contact>,
) -> Result<Json<Contact>, ApiError> {
    Ok(Json(found(&app, workspace, id).await?))
}

/// What happened with a person on every channel, newest first; merged contacts included.
#[utoipa::path(get, path = "/contacts/{id}/timeline", tag = "contacts", params(("id" = String, Path, description = "`con_…`"), Span),
    responses((status = 200, body = Page<InteractionView>)))]
pub(super) async fn timeline(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Contact>,
    Params(span): Params<Span>,
) -> Result<Json<Page<InteractionView>>, ApiError> {
    let shown = found(&app, workspace, id).await?;
    span.page(&app, workspace, Of::Contact(shown.id.parse().unwrap_or(id))).await
}

/// Who said what of a person and when, and why all of it is one: every merge with its reasons, those that were taken back too.
#[utoipa::path(get, path = "/contacts/{id}/why", tag = "contacts", params(("id" = String, Path, description = "`con_…`")),
    responses((status = 200, body = Why)))]
pub(super) async fn why(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Contact>,
) -> Result<Json<Why>, ApiError> {
    Ok(Json(app.hub.why(workspace, id).await?))
}

/// With whom a contact is merged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct With {
    /// The other contact: `con_…`
    with: ContactId,
}

/// Says that two contacts are one person, whatever the rules find. Nothing of either is lost, and it can be taken back.
#[utoipa::path(post, path = "/contacts/{id}/merge", tag = "contacts", params(("id" = String, Path, description = "`con_…`")), request_body = With,
    responses((status = 200, description = "the person, shown by the older contact", body = ref("#/components/schemas/contact.json"))))]
pub(super) async fn merge(
    State(app): State<Arc<App>>,
    Caller { workspace, token }: Caller,
    At(id): At<ids::Contact>,
    Body(With { with }): Body<With>,
) -> Result<Json<Contact>, ApiError> {
    let shown = app.hub.merge_contacts(workspace, (id, with), &token.to_string()).await?;
    app.wake.notify_waiters();
    Ok(Json(found(&app, workspace, shown).await?))
}

/// Takes a contact, and whoever was merged into it before, out of the person that it is shown as. Both are as they were, what came in since goes to
/// whose it is, and no rule joins them again.
#[utoipa::path(post, path = "/contacts/{id}/unmerge", tag = "contacts", params(("id" = String, Path, description = "`con_…`, as `sources` of why names it")),
    responses((status = 200, description = "the contact that was taken out", body = ref("#/components/schemas/contact.json"))))]
pub(super) async fn unmerge(
    State(app): State<Arc<App>>,
    Caller { workspace, token }: Caller,
    At(id): At<ids::Contact>,
) -> Result<Json<Contact>, ApiError> {
    app.hub.unmerge_contact(workspace, id, &token.to_string()).await?;
    app.wake.notify_waiters();
    Ok(Json(found(&app, workspace, id).await?))
}

/// Everything about one person as one document: who said what, leads, conversations, events, raw deliveries, commands, and what CRMs keep.
#[utoipa::path(get, path = "/contacts/{id}/export", tag = "contacts", params(("id" = String, Path, description = "`con_…`")),
    responses((status = 200, body = Dossier)))]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Contact>,
) -> Result<Json<Dossier>, ApiError> {
    Ok(Json(app.hub.dossier(workspace, id).await?))
}

/// Says by hand what is shown of a person, whatever sources say: `{"name": "Anna Petrova"}`; null: sources decide again.
#[utoipa::path(patch, path = "/contacts/{id}/pins", tag = "contacts", params(("id" = String, Path, description = "`con_…`")),
    request_body(content = Object, description = "`name`, `company`, `city`, `language`: a text, or null"), responses((status = 200, body = Why)))]
pub(super) async fn pin(
    State(app): State<Arc<App>>,
    Caller { workspace, token }: Caller,
    At(id): At<ids::Contact>,
    Body(fields): Body<std::collections::BTreeMap<Shown, Option<String>>>,
) -> Result<Json<Why>, ApiError> {
    let fields: Vec<(Shown, Option<String>)> = fields.into_iter().collect();
    let why = app.hub.pin(workspace, id, &fields, &token.to_string()).await?;
    app.wake.notify_waiters();
    Ok(Json(why))
}

/// Whether to erase or only to say what would be erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// `false`: erase. `true`: say what would be erased.
    dry_run: bool,
}

/// What was erased, or would be.
#[derive(Debug, serde::Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Answered {
    /// It is done.
    Done(Erased),
    /// It would be.
    Would(Erasure),
}

/// Erases one person everywhere in the hub, raw payloads too; it cannot be taken back. What CRMs keep is named in the answer: erase it there.
#[utoipa::path(post, path = "/contacts/{id}/erase", tag = "contacts", params(("id" = String, Path, description = "`con_…`")), request_body = Wish,
    responses((status = 200, body = Answered)))]
pub(super) async fn erase(
    State(app): State<Arc<App>>,
    Caller { workspace, token }: Caller,
    At(id): At<ids::Contact>,
    Body(Wish { dry_run }): Body<Wish>,
) -> Result<Json<Answered>, ApiError> {
    Ok(Json(if dry_run {
        Answered::Would(app.hub.erasure(workspace, id).await?)
    } else {
        Answered::Done(app.hub.erase_contact(workspace, id, &token.to_string()).await?)
    }))
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
    let heard = Heard { region, connector: "", connection: "", handles: HandleScope::Vendor, own: &[] };
    let normal = normalise(&identity, heard).ok_or_else(|| ApiError::Parameter(format!("{name}: this is not a valid one")))?;
    Ok(normal.key.value)
}
