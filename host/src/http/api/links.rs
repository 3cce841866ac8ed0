//! Links: deep links and QR codes that tie a messenger's chat to a person, a visitor, a lead or a campaign.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use patchbay_schemas::{Source, Timestamp};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::extract::{At, Body, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ConnectionId, ContactId, LeadId, LinkId};
use crate::operations::OperationError;
use crate::people::{LinkWish, Opened};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<LinkId>,
}

/// A link that is wanted: for a contact, a lead, a visitor, or none of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    /// The messenger's connection: `cxn_…`
    connection: ConnectionId,
    /// The person that it is for: `con_…`
    contact: Option<ContactId>,
    /// The lead that it is for: `lead_…`
    lead: Option<LeadId>,
    /// The site's visitor that it is for.
    visitor: Option<Visitor>,
    /// Campaign (`utm`), click ids (`clicks`), `page` and `referrer`.
    #[serde(default)]
    #[schema(value_type = Object)]
    source: Source,
    /// How often it may be used; absent: once for a person or a visitor, else as often as anybody likes.
    uses: Option<i64>,
    /// From when on it ties nothing any more.
    expires_at: Option<Timestamp>,
    /// What the chat opens with, where the vendor lets a link say so.
    #[serde(default)]
    text: String,
}

/// A visitor of a site.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Visitor {
    /// The connection of the site's forms: `cxn_…`
    connection: ConnectionId,
    /// The id by which these name the visitor.
    id: String,
}

/// The links, newest first.
#[utoipa::path(get, path = "/links", tag = "links", params(Query), responses((status = 200, body = Page<Opened>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<Opened>>, ApiError> {
    let found = app.hub.links(workspace, query.cursor, query.limit.and_one()).await?;
    Ok(Json(Page::new(found, query.limit, |it| it.link.id.to_string())))
}

/// Makes a link. Whoever opens it in the messenger is tied to whom it was made for: at once where it is used once and soon, else somebody is asked.
#[utoipa::path(post, path = "/links", tag = "links", request_body = New, responses((status = 201, body = Opened)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Body(new): Body<New>,
) -> Result<impl IntoResponse, ApiError> {
    let New { connection, contact, lead, visitor, source, uses, expires_at, text } = new;
    let visitor = visitor.map(|it| (it.connection, it.id));
    let wish = LinkWish { contact, lead, visitor, source, uses, expires_at, text };
    let link = app.hub.create_link(workspace, connection, wish).await?;
    Ok((StatusCode::CREATED, Json(link)))
}

/// One link, its address, and who opened it.
#[utoipa::path(get, path = "/links/{id}", tag = "links", params(("id" = String, Path, description = "`lnk_…`")),
    responses((status = 200, body = Opened)))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Link>,
) -> Result<Json<Opened>, ApiError> {
    Ok(Json(app.hub.link(workspace, id).await?))
}

/// The link as a QR code.
#[utoipa::path(get, path = "/links/{id}/qr", tag = "links", params(("id" = String, Path, description = "`lnk_…`")),
    responses((status = 200, description = "an image", body = String, content_type = "image/svg+xml")))]
pub(super) async fn qr(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Link>,
) -> Result<impl IntoResponse, ApiError> {
    let link = app.hub.link(workspace, id).await?;
    let image = link.svg().ok_or_else(|| OperationError::Refused(format!("{id} has no address: its connection is gone")))?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], image))
}

/// Takes a link back: it ties nobody any more, and whom it tied stays tied.
#[utoipa::path(post, path = "/links/{id}/revoke", tag = "links", params(("id" = String, Path, description = "`lnk_…`")),
    responses((status = 200, body = Opened)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Link>,
) -> Result<Json<Opened>, ApiError> {
    Ok(Json(app.hub.revoke_link(workspace, id).await?))
}
