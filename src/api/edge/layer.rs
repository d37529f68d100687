//! What every request passes on its way to a handler, and every answer on its way back.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::request::Parts;
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use crate::api::edge::access_log::AccessRecord;
use crate::api::edge::deadline::Deadline;
use crate::api::edge::fallback::{method_not_allowed, panicked, path_unknown};
use crate::api::edge::header_limit::check_headers;
use crate::api::edge::host::check_host;
use crate::api::edge::request_id::{self, HttpRequestId};
use crate::api::edge::traceparent::TraceContext;
use crate::api::error::{ApiError, ErrorCode};
use crate::config::Config;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// What the edge needs to know; clones share it.
#[derive(Debug, Clone)]
pub struct EdgeContext(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    header_bytes: usize,
    request_timeout: Duration,
    access_log: bool,
    metrics: Metrics,
    traces: Traces,
}

impl EdgeContext {
    /// As configured; a request's span goes to `traces`.
    pub fn new(config: &Config, metrics: Metrics, traces: Traces) -> Self {
        Self(Arc::new(Settings {
            header_bytes: config.limits.headers.as_usize(),
            request_timeout: config.request.timeout,
            access_log: config.log.access,
            metrics,
            traces,
        }))
    }
}

/// Puts the edge around a router whose routes are complete, and gives it the fallbacks for unknown paths and
/// methods.
///
/// It is one layer, so that a request costs one allocation here, not one per concern. In order:
/// 1. `X-Request-Id` and `traceparent` are taken up or made, and a span with both is begun;
/// 2. the record for metrics and the access log is begun, so that refusals are in it too;
/// 3. headers beyond their limit: `431`; a missing or invalid `Host`, a malformed `Request-Timeout`: `400`;
/// 4. the handler; a panic in it: `500`;
/// 5. the answer gets `X-Request-Id`, and is recorded when it is whole.
///
/// Limits that belong to the connection (time for a head, silence in a body, what becomes of an unread body)
/// are kept by [`serve`](http_server::serve).
pub fn edge_layers(router: Router, context: EdgeContext) -> Router {
    router.fallback(path_unknown).method_not_allowed_fallback(method_not_allowed).layer(EdgeLayer(context))
}

/// What the edge found out about a request; put into its extensions as one.
#[derive(Debug, Clone)]
struct Admitted {
    id: HttpRequestId,
    trace: TraceContext,
    deadline: Deadline,
}

#[derive(Clone)]
struct EdgeLayer(EdgeContext);

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, context: self.0.clone() }
    }
}

#[derive(Clone)]
struct Edge<S> {
    inner: S,
    context: EdgeContext,
}

impl<S> Service<Request> for Edge<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        if let Some(credentials) = parts.headers.get_mut(AUTHORIZATION) {
            credentials.set_sensitive(true);
        }
        let id = HttpRequestId::taken_up(&parts.headers);
        let settings = &self.context.0;
        let record =
            AccessRecord::begin(&parts, id.clone(), &settings.traces, settings.metrics.clone(), settings.access_log);
        let trace = record.trace();
        match self.context.admit(&parts, id.clone(), trace) {
            Ok(admitted) => {
                let span = admitted.span();
                parts.extensions.insert(admitted);
                let handling = self.inner.call(Request::from_parts(parts, body));
                Box::pin(handle(handling, id, record).instrument(span))
            }
            Err(refusal) => Box::pin(async move { Ok(finish(refusal.into_response(), &id, record)) }),
        }
    }
}

impl EdgeContext {
    fn admit(&self, parts: &Parts, id: HttpRequestId, trace: TraceContext) -> Result<Admitted, ApiError> {
        check_headers(&parts.headers, self.0.header_bytes)?;
        check_host(parts)?;
        let deadline = Deadline::from_headers(&parts.headers, self.0.request_timeout)?;
        Ok(Admitted { id, trace, deadline })
    }
}

impl Admitted {
    fn span(&self) -> Span {
        // as severe as any line in it, so that no level leaves a line without its request
        tracing::error_span!("request", request.id = self.id.as_str(), trace.id = %self.trace.trace_id())
    }
}

async fn handle(
    handling: impl Future<Output = Result<Response, Infallible>>,
    id: HttpRequestId,
    record: AccessRecord,
) -> Result<Response, Infallible> {
    let response = match AssertUnwindSafe(handling).catch_unwind().await {
        Ok(Ok(response)) => response,
        Err(payload) => panicked(payload.as_ref()),
    };
    Ok(finish(response, &id, record))
}

fn finish(mut response: Response, id: &HttpRequestId, record: AccessRecord) -> Response {
    response.headers_mut().insert(request_id::HEADER, id.as_header().clone());
    record.answered(response)
}

macro_rules! extract {
    ($( $type:ty: $found:ty => $value:expr; )*) => {$(
        impl<S: Sync> FromRequestParts<S> for $type {
            type Rejection = ApiError;

            /// # Errors
            /// `500 internal` where the router was not given its edge, or is not served by `serve`.
            async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
                let value: fn(&$found) -> $type = $value;
                let missing = || ApiError::new(ErrorCode::Internal, "the router has no edge around it");
                parts.extensions.get().map(value).ok_or_else(missing)
            }
        }
    )*};
}

extract! {
    Deadline: Admitted => |admitted| admitted.deadline;
    HttpRequestId: Admitted => |admitted| admitted.id.clone();
    TraceContext: Admitted => |admitted| admitted.trace;
}
