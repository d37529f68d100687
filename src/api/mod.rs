//! HTTP: what callers say and what they are told.
//!
//! ```text
//! listen ─▶ serve (limits of a connection) ─▶ edge (limits of a request) ─▶ router ─▶ append, read, raw, fields, control
//! ```

mod accept;
mod access_log;
mod address;
mod append;
mod batch;
pub mod body;
mod caller;
mod coding;
mod connection;
mod control;
pub mod deadline;
pub mod edge;
pub mod error;
mod errors;
mod exchange;
pub mod fallback;
mod field_values;
mod fields;
mod fields_append;
mod fields_reply;
mod head_timer;
mod held;
mod json_key;
pub mod limits;
pub mod listen;
pub mod management;
mod page_body;
mod params;
mod prefer;
mod raw;
mod read;
pub mod request_id;
mod router;
mod routing_key;
mod segments;
mod send_timer;
pub mod serve;
mod silence;
mod status;
pub mod traceparent;
mod webhooks;
mod wire_route;

#[cfg(test)]
mod tests;

pub use error::{ApiError, ErrorCode, SideEffects};
pub use router::router;
pub use webhooks::check as check_webhooks;
