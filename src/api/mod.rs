//! The HTTP API: routes, requests and answers.
//!
//! ```text
//! http_server ─▶ edge (limits of a request) ─▶ router ─▶ append, read, wire, segments, control ─▶ request (parts of one)
//! ```

mod router;

pub mod edge;

mod request;

mod append;
mod control;
mod read;
mod segments;
mod wire;

pub mod management;

mod error;
mod error_mapping;

pub use append::check_webhook;
pub use edge::server_settings;
pub use error::{ApiError, ErrorCode, SideEffects};
pub use router::router;
