//! Parts of a request, parsed at the edge: everything else sees typed values only.

use axum::extract::rejection::{BytesRejection, FailedToBufferBody, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use crate::http::error::ApiError;
use crate::ids::{Id, Named};

/// Largest JSON body, bytes.
pub const MAX_BODY: usize = 1 << 20;

/// The parameters of the query. Unknown ones are refused: `T` denies unknown fields.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        parsed.map(|Query(it)| Self(it)).map_err(|error| ApiError::Parameter(innermost(&error)))
    }
}

/// The id in the path. What is no id of this kind is not there.
pub struct At<K>(pub Id<K>);

impl<S: Send + Sync, K: Named> FromRequestParts<S> for At<K> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| ApiError::NotFound(error.body_text()))?;
        text.parse().map(Self).map_err(|error: crate::ids::IdError| ApiError::NotFound(error.to_string()))
    }
}

/// The key under which a request is carried out once, as the header `Idempotency-Key` has it (draft-ietf-httpapi-idempotency-key-header): a
/// text of 1 to 255 visible ASCII characters, in quotation marks or without. None: the request has no such header.
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    const HEADER: &'static str = "idempotency-key";

    fn read(text: &str) -> Option<String> {
        let key = text.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(text);
        let is_key = (1..=255).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_graphic() && it != b'"');
        is_key.then(|| format!("api:{key}"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let wrong = || ApiError::Header("Idempotency-Key is one text of 1 to 255 visible ASCII characters, such as a UUID".to_owned());
        let mut given = parts.headers.get_all(Self::HEADER).iter();
        let (first, second) = (given.next(), given.next());
        match (first, second) {
            (None, _) => Ok(Self(None)),
            (Some(it), None) => it.to_str().ok().and_then(Self::read).map(|it| Self(Some(it))).ok_or_else(wrong),
            (Some(_), Some(_)) => Err(wrong()),
        }
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description =
            "The same key with the same body is carried out once: a repeated request gives the answer of the first, for a week at least.";
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
        let header = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header).required(Required::False);
        vec![header.description(Some(description)).schema(Some(text)).build()]
    }
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let parsed: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        parsed.map(|Json(it)| Self(it)).map_err(|error| match error {
            JsonRejection::JsonDataError(error) => ApiError::Shape(innermost(&error)),
            JsonRejection::JsonSyntaxError(error) => ApiError::Malformed(innermost(&error)),
            JsonRejection::MissingJsonContentType(_) => ApiError::NotJson,
            JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_))) => {
                ApiError::TooLarge(MAX_BODY)
            }
            _ => ApiError::CutOff,
        })
    }
}

/// What serde says, with the place: axum's own words around it say nothing more.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}
