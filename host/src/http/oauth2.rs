//! `GET /oauth/callback`: a person comes back from the vendor that was asked for access.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use crate::oauth2::{LinkError, Returned};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/oauth/callback", get(callback))
}

/// Plain text, so that nothing of what the vendor or a stranger says is a page of ours; the address holds a code, so nobody is told it.
async fn callback(State(app): State<Arc<App>>, Query(returned): Query<Returned>) -> Response {
    let (status, text) = match app.hub.finish_authorisation(&returned).await {
        Ok(connection) => (StatusCode::OK, format!("`{}` is authorised. This window can be closed.\n", connection.name)),
        Err(error) => {
            tracing::warn!(error = %error, "a link led to no authorisation");
            let status = match &error {
                LinkError::Unknown | LinkError::Denied(_) => StatusCode::BAD_REQUEST,
                LinkError::Token(it) if it.is_passing() => StatusCode::SERVICE_UNAVAILABLE,
                LinkError::Token(_) => StatusCode::BAD_GATEWAY,
                LinkError::Operation(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, told(&error))
        }
    };
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What a person is told: without what only the log says.
fn told(error: &LinkError) -> String {
    match error {
        LinkError::Operation(_) => "the hub could not finish this: its log says more\n".to_owned(),
        LinkError::Token(it) => {
            format!("the vendor gave no access token ({}): {it}\n`patchbay connection authorise` gives a new link\n", it.code())
        }
        error => format!("{error}\n"),
    }
}
