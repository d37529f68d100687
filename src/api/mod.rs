//! The HTTP edge: what every request passes before its handler, and every answer after it.
//!
//! ```text
//! listen ─▶ serve (limits of a connection) ─▶ edge (limits of a request) ─▶ handler ─▶ body, budget, deadline
//! ```

mod access_log;
pub mod body;
pub mod budget;
mod connection;
pub mod deadline;
pub mod edge;
pub mod error;
pub mod fallback;
mod head_timer;
pub mod limits;
pub mod listen;
pub mod management;
pub mod request_id;
pub mod serve;
pub mod traceparent;

pub use error::{ApiError, ErrorCode, SideEffects};

#[cfg(test)]
mod tests;
