//! The record of a request: its sample in the metrics, its line in the access log, its span.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_server::Arrival;
use tokio::time::Instant;

use crate::api::edge::request_id::HttpRequestId;
use crate::api::edge::traceparent::{self, TraceContext};
use crate::api::error::ErrorCode;
use crate::telemetry::labels::{self, Limit, RequestLabels, Route, RouteLabels};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::{Begun, RequestSpan, Traces};

/// The status of a request whose caller hung up before there was one, as nginx has it.
const HUNG_UP: u16 = 499;

/// Parameters whose values may be logged: they name things. Others may hold what is the caller's.
const OPEN_PARAMETERS: [&str; 9] =
    ["scope", "stream", "segment", "offset", "count", "max-bytes", "state", "encoding", "report"];

/// One request until it is answered: then, or when it is dropped unanswered, it is counted and leaves its line.
pub(crate) struct AccessRecord {
    metrics: Metrics,
    leaves_line: bool,
    method: Method,
    uri: Uri,
    route: Route,
    id: HttpRequestId,
    trace: TraceContext,
    span: Option<RequestSpan>,
    arrival: Option<Arrival>,
    started: Instant,
    answer: AnswerSoFar,
}

/// What the caller has received so far.
struct AnswerSoFar {
    status: u16,
    code: &'static str,
    sent_bytes: u64,
}

impl AccessRecord {
    pub(crate) fn begin(
        parts: &Parts,
        id: HttpRequestId,
        traces: &Traces,
        metrics: Metrics,
        leaves_line: bool,
    ) -> Self {
        let route = Route(parts.extensions.get::<MatchedPath>().cloned());
        let parent = traceparent::caller(&parts.headers);
        let (method, path) = (&parts.method, parts.uri.path());
        let span = traces.begin(Begun { method, path, route: &route, parent });
        let own = span.as_ref().map(|span| TraceContext::from(span.ids()));
        Self {
            metrics,
            leaves_line,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            route,
            id,
            trace: own.unwrap_or_else(|| TraceContext::after(parent)),
            span,
            arrival: parts.extensions.get::<Arrival>().cloned(),
            started: Instant::now(),
            answer: AnswerSoFar { status: HUNG_UP, code: "", sent_bytes: 0 },
        }
    }

    /// Where the request stands in its trace.
    pub(crate) fn trace(&self) -> TraceContext {
        self.trace
    }

    /// The answer is known. One of known length is taken as sent; the end of a streamed one is awaited.
    pub(crate) fn answered(mut self, response: Response) -> Response {
        self.answer.status = response.status().as_u16();
        self.answer.code = response.extensions().get::<ErrorCode>().map_or("", |code| code.as_str());
        if let Some(limit) = response.extensions().get::<Limit>() {
            self.metrics.hits_of(*limit).inc();
        }
        match response.body().size_hint().exact() {
            Some(bytes) => {
                self.answer.sent_bytes = bytes;
                response
            }
            None => response.map(|body| Body::new(RecordedBody { body, record: self })),
        }
    }

    fn count(&self, received: u64) {
        let labels = RequestLabels {
            route: self.route.clone(),
            method: labels::Method::from(&self.method),
            status: self.answer.status,
            code: self.answer.code,
        };
        self.metrics.http_requests.get_or_create(&labels).inc();
        let seconds = self.started.elapsed().as_secs_f64();
        let RequestLabels { route, .. } = labels;
        self.metrics.http_request_seconds.get_or_create(&RouteLabels { route }).observe(seconds);
        self.metrics.http_received_bytes.inc_by(received);
        self.metrics.http_sent_bytes.inc_by(self.answer.sent_bytes);
    }

    fn leave_line(&self, received: u64) {
        let peer = self.arrival.as_ref().map(|arrival| tracing::field::display(arrival.peer));
        tracing::event!(
            target: "access",
            tracing::Level::INFO,
            http.method = %self.method,
            url.path = self.uri.path(),
            url.query = self.uri.query().map(OpenQuery).map(tracing::field::display),
            http.status = self.answer.status,
            error.code = self.answer.code,
            received_bytes = received,
            sent_bytes = self.answer.sent_bytes,
            duration_ms = self.started.elapsed().as_secs_f64() * 1000.0,
            peer,
            request.id = self.id.as_str(),
            trace.id = %self.trace.trace_id(),
            "request",
        );
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let received = self.arrival.as_ref().map_or(0, |arrival| arrival.request.received_bytes());
        self.count(received);
        if self.leaves_line {
            self.leave_line(received);
        }
        if let Some(span) = self.span.take() {
            span.end(self.answer.status, self.answer.code);
        }
    }
}

/// A streamed answer, recorded when it ends or the caller hangs up.
struct RecordedBody {
    body: Body,
    record: AccessRecord,
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.record.answer.sent_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A query whose values are shown only for parameters that name things.
struct OpenQuery<'a>(&'a str);

impl fmt::Display for OpenQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pair) in self.0.split('&').enumerate() {
            let separator = if index == 0 { "" } else { "&" };
            match pair.split_once('=') {
                Some((name, _)) if !OPEN_PARAMETERS.contains(&name) => write!(f, "{separator}{name}=…")?,
                _ => write!(f, "{separator}{pair}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_other_parameters_are_not_logged() {
        let query = "scope=s&routing-key=alice&stream=t&access_token=secret&flag";
        let shown = OpenQuery(query).to_string();
        assert_eq!(shown, "scope=s&routing-key=…&stream=t&access_token=…&flag");
    }
}
