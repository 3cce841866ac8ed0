//! The operator API under `/api/v1`: JSON in, JSON out, problems as RFC 9457 says.
//!
//! One file for each kind of thing. A handler takes typed values (`extract`), calls one function and answers; a route and its
//! description in `openapi` are registered as one.
#![expect(unused_qualifications, reason = "what utoipa's attribute writes for parameters")]

mod alerts;
mod connections;
mod connectors;
mod contacts;
mod conversations;
mod dead_letters;
mod deliveries;
mod doctor;
mod extract;
mod interactions;
mod leads;
mod messages;
mod openapi;
mod outbox;
mod page;
mod questions;
mod sums;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::error::ApiError;

/// Every route of the API, without `/api/v1` in front.
pub fn router() -> Router<Arc<App>> {
    let (router, _) = described().split_for_parts();
    router
        .fallback(async || ApiError::NoSuchPath)
        .method_not_allowed_fallback(async || ApiError::WrongMethod)
        .layer(DefaultBodyLimit::max(extract::MAX_BODY))
}

/// Every route with its description.
fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(openapi::document))
        .routes(routes!(alerts::list))
        .routes(routes!(connectors::list))
        .routes(routes!(connectors::read))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(connections::read, connections::update, connections::remove))
        .routes(routes!(connections::pause))
        .routes(routes!(connections::resume))
        .routes(routes!(connections::test))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::read))
        .routes(routes!(deliveries::body))
        .routes(routes!(leads::list))
        .routes(routes!(leads::read))
        .routes(routes!(leads::timeline))
        .routes(routes!(contacts::list))
        .routes(routes!(contacts::read))
        .routes(routes!(contacts::timeline))
        .routes(routes!(contacts::why))
        .routes(routes!(contacts::merge))
        .routes(routes!(contacts::unmerge))
        .routes(routes!(questions::list))
        .routes(routes!(questions::read))
        .routes(routes!(questions::answer))
        .routes(routes!(interactions::list))
        .routes(routes!(interactions::read))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::read))
        .routes(routes!(messages::send))
        .routes(routes!(outbox::list))
        .routes(routes!(outbox::read))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::redrive_many))
        .routes(routes!(dead_letters::read))
        .routes(routes!(dead_letters::redrive))
        .routes(routes!(sums::list))
        .routes(routes!(doctor::examine))
}
