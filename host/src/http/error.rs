//! What went wrong, as RFC 9457 says it: the only place that knows status codes of the API.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::catalogue::CatalogueError;
use crate::operations::OperationError;
use crate::plugin::CallError;
use crate::registry::RunError;
use crate::setup::{Fault, SetupError};
use crate::store::StoreError;

/// After this many seconds a busy hub may be asked again.
const RETRY_AFTER_S: u64 = 2;

/// Why a request of the API was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No token.
    #[error("this needs the header `Authorization: Bearer pb_…`; `patchbay token create` makes a token")]
    NoToken,
    /// Not a token that opens anything.
    #[error("this token is unknown or revoked")]
    WrongToken,
    /// Only the workspace that runs the hub may see it.
    #[error("this is about the whole hub: only tokens of its first workspace may see it")]
    FirstWorkspaceOnly,
    /// A parameter of the query is unknown, malformed or out of range.
    #[error("{0}")]
    Parameter(String),
    /// A header that the request has is not allowed.
    #[error("{0}")]
    Header(String),
    /// The API has no such path.
    #[error("the API has no such path; /api/v1/openapi.json lists them")]
    NoSuchPath,
    /// The path takes other methods.
    #[error("this path takes other methods; /api/v1/openapi.json lists them")]
    WrongMethod,
    /// There is no such thing in this workspace.
    #[error("{0}")]
    NotFound(String),
    /// The body is larger than allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The body was cut off.
    #[error("the body ended early")]
    CutOff,
    /// The body is not announced as JSON.
    #[error("the body must be JSON, with `Content-Type: application/json`")]
    NotJson,
    /// The body is no JSON.
    #[error("{0}")]
    Malformed(String),
    /// The body is JSON of another shape.
    #[error("{0}")]
    Shape(String),
    /// Values in the body are not allowed.
    #[error("values in the body are not allowed")]
    Faults(Vec<Fault>),
    /// Somebody is doing the same right now.
    #[error("{0}")]
    Busy(&'static str),
    /// The operation itself.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Operation(error.into())
    }
}

/// A problem as it is answered: `application/problem+json`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:patchbay:problem:<code>`
    #[serde(rename = "type")]
    kind: String,
    /// Stable: made for programs.
    code: &'static str,
    /// The same for every problem of this code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time, for people.
    detail: String,
    /// What is wrong with each value. In a configuration the pointers begin at the configuration, else at the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault>,
}

/// Status, code and title.
type Facts = (StatusCode, &'static str, &'static str);

/// What happened is the hub's own trouble: it is logged, and the answer does not say more.
const INTERNAL: Facts = (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The hub failed");
const BUSY: Facts = (StatusCode::SERVICE_UNAVAILABLE, "busy", "The hub is busy");
const NOT_FOUND: Facts = (StatusCode::NOT_FOUND, "not_found", "There is no such thing in this workspace");
const CONFIGURATION: Facts = (StatusCode::UNPROCESSABLE_ENTITY, "connection.config", "The configuration does not fit");
const BODY: Facts = (StatusCode::UNPROCESSABLE_ENTITY, "request.body", "The body has another shape");
const UNAVAILABLE: Facts = (StatusCode::CONFLICT, "connector.unavailable", "The connector cannot be used");

impl ApiError {
    fn facts(&self) -> Facts {
        match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "token.missing", "A token is needed"),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, "token.invalid", "The token is not valid"),
            Self::FirstWorkspaceOnly => (StatusCode::FORBIDDEN, "token.first_workspace", "Another workspace runs this hub"),
            Self::Header(_) => (StatusCode::BAD_REQUEST, "request.header", "A header is not allowed"),
            Self::Parameter(_) => (StatusCode::BAD_REQUEST, "request.parameter", "A parameter of the query is not allowed"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "request.path", "There is no such path"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "request.method", "The method is not allowed"),
            Self::NotFound(_) => NOT_FOUND,
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "request.size", "The body is too large"),
            Self::CutOff => (StatusCode::BAD_REQUEST, "request.cut_off", "The body is not complete"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "request.media_type", "The body is not JSON"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "request.json", "The body is not JSON"),
            Self::Shape(_) | Self::Faults(_) => BODY,
            Self::Busy(_) => BUSY,
            Self::Operation(error) => operation(error),
        }
    }

    fn faults(self) -> Vec<Fault> {
        match self {
            Self::Faults(faults)
            | Self::Operation(
                OperationError::Body(faults) | OperationError::Setup(SetupError::Faults(faults) | SetupError::Mapping(faults)),
            ) => faults,
            _ => Vec::new(),
        }
    }
}

