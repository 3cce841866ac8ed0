//! Dead letters: what stopped, with its reason; try it again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use patchbay_schemas::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{ConnectionId, EventId, OutboxId, WorkspaceId};
use crate::operations::{OperationError, Redriven};
use crate::store::dead::{DeadFilter, DeadLetter, Place, What};
use crate::store::deliveries::AttemptView;

/// Most dead letters that one request looks at.
const MOST: i64 = 1_000;
/// After so long no further one is begun.
const LONGEST: Duration = Duration::from_secs(20);
/// Most tries of one command that are shown.
const ATTEMPTS: i64 = 50;

/// Where the page before ended: `<milliseconds>.<id>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Cursor(Place);

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parsed = text.split_once('.').and_then(|(at, id)| Some(Place { at: at.parse().ok()?, id: id.to_owned() }));
        parsed.filter(|it| it.id.len() <= 64).map(Self).ok_or("cursor: this is no `next` of a list of dead letters")
    }
}

fn cursor(letter: &DeadLetter) -> String {
    let Place { at, id } = letter.place();
    format!("{at}.{id}")
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only of this connection: `cxn_…`
    #[param(value_type = Option<String>)]
    connection: Option<ConnectionId>,
    /// Only this sort.
    #[param(inline)]
    what: Option<What>,
    /// Only this kind of event or command: `lead.upsert`
    kind: Option<String>,
    /// Only whose reason begins so: `vendor.http_500`
    code: Option<String>,
    /// Only from this time on (RFC 3339).
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Only before this time (RFC 3339).
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// Which dead letters are tried again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Many {
    /// Only of this connection: `cxn_…`
    connection: Option<ConnectionId>,
    /// Only this sort.
    #[schema(inline)]
    what: Option<What>,
    /// Only this kind of event or command: `lead.upsert`
    kind: Option<String>,
    /// Only whose reason begins so: `vendor.http_500`
    code: Option<String>,
    /// Only from this time on (RFC 3339).
    since: Option<Timestamp>,
    /// Only before this time (RFC 3339).
    until: Option<Timestamp>,
    /// Only say which they are.
    #[serde(default)]
    dry_run: bool,
}

/// A dead letter with what is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Whole {
    #[serde(flatten)]
    letter: DeadLetter,
    /// Of a command: what a redrive would send now. Absent: what it is about is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
    /// Of a command: its last tries with what the vendor said, newest first, at most 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<Vec<AttemptView>>,
}

/// What became of them.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Done {
    /// Which fit; with `dry_run` nothing was done to them.
    matched: Vec<String>,
    /// What became of those that were tried.
    redriven: Vec<Redriven>,
    /// Which could not be tried, and why.
    failed: Vec<Failed>,
    /// There are more than one request looks at, or time was up: ask again.
    more: bool,
}

/// A dead letter that could not be tried.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failed {
    /// `dlv_…`, `evt_…` or `out_…`
    id: String,
    /// Why.
    problem: String,
}

/// The dead letters, newest first.
#[utoipa::path(get, path = "/dead-letters", tag = "dead letters", params(Query), responses((status = 200, body = Page<DeadLetter>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<DeadLetter>>, ApiError> {
    let before = query.cursor.map(|it| it.0);
    let filter = DeadFilter {
        connection: query.connection,
        what: query.what,
        kind: query.kind,
        code: query.code,
        since: query.since.map(Timestamp::as_millisecond),
        until: query.until.map(Timestamp::as_millisecond),
    };
    let found = app.hub.store.dead_letters(workspace, &filter, before, query.limit.and_one()).await?;
    Ok(Json(Page::new(found, query.limit, cursor)))
}

/// One dead letter. Of a command also what a redrive would send, and what its tries were answered.
#[utoipa::path(get, path = "/dead-letters/{id}", tag = "dead letters", responses((status = 200, body = Whole)),
    params(("id" = String, Path, description = "`dlv_…`, `evt_…` or `out_…`")))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Path(id): Path<String>,
) -> Result<Json<Whole>, ApiError> {
    let letter = found(&app, workspace, &id).await?;
    let Ok(command) = letter.id.parse::<OutboxId>() else { return Ok(Json(Whole { letter, payload: None, tries: None })) };
    let payload = app.hub.command_now(workspace, command).await?;
    let tries = app.hub.store.attempts(workspace, command, ATTEMPTS).await?;
    Ok(Json(Whole { letter, payload, tries: Some(tries) }))
}

/// Tries a dead letter again: deliveries and events go through the connector once more, commands back to their lane.
#[utoipa::path(post, path = "/dead-letters/{id}/redrive", tag = "dead letters", responses((status = 200, body = Redriven)),
    params(("id" = String, Path, description = "`dlv_…`, `evt_…` or `out_…`")))]
pub(super) async fn redrive(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Path(id): Path<String>,
) -> Result<Json<Redriven>, ApiError> {
    let letter = found(&app, workspace, &id).await?;
    let redriven = app.hub.redrive(workspace, &letter.id).await?;
    app.wake.notify_waiters();
    Ok(Json(redriven))
}

/// Tries many dead letters again, oldest first; with `dry_run` it only says which.
#[utoipa::path(post, path = "/dead-letters/redrive", tag = "dead letters", request_body = Many, responses((status = 200, body = Done)))]
pub(super) async fn redrive_many(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Body(many): Body<Many>,
) -> Result<Json<Done>, ApiError> {
    let mut done = matching(&app, workspace, &many).await?;
    if !many.dry_run {
        try_again(&app, workspace, &mut done).await?;
        app.wake.notify_waiters();
    }
    Ok(Json(done))
}

async fn found(app: &App, workspace: WorkspaceId, id: &str) -> Result<DeadLetter, ApiError> {
    let found = app.hub.store.dead_letter(workspace, id).await?;
    Ok(found.ok_or_else(|| OperationError::NotFound(format!("dead letter {}", id.chars().take(64).collect::<String>())))?)
}

async fn matching(app: &App, workspace: WorkspaceId, many: &Many) -> Result<Done, ApiError> {
    let filter = DeadFilter {
        connection: many.connection,
        what: many.what,
        kind: many.kind.clone(),
        code: many.code.clone(),
        since: many.since.map(Timestamp::as_millisecond),
        until: many.until.map(Timestamp::as_millisecond),
    };
    let mut letters = app.hub.store.dead_letters(workspace, &filter, None, MOST + 1).await?;
    let more = i64::try_from(letters.len()).is_ok_and(|it| it > MOST);
    letters.truncate(usize::try_from(MOST).unwrap_or(usize::MAX));
    // The oldest first: the order within a lane is the order in which they were made.
    let matched = letters.into_iter().rev().map(|it| it.id).collect();
    Ok(Done { matched, more, ..Done::default() })
}

async fn try_again(app: &App, workspace: WorkspaceId, done: &mut Done) -> Result<(), ApiError> {
    let started = Instant::now();
    let mut deliveries = HashSet::new();
    for id in &done.matched {
        if started.elapsed() > LONGEST {
            done.more = true;
            break;
        }
        // One delivery may hold many dead events; they go through the connector together.
        if let Ok(event) = id.parse::<EventId>() {
            let delivery = app.hub.store.delivery_of_event(workspace, event).await?;
            if delivery.is_none_or(|it| !deliveries.insert(it)) {
                continue;
            }
        }
        match app.hub.redrive(workspace, id).await {
            Ok(redriven) => done.redriven.push(redriven),
            Err(error @ OperationError::Store(_)) => return Err(error.into()),
            Err(error) => done.failed.push(Failed { id: id.clone(), problem: error.to_string() }),
        }
    }
    Ok(())
}
