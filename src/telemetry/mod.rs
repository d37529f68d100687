//! What operators see: log lines, metrics and traces.

pub mod labels;
pub mod log;
pub mod metrics;
pub mod traces;