fn operation(error: &OperationError) -> Facts {
    match error {
        OperationError::Connector(error) | OperationError::Run(RunError::Connector(error)) => connector(error),
        OperationError::Body(_) => BODY,
        OperationError::Setup(SetupError::Faults(_)) => CONFIGURATION,
        OperationError::Setup(SetupError::Mapping(_)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "connection.mapping", "The field mapping does not fit")
        }
        OperationError::Setup(SetupError::Schema(_)) => UNAVAILABLE,
        OperationError::Network(_) => (StatusCode::UNPROCESSABLE_ENTITY, "connection.network", "A network is none"),
        OperationError::Run(RunError::Store(error)) | OperationError::Store(error) => store(error),
        OperationError::Run(RunError::Secret(_)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "connection.secret", "A secret of the connection cannot be opened")
        }
        OperationError::Run(RunError::Network(_) | RunError::Client(_) | RunError::Mapping(_)) => INTERNAL,
        OperationError::Call(CallError::Failed(_)) => (StatusCode::BAD_GATEWAY, "connector.failed", "The connector reports a failure"),
        OperationError::Call(CallError::Limit(_)) => (StatusCode::BAD_GATEWAY, "connector.limit", "The connector ran into a limit"),
        OperationError::Call(CallError::Trap(_)) => (StatusCode::BAD_GATEWAY, "connector.trap", "The connector trapped"),
        OperationError::Call(CallError::Busy) => BUSY,
        OperationError::Call(CallError::Quarantined(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, "connector.quarantined", "The connector is in quarantine in this connection")
        }
        OperationError::Call(CallError::NoAbility(_)) => (StatusCode::CONFLICT, "connector.no_ability", "The connector cannot do this"),
        OperationError::NotFound(_) => NOT_FOUND,
        OperationError::Refused(_) => (StatusCode::CONFLICT, "refused", "This is not possible as things stand"),
    }
}

fn connector(error: &CatalogueError) -> Facts {
    match error {
        CatalogueError::Unknown { .. } => (StatusCode::CONFLICT, "connector.unknown", "The connector is not installed"),
        CatalogueError::Artifact { .. } | CatalogueError::Load { .. } | CatalogueError::Refused { .. } => UNAVAILABLE,
        CatalogueError::Read { .. } | CatalogueError::Write { .. } => INTERNAL,
    }
}

fn store(error: &StoreError) -> Facts {
    match error {
        StoreError::KeyReused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "request.idempotency_key", "The idempotency key stands for another request")
        }
        StoreError::Gone(_) => (StatusCode::CONFLICT, "changed_meanwhile", "It was changed or removed meanwhile"),
        StoreError::FormerKey | StoreError::Contended(_) | StoreError::Database(sqlx::Error::PoolTimedOut) => BUSY,
        StoreError::Database(_) | StoreError::Open { .. } | StoreError::Claim { .. } | StoreError::StateQuota { .. } => INTERNAL,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, title) = self.facts();
        // The span around it says which request this was.
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, problem.code = code, "a request of the API failed");
        }
        let detail = match &self {
            _ if code == INTERNAL.1 => "the hub's log says more, under the id of this request (X-Request-Id)".to_owned(),
            // Where the folder is, is the machine's own affair.
            Self::Operation(OperationError::Connector(CatalogueError::Unknown { id, installed, .. })) => {
                format!("there is no connector `{id}` (installed: {installed})")
            }
            Self::Operation(OperationError::Connector(CatalogueError::Artifact { source, .. })) => source.to_string(),
            error => error.to_string(),
        };
        let problem =
            Problem { kind: format!("urn:patchbay:problem:{code}"), code, title, status: status.as_u16(), detail, faults: self.faults() };
        let body = serde_json::to_vec(&problem).expect("a problem is plain text");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        response
    }
}
