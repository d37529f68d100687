//! `/v1/scopes/**`: passed on to the controller's REST API.

use std::io;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;

use crate::api::edge::deadline::Deadline;
use crate::api::error::{ApiError, CHALLENGE, ErrorCode};
use crate::api::request::body::read_error;
use crate::app::App;
use crate::controller::RestError;

/// Passes a control call on and its answer back, both streamed.
pub(crate) async fn forward(app: App, deadline: Deadline, request: Request) -> Result<Response, ApiError> {
    check_readable(&app, deadline, request.headers()).await?;
    let is_safe = request.method().is_safe();
    let broken = Arc::new(OnceLock::new());
    let request = request.map(|body| watched(body, broken.clone()));
    match deadline.timeout(app.rest().forward(request)).await {
        Ok(Ok(answer)) => Ok(challenged(answer.map(Body::new))),
        Ok(Err(_)) if broken.get().is_some() => Err(broken.get().cloned().expect("just seen")),
        Ok(Err(error)) => Err(api_error(&error, is_safe)),
        Err(elapsed) if is_safe => Err(elapsed.into()),
        Err(elapsed) => Err(ApiError::from(elapsed).possible()),
    }
}

/// Credentials that Pravega cannot read are wrong ones; it takes them for a fault of its own.
async fn check_readable(app: &App, deadline: Deadline, headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key(AUTHORIZATION) && app.controller().credentials().is_none() {
        // Where gRPC does not say whether they matter, REST will.
        if let Ok(Err(error)) = deadline.timeout(app.controller().admit()).await
            && error.is_refusal()
        {
            return Err(error.into());
        }
    }
    Ok(())
}

/// The controller says 401 without saying how to show credentials.
fn challenged(mut answer: Response) -> Response {
    if answer.status() == StatusCode::UNAUTHORIZED {
        answer.headers_mut().entry(WWW_AUTHENTICATE).or_insert(CHALLENGE);
    }
    answer
}

/// The body, noting what is wrong with it: that it ends early is the caller's doing, not the controller's.
fn watched(body: Body, broken: Arc<OnceLock<ApiError>>) -> Body {
    Body::new(body.map_err(move |error| {
        let api = read_error(error);
        let error = io::Error::other(api.detail().to_owned());
        let _ = broken.set(api);
        error
    }))
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
