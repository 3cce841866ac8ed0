//! An id for each request: in the answer, and on every line that is logged meanwhile.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ring::rand::{SecureRandom as _, SystemRandom};
use tracing::Instrument as _;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over from the caller.
const LONGEST: usize = 64;

/// Takes over the caller's `X-Request-Id` or makes one, and logs how the request ended: the route, never the path, which is an address.
pub async fn request_id(request: Request, next: Next) -> Response {
    let id = request.headers().get(HEADER).filter(|it| is_sane(it)).cloned().unwrap_or_else(fresh);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let span = tracing::info_span!("request", request.id = id.to_str().unwrap_or_default());
    async move {
        let started = Instant::now();
        let mut response = next.run(request).await;
        let status = response.status();
        let (route, ms) = (route.as_ref().map_or("(none)", MatchedPath::as_str), started.elapsed().as_millis());
        if status.is_server_error() {
            tracing::info!(http.method = %method, http.route = route, http.status = status.as_u16(), http.ms = ms, "a request was answered");
        } else {
            tracing::debug!(http.method = %method, http.route = route, http.status = status.as_u16(), http.ms = ms, "a request was answered");
        }
        response.headers_mut().insert(HEADER, id);
        response
    }
    .instrument(span)
    .await
}

fn is_sane(id: &HeaderValue) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn fresh() -> HeaderValue {
    let mut random = [0; 10];
    SystemRandom::new().fill(&mut random).expect("the system's randomness is there");
    HeaderValue::try_from(hex::encode(random)).expect("hexadecimal digits are allowed in a header")
}
