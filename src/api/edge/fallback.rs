//! Answers that need no handler of their own: unknown paths and methods, panics.

use axum::response::{IntoResponse, Response};
use http::{Method, Uri};

use crate::api::error::{ApiError, ErrorCode};

/// The answer to paths at which nothing is served: `404 path_unknown`.
pub(crate) async fn path_unknown(uri: Uri) -> ApiError {
    ApiError::new(ErrorCode::PathUnknown, format!("nothing is served at {}", uri.path()))
}

/// The answer to methods that a path does not have: `405 method_not_allowed`. The router adds `Allow`.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, format!("{method} is not allowed at {}", uri.path()))
}

/// The answer in place of a handler that panicked: `500 internal`. What it said goes to the log only.
pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> Response {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    let error = ApiError::new(ErrorCode::Internal, "a bug in the gateway; its log has details under this request id");
    // whether the handler had sent anything is not known here
    error.possible().into_response()
}
