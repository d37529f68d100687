//! Every path, with the function that answers it.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};

use super::{groups, health, scopes, streams};
use crate::controller::Controller;

/// Every path.
pub(in crate::controller) fn router(controller: Controller) -> Router {
    let paths = [
        ("/scopes", get(scopes::list).post(scopes::create)),
        ("/scopes/{scope}", get(scopes::get).delete(scopes::delete)),
        ("/scopes/{scope}/streams", get(streams::list).post(streams::create)),
        ("/scopes/{scope}/streams/{stream}", get(streams::get).put(streams::update).delete(streams::delete)),
        ("/scopes/{scope}/streams/{stream}/state", put(streams::set_state)),
        ("/scopes/{scope}/streams/{stream}/scaling-events", get(streams::scaling_events)),
        ("/scopes/{scope}/readergroups", get(groups::list)),
        ("/scopes/{scope}/readergroups/{group}", get(groups::get).delete(groups::delete)),
    ];
    // a slash at the end changes nothing
    let api = paths
        .into_iter()
        .fold(Router::new(), |api, (path, methods)| {
            api.route(path, methods.clone()).route(&format!("{path}/"), methods)
        })
        .merge(health::router())
        .layer(from_fn(wants_json));
    Router::new().nest("/v1", api).route("/ping", get(async || StatusCode::OK)).with_state(controller)
}

/// All responses are JSON, so callers that do not accept it get none.
async fn wants_json(request: Request, next: Next) -> Response {
    if takes_json(request.headers()) { next.run(request).await } else { StatusCode::NOT_ACCEPTABLE.into_response() }
}

fn takes_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    let matches = |range: &str| {
        let media = range.split(';').next().unwrap_or_default().trim();
        ["*/*", "application/*", "application/json"].iter().any(|json| media.eq_ignore_ascii_case(json))
    };
    values.peek().is_none() || values.any(|value| value.to_str().is_ok_and(|list| list.split(',').any(matches)))
}
