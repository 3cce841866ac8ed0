//! Connections: configured accounts of connectors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::extract::{At, Body, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ConnectionId, WorkspaceId};
use crate::oauth2::Link;
use crate::operations::{ConnectionChange, NewConnection, OperationError};
use crate::plugin::CallError;
use crate::rules::breaker::Hold;
use crate::rules::ingest::ReadBy;
use crate::store::authorisations::{Authorisation, AuthorisationView};
use crate::store::connections::{Connection, ConnectionState};
use crate::store::holds::HoldView;
use crate::store::imports::ImportView;
use crate::store::quarantines::QuarantineView;
use crate::store::registrations::RegistrationView;
use crate::store::shadows::ShadowView;
use crate::store::streams::StreamView;

/// A connection as it is shown; of its secrets only the names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionView {
    #[serde(flatten)]
    connection: Connection,
    /// The address that the vendor posts to.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Names of the secrets that are set.
    secrets: Vec<String>,
    /// What holds its commands up though it is active; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldView>,
    /// What its vendor granted by OAuth 2; absent: nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorisation: Option<AuthorisationView>,
    /// Whether the vendor posts to the address, where the hub tells it; absent: it is not the hub that tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<RegistrationView>,
    /// How the connection to the vendor stands that the hub keeps open; absent: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<StreamView>,
    /// How far the reading of what was there before has come; absent: nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<ImportView>,
    /// Set while the connector's version is left alone here after repeated faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<QuarantineView>,
    /// The version of its connector that runs in this process; absent: it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<ReadBy>,
    /// The last other version that a hub noticed in its folder: whether it took over, and what it reads differently; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<ShadowView>,
    /// Why it does not run in this process, though it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// A connection to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    /// The connector's id.
    connector: String,
    /// Shown to people; empty: the connector's own name.
    #[serde(default)]
    name: String,
    /// Configuration and secrets by property, as the connector's manifest describes them.
    #[serde(default)]
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// Private networks that it may reach: `10.0.0.0/8`
    #[serde(default)]
    networks: Vec<String>,
}

/// What changes of a connection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Shown to people; absent or empty: as before.
    name: Option<String>,
    /// Properties that change, secrets too: what is given replaces, null removes, the rest stays.
    #[serde(default)]
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// Private networks that it may reach; absent: as before.
    networks: Option<Vec<String>>,
    /// How its commands are delivered, as `delivery` shows it: what is given replaces, null goes back to the hub's setting, the rest stays.
    #[serde(default)]
    #[schema(value_type = Object)]
    delivery: Map<String, Value>,
}

/// What the connector says when it is asked whether the connection works.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "works")]
pub(super) enum Tested {
    /// It does.
    #[serde(rename = "yes")]
    Yes {
        /// What the connector says, for people.
        #[schema(value_type = Object)]
        details: Value,
    },
    /// It does not.
    #[serde(rename = "no")]
    No {
        /// The connector's own code.
        code: String,
        /// What is wrong, for people.
        message: String,
    },
}

/// What stays of a connection that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Left {
    /// Why the vendor may still post to the connection's address: `code: message`. Take the webhook off there.
    webhook: String,
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

/// The connections, oldest first.
#[utoipa::path(get, path = "/connections", tag = "connections", params(Query), responses((status = 200, body = Page<ConnectionView>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<ConnectionView>>, ApiError> {
    let found = app.hub.store.connections(workspace, query.cursor, query.limit.and_one()).await?;
    let mut names = app.hub.store.secret_names(workspace, None).await?;
    let (mut holds, mut streams) = (app.hub.store.holds().await?, app.hub.store.streams().await?);
    let mut authorisations = app.hub.store.authorisations(workspace).await?;
    let (mut quarantines, mut shadows) = (app.hub.store.quarantines().await?, app.hub.store.shadows().await?);
    let (mut imports, mut registrations) = (app.hub.store.imports().await?, app.hub.store.registrations().await?);
    let page = Page::new(found, query.limit, |it| it.id.to_string());
    Ok(Json(page.map(|it| {
        let id = it.id;
        let mut shown = view(&app, it, names.remove(&id).unwrap_or_default(), holds.remove(&id), authorisations.remove(&id));
        (shown.stream, shown.quarantine) = (streams.remove(&id), quarantines.remove(&id).map(QuarantineView::from));
        shown.shadow = shadows.remove(&id);
        shown.import = imports.remove(&id);
        shown.registration = registrations.remove(&id).map(RegistrationView::from);
        shown
    })))
}

/// Makes a connection. It works within a second or two.
#[utoipa::path(post, path = "/connections", tag = "connections", request_body = New, responses((status = 201, body = ConnectionView)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Caller { workspace, token }: Caller,
    Body(new): Body<New>,
) -> Result<impl IntoResponse, ApiError> {
    let New { connector, name, config, networks } = new;
    let made = app.hub.by(token).create_connection(workspace, NewConnection { connector, name, config, networks }).await?;
    let place = [(header::LOCATION, format!("/api/v1/connections/{}", made.id))];
    Ok((StatusCode::CREATED, place, shown(&app, workspace, made.id).await?))
}

