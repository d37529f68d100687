//! OpenTelemetry traces: a span per request, sent over OTLP in a build with the feature `otlp`.

#[cfg(feature = "otlp")]
mod otlp;
mod span;
#[cfg(not(feature = "otlp"))]
mod without;

#[cfg(feature = "otlp")]
pub use otlp::{RequestSpan, Traces};
pub use span::{Begun, SpanIds, TracesError};
#[cfg(not(feature = "otlp"))]
pub use without::{RequestSpan, Traces};
