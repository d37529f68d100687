//! Spans that are sent to an OpenTelemetry collector.

use std::time::Duration;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

use super::{Begun, SpanIds, TracesError};
use crate::config;

const SERVICE_NAME: &str = "pravega-gateway";

/// Longest wait for the collector to take the last spans.
const FINISH_TIMEOUT: Duration = Duration::from_secs(3);

/// Begins spans and sends them in the background. Clones share the sending.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Sending>);

#[derive(Debug, Clone)]
struct Sending {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The span of a request, which ends at the latest when it is dropped.
#[derive(Debug)]
pub struct RequestSpan(Span);

impl Traces {
    /// As configured. The collector need not be there; what it does not take is dropped. Must be called inside a runtime.
    ///
    /// The usual variables are heeded: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`,
    /// `OTEL_BSP_…` and `OTEL_EXPORTER_OTLP_…`, of which the endpoint is that of the settings.
    ///
    /// # Errors
    /// If the exporter does not accept the endpoint.
    pub fn from_settings(settings: &config::Telemetry) -> Result<Self, TracesError> {
        let Some(endpoint) = &settings.otlp_endpoint else {
            return Ok(Self(None));
        };
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint.as_str()).build();
        let exporter = exporter.map_err(|error| TracesError(format!("{:?}: {error}", endpoint.as_str())))?;
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        let tracer = provider.tracer(SERVICE_NAME);
        Ok(Self(Some(Sending { provider, tracer })))
    }

    /// Begins the span of a request, as a child of the caller's if it named one; `None` where none are sent.
    pub fn begin(&self, request: Begun<'_>) -> Option<RequestSpan> {
        let Sending { tracer, .. } = self.0.as_ref()?;
        let Begun { method, path, route, parent } = request;
        let attributes = [
            KeyValue::new("http.request.method", method.to_string()),
            KeyValue::new("http.route", route.as_str().to_owned()),
            KeyValue::new("url.path", path.to_owned()),
        ];
        let name = format!("{method} {}", route.as_str());
        let span = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_attributes(attributes);
        Some(RequestSpan(tracer.build_with_context(span, &context(parent))))
    }

    /// Sends what is left, if the collector takes it in time.
    ///
    /// # Cancel safety
    /// Sending goes on in a thread of its own.
    pub async fn finish(self) {
        let Some(Sending { provider, .. }) = self.0 else { return };
        // It blocks, and the sending needs the runtime's threads.
        let finishing = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FINISH_TIMEOUT));
        match finishing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "some spans were not sent"),
            Err(error) => tracing::warn!(%error, "the span exporter failed"),
        }
    }
}

impl RequestSpan {
    /// Where it stands.
    pub fn ids(&self) -> SpanIds {
        let context = self.0.span_context();
        SpanIds {
            trace: u128::from_be_bytes(context.trace_id().to_bytes()),
            span: u64::from_be_bytes(context.span_id().to_bytes()),
            sampled: context.is_sampled(),
        }
    }

    /// Ends with the answer's status and error code.
    pub fn end(mut self, status: u16, code: &'static str) {
        self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if !code.is_empty() {
            self.0.set_attribute(KeyValue::new("error.type", code));
        }
        // A caller's fault is not an error of a server's span.
        if status >= 500 {
            self.0.set_status(Status::error(code));
        }
        self.0.end();
    }
}

fn resource() -> Resource {
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = Resource::builder();
    if named { resource } else { resource.with_service_name(SERVICE_NAME) }
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

fn context(parent: Option<SpanIds>) -> Context {
    let Some(SpanIds { trace, span, sampled }) = parent else {
        return Context::new();
    };
    let flags = TraceFlags::default().with_sampled(sampled);
    let (trace, span) = (TraceId::from_bytes(trace.to_be_bytes()), SpanId::from_bytes(span.to_be_bytes()));
    Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, TraceState::NONE))
}
