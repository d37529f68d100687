//! What one connection is doing, as its socket and its requests see it.

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

/// What one connection is at, shared by its socket and its requests.
#[derive(Debug, Default)]
pub(crate) struct ConnectionState {
    /// Requests whose body or answer is not done with.
    busy: AtomicUsize,
    /// Requests whose head was whole.
    heads: AtomicUsize,
    is_http2: AtomicBool,
}

impl ConnectionState {
    /// A request's head is whole.
    pub(crate) fn begin_request(self: &Arc<Self>, version: Version, in_flight: &Gauge) -> Busy {
        self.is_http2.store(version == Version::HTTP_2, Ordering::Relaxed);
        self.heads.fetch_add(1, Ordering::Relaxed);
        Busy::new(Arc::clone(self), in_flight)
    }

    /// Requests of an HTTP/2 connection that are not done with; 0 of any other.
    pub(crate) fn http2_requests(&self) -> usize {
        match self.is_http2.load(Ordering::Relaxed) {
            true => self.busy.load(Ordering::Relaxed),
            false => 0,
        }
    }

    /// How many heads were whole so far.
    pub(crate) fn heads(&self) -> usize {
        self.heads.load(Ordering::Relaxed)
    }

    /// Whether the next bytes begin a request.
    pub(crate) fn awaits_head(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0 && !self.is_http2.load(Ordering::Relaxed)
    }
}

/// Held by everything that a request still does on its connection; also counts the bytes of its body.
#[derive(Debug, Clone)]
pub struct Busy(Arc<InProgress>);

#[derive(Debug)]
struct InProgress {
    state: Arc<ConnectionState>,
    _in_flight: GaugeGuard,
    received_bytes: AtomicU64,
}

impl Busy {
    fn new(state: Arc<ConnectionState>, in_flight: &Gauge) -> Self {
        state.busy.fetch_add(1, Ordering::Relaxed);
        let in_flight = GaugeGuard::new(in_flight);
        Self(Arc::new(InProgress { state, _in_flight: in_flight, received_bytes: AtomicU64::new(0) }))
    }

    pub(crate) fn add_received(&self, bytes: usize) {
        self.0.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of the request's body that were read so far.
    pub fn received_bytes(&self) -> u64 {
        self.0.received_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.state.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body that keeps its connection busy until it is sent.
pub(crate) struct BusyBody {
    body: Body,
    busy: Option<Busy>,
}

impl BusyBody {
    pub(crate) fn new(body: Body, busy: Busy) -> Self {
        Self { body, busy: Some(busy) }
    }
}

impl HttpBody for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = &frame {
            self.busy = None;
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
