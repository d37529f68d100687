//! What one connection is doing, as its socket and its requests see it.
//!
//! ```text
//!                       ┌── GuardedBody: the request's body, until it is read or drained
//! RequestGuard held by ─┼── Arrival: the handler
//!       │               └── ResponseBody: the response, until it is sent
//!       ▼
//! ConnectionState ──▶ HeadTimeout: the next bytes begin a head if no guard is held
//!       │        └──▶ serve: how long the connection is idle
//!       └───────────▶ responses on HTTP/2 of which the caller takes nothing
//! ```

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use http::Version;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::gauge_guard::GaugeGuard;
use crate::response_body::WatchedResponse;

/// How often in the longest time that a response may wait untaken those that do are looked for.
const LOOKS_PER_WAIT: u32 = 4;

/// Shared by a connection's socket and its requests.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    began: Instant,
    /// Requests in progress: not fully read, or not fully answered.
    requests: AtomicUsize,
    /// When the last of them ended, in microseconds since the connection began.
    idle_since: AtomicU64,
    /// Whether the caller has ended its sending side.
    has_ended: AtomicBool,
    /// Woken when the caller ends its sending side in the midst of a body.
    body: AtomicWaker,
    /// Woken when no request is in progress any more.
    reader: AtomicWaker,
    /// Heads that have arrived completely.
    heads: AtomicUsize,
    is_http2: AtomicBool,
    /// Responses that HTTP/2 sends as far as the caller lets it.
    responses: Mutex<Vec<Weak<WatchedResponse>>>,
}

impl Default for ConnectionState {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            body: AtomicWaker::new(),
            reader: AtomicWaker::new(),
            heads: AtomicUsize::new(0),
            is_http2: AtomicBool::new(false),
            responses: Mutex::default(),
        }
    }
}

impl ConnectionState {
    /// A request's head has arrived completely.
    pub(crate) fn begin_request(self: &Arc<Self>, version: Version, in_flight: &Gauge) -> RequestGuard {
        self.is_http2.store(version == Version::HTTP_2, Ordering::Relaxed);
        self.heads.fetch_add(1, Ordering::Relaxed);
        RequestGuard::new(Arc::clone(self), in_flight)
    }

    fn end_request(&self) {
        self.idle_since.store(self.age_micros(), Ordering::Relaxed);
        let requests = self.requests.fetch_sub(1, Ordering::SeqCst);
        assert!(requests > 0, "a request that ends was counted when it began");
        if requests == 1 {
            self.reader.wake();
        }
    }

    fn age_micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long no request has been in progress; `None` while one is.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let is_idle = self.requests.load(Ordering::Relaxed) == 0;
        is_idle
            .then(|| Duration::from_micros(self.age_micros().saturating_sub(self.idle_since.load(Ordering::Relaxed))))
    }

    /// Whether requests may share the connection.
    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    /// Requests in progress on an HTTP/2 connection; 0 for any other.
    pub(crate) fn http2_requests(&self) -> usize {
        if self.is_http2() { self.requests.load(Ordering::Relaxed) } else { 0 }
    }

    /// How many heads have arrived completely so far.
    pub(crate) fn heads(&self) -> usize {
        self.heads.load(Ordering::Relaxed)
    }

    /// Whether the next bytes begin a request.
    pub(crate) fn awaits_head(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && !self.is_http2()
    }

    /// Whether the caller has ended its sending side.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// The caller has ended its sending side. Ready once that ends the connection: as soon as every request that
    /// came before is answered.
    pub(crate) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.has_ended.store(true, Ordering::SeqCst);
        self.body.wake();
        self.reader.register(cx.waker());
        if self.requests.load(Ordering::SeqCst) == 0 || self.is_http2() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready if no more will come of a body of which more is awaited; else `cx` is woken by that.
    pub(crate) fn poll_body_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.body.register(cx.waker());
        if self.has_ended() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends a response once the caller has taken nothing of it for this long, so that it holds no memory.
    pub(crate) fn watch(self: &Arc<Self>, response: &Arc<WatchedResponse>, longest: Duration) {
        let mut watched = self.responses.lock();
        let is_first = watched.is_empty();
        watched.push(Arc::downgrade(response));
        if is_first {
            // needs no owner: ends with the last of the responses
            tokio::spawn(end_untaken_responses(Arc::downgrade(self), longest));
        }
    }

    /// Whether there are still some.
    fn look_at_responses(&self, longest: Duration) -> bool {
        let mut watched = self.responses.lock();
        watched.retain(|response| response.strong_count() > 0);
        let responses: Vec<_> = watched.iter().filter_map(Weak::upgrade).collect();
        drop(watched);
        responses.iter().for_each(|response| response.end_if_untaken(longest));
        !responses.is_empty()
    }
}

async fn end_untaken_responses(connection: Weak<ConnectionState>, longest: Duration) {
    let mut looks = interval(longest / LOOKS_PER_WAIT);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if !connection.upgrade().is_some_and(|connection| connection.look_at_responses(longest)) {
            return;
        }
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

    pub(crate) fn connection(&self) -> &Arc<ConnectionState> {
        &self.0.state
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
        self.state.end_request();
    }
}

#[cfg(test)]
mod tests {
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

    #[tokio::test(start_paused = true)]
    async fn connection_is_idle_from_its_beginning_and_from_the_end_of_its_last_request() {
        let (state, in_flight) = (Arc::new(ConnectionState::default()), Gauge::default());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(state.idle_for(), Some(Duration::from_secs(3)));
        let guards = [(); 2].map(|()| state.begin_request(Version::HTTP_11, &in_flight));
        let [one, other] = guards;
        drop(one);
        assert_eq!(state.idle_for(), None);
        drop(other);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(state.idle_for(), Some(Duration::from_secs(2)));
    }
}
