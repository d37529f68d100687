//! `/v1/scopes/**`: passed on to the controller's REST API.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use super::deadline::Deadline;
use super::error::{ApiError, ErrorCode};
use crate::app::App;
use crate::controller::RestError;

/// Passes a control call on and its answer back, both streamed.
pub(crate) async fn forward(
    State(app): State<App>,
    deadline: Deadline,
    request: Request,
) -> Result<Response, ApiError> {
    let is_safe = request.method().is_safe();
    match deadline.timeout(app.rest().forward(request)).await {
        Ok(Ok(answer)) => Ok(answer.map(Body::new)),
        Ok(Err(error)) => Err(api_error(&error, is_safe)),
        Err(elapsed) if is_safe => Err(elapsed.into()),
        Err(elapsed) => Err(ApiError::from(elapsed).possible()),
    }
}

fn api_error(error: &RestError, is_safe: bool) -> ApiError {
    let code = match error {
        RestError::PathInvalid { .. } => ErrorCode::PathUnknown,
        RestError::Unavailable { .. } | RestError::NotFoundAnywhere { .. } | RestError::Timeout { .. } => {
            ErrorCode::ControllerUnavailable
        }
    };
    let api = ApiError::new(code, error.to_string());
    if error.may_have_happened() && !is_safe { api.possible() } else { api }
}
