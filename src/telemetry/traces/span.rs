//! What spans are made of, with and without the feature.

use http::Method;

use crate::telemetry::labels::Route;

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp-endpoint: {0}")]
pub struct TracesError(pub(super) String);

/// Where a span stands: the ids of `traceparent`, and whether the trace is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanIds {
    /// Of the trace; not 0.
    pub trace: u128,
    /// Of the span; not 0.
    pub span: u64,
    /// Whether it is recorded.
    pub sampled: bool,
}

/// A request as its span has it from the start.
#[derive(Debug, Clone, Copy)]
pub struct Begun<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path.
    pub path: &'a str,
    /// The route that it took.
    pub route: &'a Route,
    /// The caller's span, if it named one.
    pub parent: Option<SpanIds>,
}
