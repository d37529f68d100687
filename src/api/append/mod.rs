//! `POST /v1/events` and `POST /v1/webhooks/{name}`.

pub(crate) mod batch;
mod json_pointer;
pub(crate) mod post;
mod routing_key;
pub(crate) mod webhooks;

pub use webhooks::check as check_webhook;
