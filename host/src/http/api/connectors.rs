//! Connectors: what is installed.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use patchbay_schemas::Manifest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::Params;
use super::page::{Limit, Page};
use crate::catalogue::{Catalogue, CatalogueError, Waiting};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::operations::OperationError;
use crate::plugin::Artifact;
use crate::plugin::journal::Line;

/// A connector as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorView {
    /// Its id: `telegram`
    id: String,
    /// Its name for people.
    name: String,
    /// One sentence for people.
    summary: String,
    /// Semantic version: of the one that runs.
    version: String,
    /// SHA-256 of the `.wasm`, hexadecimal.
    digest: String,
    /// What it can do: `webhook`, `polling`, `commands`, `check`
    abilities: Vec<String>,
    /// The version that lies in its place and does not run, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
    /// What it says of itself.
    #[schema(value_type = Object)]
    manifest: Manifest,
}

/// The connectors that are installed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Installed {
    #[serde(flatten)]
    page: Page<ConnectorView>,
    /// Files in the folder that are no connectors, and why.
    broken: Vec<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The connectors that are installed, by id.
#[utoipa::path(get, path = "/connectors", tag = "connectors", params(Query), responses((status = 200, body = Installed)))]
pub(super) async fn list(State(app): State<Arc<App>>, _: Caller, Params(query): Params<Query>) -> Result<Json<Installed>, ApiError> {
    let list = |it: &Catalogue| {
        let (found, broken) = it.list()?;
        Ok((found.into_values().map(|found| view(it.standing(found))).collect(), broken))
    };
    let (all, broken) = blocking(&app, list).await?;
    let broken = broken.iter().map(ToString::to_string).collect();
    Ok(Json(Installed { page: Page::of_all(all, query.limit, query.cursor.as_deref(), |it: &ConnectorView| it.id.clone()), broken }))
}

/// One connector with its manifest.
#[utoipa::path(get, path = "/connectors/{id}", tag = "connectors", params(("id" = String, Path, description = "`telegram`")),
    responses((status = 200, body = ConnectorView)))]
pub(super) async fn read(State(app): State<Arc<App>>, _: Caller, Path(id): Path<String>) -> Result<Json<ConnectorView>, ApiError> {
    let found = blocking(&app, move |it| Ok(it.standing(it.installed(&id)?))).await;
    Ok(Json(view(found.map_err(|error| match error {
        ApiError::Operation(OperationError::Connector(CatalogueError::Unknown { id, installed, .. })) => {
            ApiError::NotFound(format!("there is no connector `{id}` (installed: {installed})"))
        }
        error => error,
    })?)))
}

/// What was released.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Released {
    /// Connections in which the connector was in quarantine.
    connections: u64,
}

/// Ends the quarantine of a connector at once, in every connection of the workspace where it is in one.
#[utoipa::path(post, path = "/connectors/{id}/release", tag = "connectors", params(("id" = String, Path, description = "`telegram`")),
    responses((status = 200, body = Released)))]
pub(super) async fn release(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Path(id): Path<String>,
) -> Result<Json<Released>, ApiError> {
    let connections = app.hub.store.release_connector(workspace, &id).await?;
    app.hub.registry.refresh().await?;
    app.wake.notify_waiters();
    Ok(Json(Released { connections }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    /// Only lines after this number: `last` of the answer before.
    #[serde(default)]
    after: u64,
}

/// What a connector wrote to the log last.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Log {
    /// The lines that are still there, oldest first: the newest 500 of all connections.
    lines: Vec<Line>,
    /// The number of the last line. It begins anew when the hub does.
    last: u64,
}

/// What a connector wrote to the log last, in the workspace's connections that run in this process.
#[utoipa::path(get, path = "/connectors/{id}/log", tag = "connectors", params(("id" = String, Path, description = "`telegram`"), After),
    responses((status = 200, body = Log)))]
pub(super) async fn log(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Path(id): Path<String>,
    Params(After { after }): Params<After>,
) -> Json<Log> {
    let (mut lines, last) = app.hub.registry.journal(&id).map(|it| it.after(after)).unwrap_or_default();
    let current = app.hub.registry.current();
    let running = current.running.values().filter(|it| it.connection.workspace == workspace);
    let ours: BTreeSet<String> = running.map(|it| it.connection.id.to_string()).collect();
    lines.retain(|it| ours.contains(&it.connection));
    Json(Log { lines, last })
}

/// Reads the folder on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    app: &App,
    read: impl FnOnce(&Catalogue) -> Result<T, CatalogueError> + Send + 'static,
) -> Result<T, ApiError> {
    let catalogue = Arc::clone(&app.hub.catalogue);
    let done = tokio::task::spawn_blocking(move || read(&catalogue)).await;
    let done = done.map_err(|_| ApiError::Busy("the hub is being stopped"))?;
    done.map_err(|error| OperationError::from(error).into())
}

fn view((artifact, waiting): (Artifact, Option<Waiting>)) -> ConnectorView {
    ConnectorView {
        waiting,
        id: artifact.manifest.id.clone(),
        name: artifact.manifest.name.clone(),
        summary: artifact.manifest.summary.clone(),
        version: artifact.manifest.version.clone(),
        digest: hex::encode(artifact.digest),
        abilities: artifact.abilities().into_iter().map(str::to_owned).collect(),
        manifest: artifact.manifest,
    }
}
