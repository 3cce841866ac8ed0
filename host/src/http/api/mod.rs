//! The operator API under `/api/v1`: JSON in, JSON out, problems as RFC 9457 says.
//!
//! One file for each kind of thing. A handler takes typed values (`extract`), calls one function and answers; a route and its
//! description in `openapi` are registered as one.
#![expect(unused_qualifications, reason = "what utoipa's attribute writes for parameters")]

mod alerts;
mod audit;
mod calls;
mod connections;
mod connectors;
mod contacts;
mod conversations;
mod dead_letters;
mod deliveries;
mod doctor;
mod extract;
mod imports;
mod interactions;
mod leads;
mod links;
mod mappings;
mod messages;
mod openapi;
mod outbox;
mod page;
mod questions;
mod replay;
mod sums;
#[cfg(test)]
mod tests;
mod weights;

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
        .routes(routes!(audit::list))
        .routes(routes!(connectors::list))
        .routes(routes!(connectors::read))
        .routes(routes!(connectors::release))
        .routes(routes!(connectors::log))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(connections::read, connections::update, connections::remove))
        .routes(routes!(connections::pause))
        .routes(routes!(connections::resume))
        .routes(routes!(connections::test))
        .routes(routes!(connections::authorise))
        .routes(routes!(mappings::fields))
        .routes(routes!(mappings::read, mappings::set))
        .routes(routes!(mappings::check))
        .routes(routes!(mappings::preview))
        .routes(routes!(mappings::plan))
        .routes(routes!(replay::replay))
        .routes(routes!(imports::begin, imports::read, imports::stop))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::read))
        .routes(routes!(deliveries::body))
        .routes(routes!(leads::list))
        .routes(routes!(leads::read))
        .routes(routes!(leads::timeline))
        .routes(routes!(leads::why))
        .routes(routes!(leads::set_stage))
        .routes(routes!(contacts::list))
        .routes(routes!(contacts::read))
        .routes(routes!(contacts::timeline))
        .routes(routes!(contacts::why))
        .routes(routes!(contacts::merge))
        .routes(routes!(contacts::unmerge))
        .routes(routes!(contacts::pin))
        .routes(routes!(contacts::export))
        .routes(routes!(contacts::erase))
        .routes(routes!(questions::list))
        .routes(routes!(questions::read))
        .routes(routes!(questions::answer))
        .routes(routes!(weights::read, weights::ship))
        .routes(routes!(weights::estimate))
        .routes(routes!(links::list, links::create))
        .routes(routes!(links::read))
        .routes(routes!(links::qr))
        .routes(routes!(links::revoke))
        .routes(routes!(interactions::list))
        .routes(routes!(interactions::read))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::read))
        .routes(routes!(messages::send))
        .routes(routes!(calls::start))
        .routes(routes!(outbox::list))
        .routes(routes!(outbox::read))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::redrive_many))
        .routes(routes!(dead_letters::read))
        .routes(routes!(dead_letters::redrive))
        .routes(routes!(sums::list))
        .routes(routes!(doctor::examine))
}
