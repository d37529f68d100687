//! What one connection is doing, as its socket and its requests see it.
//!
//! ```text
//!                       ┌── GuardedBody: the request's body, until it is read or drained
//! RequestGuard held by ─┼── Arrival: the handler
//!       │               └── ResponseBody: the response, until it is sent
//!       ▼
//! ConnectionState ──▶ HeadTimeout: the next bytes begin a head if no guard is held
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use prometheus_client::metrics::gauge::Gauge;

use crate::gauge_guard::GaugeGuard;

/// Shared by a connection's socket and its requests.
#[derive(Debug, Default)]
pub(crate) struct ConnectionState {
    /// Requests in progress: not fully read, or not fully answered.
    requests: AtomicUsize,
    /// Heads that have arrived completely.
    heads: AtomicUsize,
    is_http2: AtomicBool,
}

impl ConnectionState {
    /// A request's head has arrived completely.
    pub(crate) fn begin_request(self: &Arc<Self>, version: Version, in_flight: &Gauge) -> RequestGuard {
        self.is_http2.store(version == Version::HTTP_2, Ordering::Relaxed);
        self.heads.fetch_add(1, Ordering::Relaxed);
        RequestGuard::new(Arc::clone(self), in_flight)
    }

    /// Requests in progress on an HTTP/2 connection; 0 for any other.
    pub(crate) fn http2_requests(&self) -> usize {
        if self.is_http2.load(Ordering::Relaxed) { self.requests.load(Ordering::Relaxed) } else { 0 }
    }

    /// How many heads have arrived completely so far.
    pub(crate) fn heads(&self) -> usize {
        self.heads.load(Ordering::Relaxed)
    }

    /// Whether the next bytes begin a request.
    pub(crate) fn awaits_head(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && !self.is_http2.load(Ordering::Relaxed)
    }
}

/// Held while a request is in progress, by everything that still reads or answers it. Counts the bytes of its body.
#[derive(Debug, Clone)]
pub struct RequestGuard(Arc<Request>);

#[derive(Debug)]
struct Request {
    state: Arc<ConnectionState>,
    _in_flight: GaugeGuard,
    received_bytes: AtomicU64,
}

impl RequestGuard {
    fn new(state: Arc<ConnectionState>, in_flight: &Gauge) -> Self {
        state.requests.fetch_add(1, Ordering::Relaxed);
        let in_flight = GaugeGuard::new(in_flight);
        Self(Arc::new(Request { state, _in_flight: in_flight, received_bytes: AtomicU64::new(0) }))
    }

    pub(crate) fn add_received(&self, bytes: usize) {
        self.0.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of the request's body read so far.
    pub fn received_bytes(&self) -> u64 {
        self.0.received_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let requests = self.state.requests.fetch_sub(1, Ordering::Relaxed);
        assert!(requests > 0, "a request that ends was counted when it began");
    }
}

/// A response's body, which keeps its request in progress until it is sent.
pub(crate) struct ResponseBody {
    body: Body,
    request: Option<RequestGuard>,
}

impl ResponseBody {
    pub(crate) fn new(body: Body, request: RequestGuard) -> Self {
        Self { body, request: Some(request) }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = &frame {
            self.request = None;
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[test]
    fn request_is_in_progress_until_its_last_guard_is_dropped() {
        let (state, in_flight) = (Arc::new(ConnectionState::default()), Gauge::default());
        assert!(state.awaits_head());
        let guard = state.begin_request(Version::HTTP_11, &in_flight);
        let other = guard.clone();
        drop(guard);
        assert_eq!((state.awaits_head(), in_flight.get()), (false, 1));
        drop(other);
        assert_eq!((state.awaits_head(), in_flight.get(), state.heads()), (true, 0, 1));
    }

    #[test]
    fn http_2_counts_its_requests_and_awaits_no_head() {
        let (state, in_flight) = (Arc::new(ConnectionState::default()), Gauge::default());
        let guards = [(); 3].map(|()| state.begin_request(Version::HTTP_2, &in_flight));
        assert_eq!((state.http2_requests(), in_flight.get()), (3, 3));
        drop(guards);
        assert_eq!((state.http2_requests(), in_flight.get(), state.awaits_head()), (0, 0, false));
    }

    #[test]
    fn http_1_has_no_http_2_requests() {
        let state = Arc::new(ConnectionState::default());
        let _guard = state.begin_request(Version::HTTP_11, &Gauge::default());
        assert_eq!(state.http2_requests(), 0);
    }

    #[tokio::test]
    async fn response_ends_its_request_with_its_last_byte() {
        let state = Arc::new(ConnectionState::default());
        let guard = state.begin_request(Version::HTTP_11, &Gauge::default());
        let mut body = ResponseBody::new(Body::from("x"), guard);
        assert_eq!(body.size_hint().exact(), Some(1));
        body.frame().await.expect("a frame").expect("no error");
        assert!(!state.awaits_head());
        assert!(body.frame().await.is_none());
        assert!(state.awaits_head());
    }
}
