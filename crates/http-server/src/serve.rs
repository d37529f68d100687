//! Accepts connections and serves requests on them, within limits.
//!
//! ```text
//! listeners ─▶ accept_all ─slot─▶ connection: handshake, timeouts, hyper ─▶ answer: guards, router
//!                  │                  │
//!                stop: ends         stop: finishes its requests, cut: ends at once
//! ```
//! `axum::serve` has no limits for connections, heads or HTTP/2 streams, so this crate has its own loop.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt as _};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::accept_loop::AcceptLoop;
use crate::connection::{ConnectionState, RequestGuard};
use crate::gauge_guard::GaugeGuard;
use crate::guarded_body::{BodyLimits, GuardedBody};
use crate::head_timeout::{self, HeadTimeout};
use crate::idle_connections::{Idle, IdleConnection, IdleConnections};
use crate::listen::{Accepted, Listener, Peer};
use crate::response_body::ResponseBody;
use crate::send_timeout::SendTimeout;
use crate::tls::{Acceptor, MaybeTlsStream};

/// How far the headers may exceed their limit and still be read, so that a handler can answer with its own error.
/// Beyond it, and beyond 100 header lines, hyper answers `431` without a body.
const HEAD_EXCESS_BYTES: usize = 64 * 1024;

/// When less than this part of the connections is left, idle ones are closed in advance, so that the next do not have to
/// wait for them.
const SPARE_PART: usize = 64;

/// How often, while a connection waits for room, another one is looked for that is idle.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The limits of one server, and its metrics.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// Connections served at once, at least one. More wait until one ends; the one that was idle longest makes room.
    pub connections: usize,
    /// How long a connection may be idle, that is without a request in progress.
    pub idle: Duration,
    /// Bytes of a request's headers. The server reads 64 KiB more, so that a handler can answer with its own error.
    pub header_bytes: usize,
    /// Time for the whole head of a request.
    pub header_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub http2_streams: u32,
    /// Limits of a request's body.
    pub body: BodyLimits,
    /// TLS, or none, on TCP sockets; unix sockets are always plain.
    pub acceptor: Acceptor,
    /// Counters and gauges to keep.
    pub metrics: ServeMetrics,
}

/// What a server counts. The default is registered nowhere.
#[derive(Debug, Clone, Default)]
pub struct ServeMetrics {
    /// Connections that are open.
    pub open: Gauge,
    /// Requests in progress: not fully read, or not fully answered.
    pub in_flight: Gauge,
    /// Failures of the system to accept a connection.
    pub accept_errors: Counter,
    /// How often a connection had to wait for another to end.
    pub connections_hits: Counter,
    /// Connections that were closed because they were idle.
    pub idle_hits: Counter,
    /// Requests whose headers were far too large.
    pub headers_hits: Counter,
    /// Connections that were cut because a head did not arrive in time.
    pub header_timeout_hits: Counter,
    /// How often an HTTP/2 connection reached its limit of requests.
    pub http2_streams_hits: Counter,
}

impl ServeMetrics {
    /// Counts the limit that ended a connection, if one did.
    fn count(&self, error: &(dyn Error + 'static)) {
        if error.downcast_ref().is_some_and(hyper::Error::is_parse_too_large) {
            self.headers_hits.inc();
        } else if head_timeout::is_cause_of(error) {
            self.header_timeout_hits.inc();
        }
    }
}

impl ServeSettings {
    fn protocol(&self) -> Builder<TokioExecutor> {
        let head_bytes = self.header_bytes + HEAD_EXCESS_BYTES;
        let mut builder = Builder::new(TokioExecutor::new());
        // hyper's own timer would cut idle connections; see HeadTimeout
        builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(head_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.http2_streams)
            .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
            // a partially sent head delays the answer to a ping, so these also bound the time for a head
            .keep_alive_interval(self.header_timeout)
            .keep_alive_timeout(self.header_timeout);
        builder
    }
}

/// How a request arrived. [`serve`] puts it into the request's extensions.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The other end of its connection.
    pub peer: Peer,
    /// Keeps the request in progress while it is held.
    pub request: RequestGuard,
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = StatusCode;

