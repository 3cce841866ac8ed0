//! Connections: configured accounts of connectors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::extract::{At, Body, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, ConnectionId, WorkspaceId};
use crate::operations::{ConnectionChange, NewConnection, OperationError};
use crate::plugin::CallError;
use crate::rules::breaker::Hold;
use crate::store::connections::{Connection, ConnectionState};
use crate::store::holds::HoldView;

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
    let mut holds = app.hub.store.holds().await?;
    let page = Page::new(found, query.limit, |it| it.id.to_string());
    Ok(Json(page.map(|it| {
        let (secrets, hold) = (names.remove(&it.id).unwrap_or_default(), holds.remove(&it.id));
        view(&app, it, secrets, hold)
    })))
}

/// Makes a connection. It works within a second or two.
#[utoipa::path(post, path = "/connections", tag = "connections", request_body = New, responses((status = 201, body = ConnectionView)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Body(new): Body<New>,
) -> Result<impl IntoResponse, ApiError> {
    let New { connector, name, config, networks } = new;
    let made = app.hub.create_connection(workspace, NewConnection { connector, name, config, networks }).await?;
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
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
    Body(change): Body<Change>,
) -> Result<Json<ConnectionView>, ApiError> {
    let Change { name, config, networks, delivery } = change;
    app.hub.update_connection(workspace, id, ConnectionChange { name, config, networks, delivery }).await?;
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

/// Removes a connection and its secrets; its history stays.
#[utoipa::path(delete, path = "/connections/{id}", tag = "connections", params(("id" = String, Path, description = "`cxn_…`")),
    responses((status = 204, description = "it is gone")))]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Connection>,
) -> Result<StatusCode, ApiError> {
    app.hub.set_connection_state(workspace, id, ConnectionState::Removed).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(app: &App, workspace: WorkspaceId, id: ConnectionId) -> Result<Json<ConnectionView>, ApiError> {
    let found = app.hub.store.connection(workspace, id).await?.filter(|it| it.state != ConnectionState::Removed);
    let found = found.ok_or_else(|| OperationError::NotFound(format!("connection {id}")))?;
    let secrets = app.hub.store.secret_names(workspace, Some(id)).await?.remove(&id).unwrap_or_default();
    let hold = app.hub.store.hold(id).await?;
    Ok(Json(view(app, found, secrets, hold)))
}

fn view(app: &App, connection: Connection, secrets: Vec<String>, hold: Option<Hold>) -> ConnectionView {
    let address = app.hub.address(&connection);
    let fault = app.hub.registry.current().failed.get(&connection.id.to_string()).cloned();
    ConnectionView { connection, address, secrets, hold: hold.map(HoldView::from), fault }
}
