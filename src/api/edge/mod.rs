//! What every request passes before it reaches a handler: limits, its id, its deadline, who calls, and the access log.

pub(crate) mod access_log;
pub(crate) mod caller;
pub(crate) mod deadline;
pub(crate) mod fallback;
pub(crate) mod header_limit;
mod host;
mod layer;
pub(crate) mod request_id;
pub mod server_settings;
pub(crate) mod traceparent;

#[cfg(test)]
mod tests;

pub use layer::{EdgeContext, edge_layers};
