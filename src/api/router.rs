//! Every path of the public listener.

use axum::Router;
use axum::routing::{any, get, post};

use super::append::{post as append, webhooks};
use super::read::get as read;
use super::wire::{by_fields, passthrough};
use super::{control, segments};
use crate::api::edge::caller::SharedApp;
use crate::app::App;

/// The handlers, without the layers around them.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/v1/events", post(append::post).get(read::get).put(passthrough::put))
        .route("/v1/segments/{scope}/{stream}", get(segments::list))
        .route("/v1/webhooks/{name}", post(webhooks::post))
        .route("/v1/wire/{command}", post(by_fields::post))
        .route("/v1/scopes", any(control::forward))
        .route("/v1/scopes/", any(control::forward))
        .route("/v1/scopes/{*path}", any(control::forward))
        .with_state(SharedApp::new(app))
}