/// One connection.
#[utoipa::path(get, path = "/connections/{id}", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = ConnectionView)))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<ConnectionView>, ApiError> {
    shown(&app, workspace, id).await
}

/// Changes a connection's name, configuration, secrets, networks or delivery. A broken one is tried again when more than its name changes; a paused
/// one stays paused.
#[utoipa::path(patch, path = "/connections/{id}", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    request_body = Change, responses((status = 200, body = ConnectionView)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Caller { workspace, token }: Caller,
    At(id): At<ids::Connection>,
    Body(change): Body<Change>,
) -> Result<Json<ConnectionView>, ApiError> {
    let Change { name, config, networks, delivery } = change;
    app.hub.by(token).update_connection(workspace, id, ConnectionChange { name, config, networks, delivery }).await?;
    shown(&app, workspace, id).await
}

/// Pauses a connection: nothing is sent and nothing is asked; what comes in is taken.
#[utoipa::path(post, path = "/connections/{id}/pause", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = ConnectionView)))]
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<ConnectionView>, ApiError> {
    app.hub.set_connection_state(workspace, id, ConnectionState::Paused).await?;
    // Once this is answered nothing new is sent.
    app.hub.registry.refresh().await?;
    shown(&app, workspace, id).await
}

/// Makes a paused or broken connection work again, and lets what its vendor holds up try at once.
#[utoipa::path(post, path = "/connections/{id}/resume", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = ConnectionView)))]
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<ConnectionView>, ApiError> {
    app.hub.set_connection_state(workspace, id, ConnectionState::Active).await?;
    app.wake.notify_waiters();
    shown(&app, workspace, id).await
}

/// Asks the connector whether the connection works. That it does not is an answer too.
#[utoipa::path(post, path = "/connections/{id}/test", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = Tested)))]
pub(super) async fn test(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<Tested>, ApiError> {
    Ok(Json(match app.hub.test_connection(workspace, id).await {
        Ok(details) => Tested::Yes { details },
        Err(OperationError::Call(CallError::Failed(failure))) => Tested::No { code: failure.code, message: failure.message },
        Err(error) => return Err(error.into()),
    }))
}

/// A link under which a person authorises the connection at its vendor (OAuth 2). It is good once, for 15 minutes; an older one is good no more.
#[utoipa::path(post, path = "/connections/{id}/authorise", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 200, body = Link)))]
pub(super) async fn authorise(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Json<Link>, ApiError> {
    Ok(Json(app.hub.authorisation_link(workspace, id).await?))
}

/// Removes a connection and its secrets; its history stays. Its webhook is taken off at the vendor first, where the hub set it.
#[utoipa::path(delete, path = "/connections/{id}", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 204, description = "it is gone"), (status = 200, body = Left, description = "it is gone, and something stays at the vendor")))]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<Response, ApiError> {
    let left = app.hub.remove_connection(workspace, id).await?;
    app.hub.registry.refresh().await?;
    Ok(match left {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(webhook) => Json(Left { webhook }).into_response(),
    })
}

async fn shown(app: &App, workspace: WorkspaceId, id: ConnectionId) -> Result<Json<ConnectionView>, ApiError> {
    let found = app.hub.store.connection(workspace, id).await?.filter(|it| it.state != ConnectionState::Removed);
    let found = found.ok_or_else(|| OperationError::NotFound(format!("connection {id}")))?;
    let secrets = app.hub.store.secret_names(workspace, Some(id)).await?.remove(&id).unwrap_or_default();
    let hold = app.hub.store.hold(id).await?;
    let authorisation = app.hub.store.authorisation(id).await?;
    let mut shown = view(app, found, secrets, hold, authorisation);
    shown.stream = app.hub.store.stream(id).await?;
    shown.import = app.hub.store.import(id).await?;
    shown.registration = app.hub.store.registration(id).await?.map(RegistrationView::from);
    shown.quarantine = app.hub.store.quarantine(id).await?.map(QuarantineView::from);
    shown.shadow = app.hub.store.shadow(id).await?;
    Ok(Json(shown))
}

fn view(
    app: &App,
    connection: Connection,
    secrets: Vec<String>,
    hold: Option<Hold>,
    authorisation: Option<Authorisation>,
) -> ConnectionView {
    let address = app.hub.address(&connection);
    let running = app.hub.registry.running(connection.id).map(|it| (*it.origin.read_by).clone());
    let fault = app.hub.registry.current().failed.get(&connection.id.to_string()).cloned();
    let (hold, authorisation) = (hold.map(HoldView::from), authorisation.map(AuthorisationView::from));
    ConnectionView {
        connection,
        address,
        secrets,
        hold,
        authorisation,
        registration: None,
        stream: None,
        import: None,
        quarantine: None,
        running,
        shadow: None,
        fault,
    }
}
