//! Accepting connections and serving requests on them, within limits.
//!
//! `axum::serve` has no limits for connections, heads or HTTP/2 streams, hence a loop of our own.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::body::{BodyLimits, GuardedBody};
use super::connection::{Busy, BusyBody, ConnectionState};
use super::head_timer::{self, HeadTimer};
use super::listen::{Accepted, Listener, Peer};
use super::send_timer::SendTimer;
use crate::config;
use crate::telemetry::labels::Limit;
use crate::telemetry::metrics::Metrics;
use crate::tls::Acceptor;

/// How far the headers may exceed their limit and still be read, to be answered with a problem. Beyond it, and
/// beyond 100 header lines, hyper answers `431` without a body.
const HEAD_EXCESS_BYTES: usize = 64 * 1024;

/// Most connections of the management listener: probes and a few scrapers.
const MANAGEMENT_CONNECTIONS: usize = 64;

/// Most connections of the embedded controller: a few for each client of Pravega.
const EMBEDDED_CONNECTIONS: usize = 1024;

/// Pauses after a failure to accept, doubled up to the longest.
const SHORTEST_ACCEPT_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The limits of one server, and the metrics that it keeps.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    connections: usize,
    header_bytes: usize,
    header_timeout: Duration,
    http2_streams: u32,
    body: BodyLimits,
    acceptor: Acceptor,
    open: Gauge,
    in_flight: Gauge,
    accept_errors: Counter,
    hits: Hits,
}

/// Limits that are kept here, when they are reached.
#[derive(Debug, Clone, Default)]
struct Hits {
    connections: Counter,
    headers: Counter,
    header_timeout: Counter,
    http2_streams: Counter,
}

impl Hits {
    fn of(metrics: &Metrics) -> Self {
        Self {
            connections: metrics.hits_of(Limit::Connections),
            headers: metrics.hits_of(Limit::Headers),
            header_timeout: metrics.hits_of(Limit::HeaderTimeout),
            http2_streams: metrics.hits_of(Limit::Http2Streams),
        }
    }

    /// Counts the limit that ended a connection, if one did.
    fn count(&self, error: &(dyn Error + 'static)) {
        if error.downcast_ref().is_some_and(hyper::Error::is_parse_too_large) {
            self.headers.inc();
        } else if head_timer::is_cause_of(error) {
            self.header_timeout.inc();
        }
    }
}

impl ServeSettings {
    /// For callers: `connections` as [`effective_connections`](super::limits::effective_connections) says.
    pub fn public(limits: &config::Limits, connections: usize, metrics: &Metrics) -> Self {
        metrics.http_connections_limit.set(i64::try_from(connections).unwrap_or(i64::MAX));
        Self {
            open: metrics.http_connections.clone(),
            in_flight: metrics.http_requests_in_flight.clone(),
            accept_errors: metrics.http_accept_errors.clone(),
            hits: Hits::of(metrics),
            ..Self::management(limits).with_connections(connections)
        }
    }

    /// For the management listener: few connections, which are not counted.
    pub fn management(limits: &config::Limits) -> Self {
        Self {
            connections: MANAGEMENT_CONNECTIONS,
            header_bytes: limits.headers.as_usize(),
            header_timeout: limits.header_timeout,
            http2_streams: u32::try_from(limits.http2_streams).unwrap_or(u32::MAX),
            body: BodyLimits::from(limits),
            acceptor: Acceptor::plain(),
            open: Gauge::default(),
            in_flight: Gauge::default(),
            accept_errors: Counter::default(),
            hits: Hits::default(),
        }
    }

    /// For the embedded controller, as [`management`](Self::management) but for many clients.
    pub(crate) fn embedded(limits: &config::Limits, acceptor: Acceptor) -> Self {
        Self { acceptor, ..Self::management(limits).with_connections(EMBEDDED_CONNECTIONS) }
    }

    fn with_connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    fn protocol(&self) -> Builder<TokioExecutor> {
        let head_bytes = self.header_bytes + HEAD_EXCESS_BYTES;
        let mut builder = Builder::new(TokioExecutor::new());
        // its own timer would cut idle connections; see HeadTimer
        builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(head_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.http2_streams)
            .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
            // a half sent head holds up the answer to a ping, so these also bound the time for a head
            .keep_alive_interval(self.header_timeout)
            .keep_alive_timeout(self.header_timeout);
        builder
    }
}

/// How a request came in; put into its extensions.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) peer: Peer,
    pub(super) busy: Busy,
}

struct Server {
    router: Router,
    settings: ServeSettings,
    protocol: Builder<TokioExecutor>,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
    cut: CancellationToken,
    connections_cut: AtomicUsize,
}

