//! Messages that we send: into a conversation, by the channel that it came from.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::extract::{At, Body, IdempotencyKey};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, OutboxId};
use crate::operations::Outgoing;
use crate::rules::schema::Schema;
use crate::setup::Fault;

/// What `message.send` allows; the person who writes is ours to know and no part of it.
static ALLOWED: LazyLock<Schema> = LazyLock::new(|| Schema::ours("https://patchbay.dev/schemas/v1/command.json#/$defs/message.send"));

/// A message to be sent. It has a text, an attachment, or both.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes `Outgoing`, whose parts are described by schemas/v1")]
pub(super) struct NewMessage {
    /// Plain text, or the caption of the attachment.
    text: Option<String>,
    /// At most one file: `kind`, and the vendor's `reference` or a public `url`.
    #[schema(value_type = Option<Object>)]
    attachment: Option<Value>,
    /// Buttons under the message, row by row: `text`, and `choice` or `url`.
    #[schema(value_type = Vec<Vec<Object>>, required = false)]
    buttons: Vec<Vec<Value>>,
    /// The vendor's id of the message that this one answers.
    reply_to: Option<String>,
    /// Who writes: `id`, `name`.
    #[schema(value_type = Option<Object>)]
    author: Option<Value>,
}

/// Where a message waits to be sent, or a call to be started.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Waiting {
    /// `out_…`: `GET /outbox/{id}` tells what became of it.
    pub(super) outbox: OutboxId,
}

/// Puts a message into the outbox; it is sent in the order of the conversation.
#[utoipa::path(post, path = "/conversations/{id}/messages", tag = "conversations",
    params(("id" = String, Path, description = "`cnv_…`"), IdempotencyKey),
    request_body = NewMessage, responses((status = 202, body = Waiting)))]
pub(super) async fn send(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Conversation>,
    IdempotencyKey(key): IdempotencyKey,
    Body(message): Body<Map<String, Value>>,
) -> Result<impl IntoResponse, ApiError> {
    let outbox = app.hub.send_message(workspace, id, checked(message)?, key).await?;
    app.wake.notify_waiters();
    let place = [(header::LOCATION, format!("/api/v1/outbox/{outbox}"))];
    Ok((StatusCode::ACCEPTED, place, Json(Waiting { outbox })))
}

fn checked(message: Map<String, Value>) -> Result<Outgoing, ApiError> {
    let blank = |it: Option<&Value>| it.is_none_or(|it| it.is_null() || it.as_str().is_some_and(|it| it.trim().is_empty()));
    if blank(message.get("text")) && blank(message.get("attachment")) {
        let problem = "a message has a text, an attachment, or both".to_owned();
        return Err(ApiError::Faults(vec![Fault { at: "/text".to_owned(), problem, allowed: None }]));
    }
    let mut command: Map<String, Value> = message.iter().filter(|(_, it)| !it.is_null()).map(|(k, it)| (k.clone(), it.clone())).collect();
    command.remove("author");
    if command.insert("conversation".to_owned(), json!({ "key": "the one in the path" })).is_some() {
        let problem = "the conversation stands in the path".to_owned();
        return Err(ApiError::Faults(vec![Fault { at: "/conversation".to_owned(), problem, allowed: None }]));
    }
    // What people write is not quoted.
    let faults = ALLOWED.masked_faults(&Value::Object(command));
    if !faults.is_empty() {
        return Err(ApiError::Faults(faults));
    }
    serde_json::from_value(Value::Object(message)).map_err(|error| ApiError::Shape(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(message: Value) -> Vec<String> {
        let Value::Object(message) = message else { panic!("an object is due") };
        match checked(message) {
            Ok(_) => Vec::new(),
            Err(ApiError::Faults(faults)) => faults.into_iter().map(|it| it.at).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn what_may_be_sent_is_taken() {
        assert!(places(json!({ "text": "Здравствуйте!", "author": { "name": "Olga" }, "attachment": null })).is_empty());
        assert!(places(json!({ "attachment": { "kind": "photo", "url": "https://example.com/a.jpg" } })).is_empty());
        assert!(places(json!({ "text": "?", "buttons": [[{ "text": "Да", "choice": "yes" }]] })).is_empty());
    }

    #[test]
    fn what_may_not_be_sent_is_named_by_its_pointer() {
        assert_eq!(places(json!({})), ["/text"]);
        assert_eq!(places(json!({ "text": " \n" })), ["/text"]);
        assert_eq!(places(json!({ "text": 1 })), ["/text"]);
        assert_eq!(places(json!({ "text": "x".repeat(65_537) })), ["/text"]);
        assert_eq!(places(json!({ "text": "x", "conversation": { "key": "1" } })), ["/conversation"]);
        assert_eq!(places(json!({ "text": "x", "buttons": [[{ "text": "Да" }]] })), ["/buttons/0/0"]);
        assert_eq!(places(json!({ "text": "x", "colour": "red" })), [""]);
        assert!(places(json!({ "text": "x", "author": "Olga" }))[0].contains("Olga"));
    }
}
