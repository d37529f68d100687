//! Bodies in and out.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::controller::Controller;
use crate::controller::access::{Caller, Denied};
use crate::controller::operations::{ErrorKind, OperationError};
use crate::node::ChangeError;

/// A status without a body, as nearly all of Pravega's refusals are.
#[derive(Debug)]
pub(crate) struct ErrorStatus(pub(crate) StatusCode);

impl IntoResponse for ErrorStatus {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<Denied> for ErrorStatus {
    fn from(denied: Denied) -> Self {
        Self(match denied {
            Denied::Unauthenticated => StatusCode::UNAUTHORIZED,
            Denied::Forbidden => StatusCode::FORBIDDEN,
        })
    }
}

impl From<ChangeError> for ErrorStatus {
    fn from(failed: ChangeError) -> Self {
        match failed {
            // a full disk: tried again, it may succeed
            ChangeError::NoRoom(_) => Self(StatusCode::INSUFFICIENT_STORAGE),
            ChangeError::Log(_) | ChangeError::Broken(_) => Self(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl From<OperationError> for ErrorStatus {
    fn from(error: OperationError) -> Self {
        Self(match error.kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Internal | ErrorKind::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        })
    }
}

impl FromRequestParts<Controller> for Caller {
    type Rejection = ErrorStatus;

    async fn from_request_parts(parts: &mut Parts, controller: &Controller) -> Result<Self, ErrorStatus> {
        let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        Ok(controller.access.enter(authorization).await?)
    }
}

/// A JSON object.
pub(crate) struct Body<T>(pub(super) T);

/// Why a body is not taken.
pub(crate) enum BadBody {
    /// It is not said to be JSON.
    MediaType,
    /// The body is missing, which Pravega answers with 500.
    Empty,
    /// It is no JSON, or not what it should be; with the parser's words.
    Malformed(String),
    /// It could not be read, or is too long.
    Unreadable(Response),
}

impl IntoResponse for BadBody {
    fn into_response(self) -> Response {
        match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response(),
            Self::Empty => (StatusCode::INTERNAL_SERVER_ERROR, "a body is needed").into_response(),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, why).into_response(),
            Self::Unreadable(response) => response,
        }
    }
}

impl<T: DeserializeOwned> FromRequest<Controller> for Body<T> {
    type Rejection = BadBody;

    async fn from_request(request: Request, controller: &Controller) -> Result<Self, BadBody> {
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = media.and_then(|media| media.split(';').next()).unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(BadBody::MediaType);
        }
        let bytes = Bytes::from_request(request, controller).await;
        let bytes = bytes.map_err(|error| BadBody::Unreadable(error.into_response()))?;
        if bytes.is_empty() {
            return Err(BadBody::Empty);
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| BadBody::Malformed(error.to_string()))
    }
}
