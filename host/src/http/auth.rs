//! Who asks: a token opens one workspace.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header;
use axum::http::request::Parts;

use super::App;
use super::error::ApiError;
use crate::ids::{TokenId, WorkspaceId};

/// What every token begins with.
const PREFIX: &str = "pb_";
/// Longest text that is looked up as a token, bytes.
const MAX_TOKEN: usize = 128;

/// Whoever asks. A handler that takes it answers nobody without a valid token.
///
/// Every request asks the database, one look into an index: what is revoked is refused at once, by every hub on the same database.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The workspace that the token opens.
    pub workspace: WorkspaceId,
    /// The token: it signs what is decided with it.
    pub token: TokenId,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or(ApiError::NoToken)?;
        if !token.starts_with(PREFIX) || token.len() > MAX_TOKEN {
            return Err(ApiError::WrongToken);
        }
        let (workspace, token) = app.hub.store.token_workspace(token).await?.ok_or(ApiError::WrongToken)?;
        Ok(Self { workspace, token })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|it| !it.is_empty())
}
