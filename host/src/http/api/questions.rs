//! Questions: pairs of people who may be one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::extract::{At, Body, Params};
use super::page::{Limit, Page};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::ids::{self, QuestionId};
use crate::operations::OperationError;
use crate::people::Answer;
use crate::store::people::QuestionView;

/// What became of a question.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asked {
    /// It waits for an answer.
    #[default]
    Open,
    /// One person.
    Yes,
    /// Two people.
    No,
    /// Two people, and nobody is asked about them again.
    Never,
}

impl Asked {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Yes => Answer::Yes.as_str(),
            Self::No => Answer::No.as_str(),
            Self::Never => Answer::Never.as_str(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only in this state; those that wait for an answer where none is named.
    #[serde(default)]
    #[param(inline, value_type = Option<Asked>)]
    state: Asked,
    /// At most so many, 1 to 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<QuestionId>,
}

/// Pairs of people who may be one, newest first, side by side and with what speaks for it and against it.
#[utoipa::path(get, path = "/questions", tag = "contacts", params(Query), responses((status = 200, body = Page<QuestionView>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    Params(query): Params<Query>,
) -> Result<Json<Page<QuestionView>>, ApiError> {
    let found = app.hub.store.questions(workspace, query.state.as_str(), query.cursor, query.limit.and_one()).await?;
    Ok(Json(Page::new(found, query.limit, |it| it.id.to_string())))
}

/// One question.
#[utoipa::path(get, path = "/questions/{id}", tag = "contacts", params(("id" = String, Path, description = "`qst_…`")),
    responses((status = 200, body = QuestionView)))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { workspace, .. }: Caller,
    At(id): At<ids::Question>,
) -> Result<Json<QuestionView>, ApiError> {
    let found = app.hub.store.question(workspace, id).await?;
    Ok(Json(found.ok_or_else(|| OperationError::NotFound(format!("question {id}")))?))
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    /// `yes`: one person, merged at once. `no`: two. `never`: two, and nobody is asked about them again.
    answer: Answer,
}

/// Answers a question. A `yes` can be taken back with the contact's unmerge.
#[utoipa::path(post, path = "/questions/{id}/answer", tag = "contacts", params(("id" = String, Path, description = "`qst_…`")),
    request_body = Answered, responses((status = 200, description = "the question as it is then", body = QuestionView)))]
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    Caller { workspace, token }: Caller,
    At(id): At<ids::Question>,
    Body(Answered { answer }): Body<Answered>,
) -> Result<Json<QuestionView>, ApiError> {
    let question = app.hub.answer(workspace, id, answer, &token.to_string()).await?;
    app.wake.notify_waiters();
    Ok(Json(question))
}