    /// # Errors
    /// `500` for a request that did not arrive through [`serve`].
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        let arrival: Option<&Arrival> = parts.extensions.get();
        arrival.map(|arrival| arrival.peer).ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Arrival {
    /// For a request that no server counts: handlers can be called without one.
    pub fn uncounted(peer: Peer) -> Self {
        let request = Arc::new(ConnectionState::default()).begin_request(http::Version::HTTP_11, &Gauge::default());
        Self { peer, request }
    }
}

struct Server {
    router: Router,
    settings: ServeSettings,
    protocol: Builder<TokioExecutor>,
    slots: Arc<Semaphore>,
    idle: IdleConnections,
    stop: CancellationToken,
    cut: CancellationToken,
    connections_cut: AtomicUsize,
}

/// Serves the router on all listeners, HTTP/1.1 and HTTP/2 with prior knowledge, until `stop` is cancelled and
/// every request that arrived before is answered, or until `cut` is cancelled. Returns how many connections were cut.
///
/// At the limit of connections the one that was idle longest is closed for the next; where none is idle, no more are
/// accepted and wait in the system's backlog. `stop` closes the listeners and idle connections at once, other connections
/// after their response.
///
/// # Panics
/// If the settings allow no connection.
///
/// # Cancel safety
/// If dropped, no more connections are accepted; those that are open still end by `stop` or `cut`.
pub async fn serve(
    listeners: Vec<Listener>,
    router: Router,
    settings: ServeSettings,
    stop: CancellationToken,
    cut: CancellationToken,
) -> usize {
    assert!(settings.connections > 0, "a server has at least one connection");
    let server = Arc::new(Server {
        router,
        protocol: settings.protocol(),
        slots: Arc::new(Semaphore::new(settings.connections)),
        idle: IdleConnections::default(),
        settings,
        stop,
        cut,
        connections_cut: AtomicUsize::new(0),
    });
    let connections = TaskTracker::new();
    let mut acceptors = JoinSet::new();
    for listener in listeners {
        acceptors.spawn(accept_all(listener, Arc::clone(&server), connections.clone()));
    }
    while let Some(ended) = acceptors.join_next().await {
        if let Err(panic) = ended.or_else(ignore_cancellation) {
            std::panic::resume_unwind(panic);
        }
    }
    connections.close();
    connections.wait().await;
    assert_eq!(server.slots.available_permits(), server.settings.connections, "every connection returned its slot");
    server.connections_cut.load(Ordering::Relaxed)
}

/// Tasks are cancelled only when the runtime ends; a panic is passed on.
fn ignore_cancellation(error: JoinError) -> Result<(), Box<dyn Any + Send>> {
    error.try_into_panic().map_or(Ok(()), Err)
}

async fn accept_all(listener: Listener, server: Arc<Server>, connections: TaskTracker) {
    let mut accepting = AcceptLoop::new(listener, server.settings.metrics.accept_errors.clone());
    loop {
        let (accepted, slot) = tokio::select! {
            () = server.ended() => return,
            accepted = next(&mut accepting, &server) => accepted,
        };
        let server = Arc::clone(&server);
        match accepted {
            Accepted::Tcp(stream, peer) => {
                let acceptor = server.settings.acceptor.clone();
                connections.spawn(server.connection(stream, peer, acceptor, slot))
            }
            Accepted::Unix(stream) => connections.spawn(server.connection(stream, Peer::Unix, Acceptor::plain(), slot)),
        };
    }
}

/// Awaits the slot after the connection, so that no listener holds a slot that another needs. Each listener may hold
/// one connection beyond the limit, unserved.
async fn next(accepting: &mut AcceptLoop<Listener>, server: &Server) -> (Accepted, OwnedSemaphorePermit) {
    let accepted = accepting.next().await;
    if let Ok(slot) = Arc::clone(&server.slots).try_acquire_owned() {
        server.idle.make_room(server.missing_spare());
        return (accepted, slot);
    }
    server.settings.metrics.connections_hits.inc();
    let mut acquiring = pin!(Arc::clone(&server.slots).acquire_owned());
    loop {
        server.idle.make_room(server.missing_spare().max(1));
        if let Ok(slot) = timeout(LOOK_AGAIN_AFTER, acquiring.as_mut()).await {
            return (accepted, slot.expect("the semaphore is never closed"));
        }
    }
}

impl Server {
    /// How many connections should end so that there is room for the next ones.
    fn missing_spare(&self) -> usize {
        (self.settings.connections / SPARE_PART).saturating_sub(self.slots.available_permits())
    }

    async fn ended(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.cut.cancelled() => {}
        }
    }

    async fn connection<S>(self: Arc<Self>, stream: S, peer: Peer, acceptor: Acceptor, slot: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let _open = (GaugeGuard::new(&self.settings.metrics.open), slot);
        let state = Arc::new(ConnectionState::default());
        // polled only when it is woken, unlike the arms of a select
        let mut idle: FuturesUnordered<_> =
            std::iter::once(self.idle.watch(Arc::clone(&state), self.settings.idle).next()).collect();
        // below TLS, where every byte that waits to be sent is seen to wait
        let stream = SendTimeout::new(stream, self.settings.body.idle);
        let Some(stream) = self.shake_hands(stream, peer, &acceptor, &mut idle).await else { return };
        let stream = HeadTimeout::new(stream, Arc::clone(&state), self.settings.header_timeout);
        let service = service_fn(|request| self.answer(request, peer, &state));
        let mut connection = pin!(self.protocol.serve_connection(TokioIo::new(stream), service));
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                Some((verdict, watch)) = idle.next() => match verdict {
                    Idle::TooLong => {
                        if !std::mem::replace(&mut stopping, true) {
                            self.settings.metrics.idle_hits.inc();
                            connection.as_mut().graceful_shutdown();
                        }
                        idle.push(watch.next());
                    }
                    Idle::StillOpen => return,
                },
                () = self.cut.cancelled() => {
                    self.connections_cut.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
        };
        if let Err(error) = ended {
            self.settings.metrics.count(error.as_ref());
            tracing::debug!(%peer, error = %error, "a connection failed");
        }
    }

    /// A handshake is no request: it makes room like any idle connection, and ends at once when the server does.
    async fn shake_hands<S>(
        &self,
        stream: S,
        peer: Peer,
        acceptor: &Acceptor,
        idle: &mut (impl Stream<Item = (Idle, IdleConnection)> + Unpin),
    ) -> Option<MaybeTlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::select! {
            stream = acceptor.accept(stream, peer) => stream,
            () = self.ended() => None,
            _ = idle.next() => {
                self.settings.metrics.idle_hits.inc();
                None
            }
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        state: &Arc<ConnectionState>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
        let in_flight = &self.settings.metrics.in_flight;
        let guard = state.begin_request(request.version(), in_flight);
        if state.http2_requests() == self.settings.http2_streams as usize {
            self.settings.metrics.http2_streams_hits.inc();
        }
        let (mut parts, body) = request.into_parts();
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(GuardedBody::new(body, &parts.headers, self.settings.body, guard.clone()))
        };
        parts.extensions.insert(Arrival { peer, request: guard.clone() });
        // a router is always ready
        let answering = self.router.clone().call(Request::from_parts(parts, body));
        let longest = self.settings.body.idle;
        async move { answering.await.map(|response| response.map(|body| ResponseBody::new(body, guard, longest))) }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
