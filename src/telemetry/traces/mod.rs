//! OpenTelemetry traces: a span per request, sent over OTLP in a build with the feature `otlp`.

#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
mod without;

use http::Method;

#[cfg(feature = "otlp")]
pub use otlp::{RequestSpan, Traces};
#[cfg(not(feature = "otlp"))]
pub use without::{RequestSpan, Traces};

use super::labels::Route;

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp-endpoint: {0}")]
pub struct TracesError(String);

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