/// Serves the router on all listeners, HTTP/1.1 and HTTP/2 with prior knowledge, until `stop` is cancelled and
/// every request that came in before it is answered, or until `cut` is. Answers how many connections were cut.
///
/// At the limit of connections no more are accepted; they wait in the system's backlog. `stop` closes the
/// listeners and idle connections at once, others after their answer.
///
/// # Cancel safety
/// Dropped, it accepts no more; open connections still end by `stop` or `cut`.
pub async fn serve(
    listeners: Vec<Listener>,
    router: Router,
    settings: ServeSettings,
    stop: CancellationToken,
    cut: CancellationToken,
) -> usize {
    let server = Arc::new(Server {
        router,
        protocol: settings.protocol(),
        slots: Arc::new(Semaphore::new(settings.connections)),
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
    while acceptors.join_next().await.is_some() {}
    connections.close();
    connections.wait().await;
    server.connections_cut.load(Ordering::Relaxed)
}

async fn accept_all(listener: Listener, server: Arc<Server>, connections: TaskTracker) {
    let mut pause = SHORTEST_ACCEPT_PAUSE;
    loop {
        let accepted = tokio::select! {
            () = server.ended() => return,
            accepted = accept(&listener, &server) => accepted,
        };
        match accepted {
            Ok((Accepted::Tcp(stream, peer), slot)) => {
                connections.spawn(Arc::clone(&server).connection(stream, peer, slot));
            }
            Ok((Accepted::Unix(stream), slot)) => {
                connections.spawn(Arc::clone(&server).connection(stream, Peer::Unix, slot));
            }
            Err(error) if concerns_one_connection(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
                continue;
            }
            Err(error) => {
                server.settings.accept_errors.inc();
                tracing::warn!(%error, "cannot accept connections, trying again soon");
                tokio::select! {
                    () = server.ended() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_ACCEPT_PAUSE);
                continue;
            }
        }
        pause = SHORTEST_ACCEPT_PAUSE;
    }
}

/// The slot is awaited after the connection, so that no listener sits on a slot that another needs: each may
/// hold one connection more than the limit, unserved.
async fn accept(listener: &Listener, server: &Server) -> io::Result<(Accepted, OwnedSemaphorePermit)> {
    let accepted = listener.accept().await?;
    if let Ok(slot) = Arc::clone(&server.slots).try_acquire_owned() {
        return Ok((accepted, slot));
    }
    server.settings.hits.connections.inc();
    let slot = Arc::clone(&server.slots).acquire_owned().await;
    Ok((accepted, slot.expect("the semaphore is never closed")))
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    // InvalidInput: macOS, setting options of a socket that is gone
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected)
}

impl Server {
    async fn ended(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.cut.cancelled() => {}
        }
    }

    async fn connection<S>(self: Arc<Self>, stream: S, peer: Peer, slot: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let _open = Open::new(self.settings.open.clone(), slot);
        let Some(stream) = self.settings.acceptor.accept(stream, peer).await else { return };
        let state = Arc::new(ConnectionState::default());
        let stream = SendTimer::new(stream, self.settings.body.idle);
        let stream = HeadTimer::new(stream, Arc::clone(&state), self.settings.header_timeout);
        let service = service_fn(|request| self.answer(request, peer, &state));
        let mut connection = std::pin::pin!(self.protocol.serve_connection(TokioIo::new(stream), service));
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.cut.cancelled() => {
                    self.connections_cut.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
        };
        if let Err(error) = ended {
            self.settings.hits.count(error.as_ref());
            tracing::debug!(%peer, error = %error, "a connection ended badly");
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        state: &Arc<ConnectionState>,
    ) -> impl Future<Output = Result<Response<BusyBody>, Infallible>> + use<> {
        let in_flight = &self.settings.in_flight;
        let busy = state.begin_request(request.version(), in_flight);
        if state.http2_requests() == self.settings.http2_streams as usize {
            self.settings.hits.http2_streams.inc();
        }
        let (mut parts, body) = request.into_parts();
        let body = match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(GuardedBody::new(body, &parts.headers, self.settings.body, busy.clone())),
        };
        let arrival = Arrival { peer, busy: busy.clone() };
        parts.extensions.insert(arrival);
        // a router is always ready
        let answering = self.router.clone().call(Request::from_parts(parts, body));
        async move { answering.await.map(|response| response.map(|body| BusyBody::new(body, busy))) }
    }
}

/// Counts a connection as open, and holds its slot.
struct Open {
    gauge: Gauge,
    _slot: OwnedSemaphorePermit,
}

impl Open {
    fn new(gauge: Gauge, slot: OwnedSemaphorePermit) -> Self {
        gauge.inc();
        Self { gauge, _slot: slot }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
