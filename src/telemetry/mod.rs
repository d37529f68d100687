//! What the gateway tells those who run it: log lines and metrics.

pub mod labels;
pub mod log;
pub mod metrics;
