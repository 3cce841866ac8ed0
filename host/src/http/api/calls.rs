//! Telephone calls that we start.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;
use utoipa::ToSchema;

use super::extract::{At, Body, IdempotencyKey};
use super::messages::Waiting;
use crate::calls::NewCall;
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids;

/// A call to be started: the phone of one of us rings, and when it is taken, the number is called.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes `NewCall`, whose parts are described by schemas/v1")]
pub(super) struct CallWanted {
    /// Whom to call: 3 to 20 digits, with a plus where the country is among them. Absent: the number that the conversation is with.
    number: Option<String>,
    /// Whose phone rings first. Absent: as the connection is configured.
    extension: Option<String>,
    /// Our number that the other side sees. Absent: the telephone system decides.
    line: Option<String>,
    /// `cxn_…`: the account that the call is made by. Absent: the conversation's own.
    connection: Option<String>,
    /// Who asks for it: `id`, `name`.
    #[schema(value_type = Option<Object>)]
    author: Option<Value>,
}

/// Starts a call. It is given up where it cannot be started within five minutes; what becomes of it comes back as an interaction.
#[utoipa::path(post, path = "/conversations/{id}/calls", tag = "conversations",
    params(("id" = String, Path, description = "`cnv_…`"), IdempotencyKey),
    request_body = CallWanted, responses((status = 202, body = Waiting)))]
pub(super) async fn start(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Conversation>,
    IdempotencyKey(key): IdempotencyKey,
    Body(call): Body<NewCall>,
) -> Result<impl IntoResponse, ApiError> {
    let outbox = app.hub.start_call(workspace, id, call, key).await?;
    app.wake.notify_waiters();
    let place = [(header::LOCATION, format!("/api/v1/outbox/{outbox}"))];
    Ok((StatusCode::ACCEPTED, place, Json(Waiting { outbox })))
}
