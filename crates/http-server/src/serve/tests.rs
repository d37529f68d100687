//! A server on a socket of its own, and callers who speak HTTP/1.1 by hand.

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::listen::ListenAddress;

pub(super) struct Served {
    pub(super) address: ListenAddress,
    pub(super) metrics: ServeMetrics,
    pub(super) stop: CancellationToken,
    cut: CancellationToken,
    pub(super) serving: JoinHandle<usize>,
}

pub(super) fn settings(connections: usize) -> ServeSettings {
    let long = Duration::from_secs(60);
    ServeSettings {
        connections,
        idle: long,
        header_bytes: 1024,
        header_timeout: long,
        http2_streams: 10,
        body: BodyLimits { idle: long, drain_bytes: 1024, drain_time: long },
        acceptor: Acceptor::plain(),
        metrics: ServeMetrics::default(),
    }
}

impl Served {
    pub(super) async fn begin(router: Router, settings: ServeSettings) -> Self {
        Self::at(ListenAddress::Tcp("127.0.0.1:0".to_owned()), router, settings).await
    }

    pub(super) async fn at(address: ListenAddress, router: Router, settings: ServeSettings) -> Self {
        let listener = Listener::bind(&address).await.expect("the address is free");
        let address = listener.local_address().expect("it is bound");
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let metrics = settings.metrics.clone();
        let serving = tokio::spawn(serve(vec![listener], router, settings, stop.clone(), cut.clone()));
        Self { address, metrics, stop, cut, serving }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address.to_string()).await.expect("the server listens")
    }

    pub(super) async fn stopped(self) -> usize {
        self.stop.cancel();
        self.serving.await.expect("serving does not panic")
    }
}

pub(super) fn peer_router() -> Router {
    Router::new().route("/", get(|peer: Peer| async move { peer.to_string() }))
}

/// Sends a request that closes its connection, and returns the response.
pub(super) async fn ask(mut connection: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.expect("the server reads");
    let mut response = String::new();
    connection.read_to_string(&mut response).await.expect("the server answers");
    response
}

/// A handler that reports when it begins and ends when it is allowed to.
#[derive(Clone, Default)]
struct Slow {
    begun: Arc<Notify>,
    allowed: Arc<Notify>,
}

impl Slow {
    fn router(&self) -> Router {
        let slow = self.clone();
        let handle = || async move {
            slow.begun.notify_one();
            slow.allowed.notified().await;
            "done"
        };
        Router::new().route("/", get(handle))
    }
}

#[tokio::test]
async fn handler_sees_its_peer() {
    let served = Served::begin(peer_router(), settings(1)).await;
    let connection = served.connect().await;
    let own = connection.local_addr().expect("connected").to_string();
    let response = ask(connection, "GET /").await;
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with(&own), "{response}");
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn unix_socket_is_served_and_removed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("server.sock");
    let served = Served::at(ListenAddress::Unix(path.clone()), peer_router(), settings(1)).await;
    let response = ask(UnixStream::connect(&path).await.expect("the server listens"), "GET /").await;
    assert!(response.ends_with("unix"), "{response}");
    assert_eq!(served.stopped().await, 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn peer_of_a_request_without_a_server_is_unknown() {
    let response = peer_router().call(Request::new(Body::empty())).await.expect("a router does not fail");
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(Arrival::uncounted(Peer::Unix));
    let response = peer_router().call(request).await.expect("a router does not fail");
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn request_that_arrived_before_stop_is_answered_and_no_connection_is_accepted_after_it() {
    let slow = Slow::default();
    let served = Served::begin(slow.router(), settings(2)).await;
    let asking = tokio::spawn(ask(served.connect().await, "GET /"));
    slow.begun.notified().await;
    assert_eq!((served.metrics.open.get(), served.metrics.in_flight.get()), (1, 1));
    served.stop.cancel();
    while TcpStream::connect(served.address.to_string()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    slow.allowed.notify_one();
    assert!(asking.await.expect("no panic").ends_with("done"));
    let metrics = served.metrics.clone();
    assert_eq!(served.stopped().await, 0);
    assert_eq!((metrics.open.get(), metrics.in_flight.get()), (0, 0));
}

#[tokio::test]
async fn stop_closes_idle_connections() {
    let served = Served::begin(peer_router(), settings(1)).await;
    let mut idle = served.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("the server reads");
    idle.read_u8().await.expect("the response begins");
    assert_eq!(served.stopped().await, 0);
    idle.read_to_end(&mut Vec::new()).await.expect("the connection ends in order");
}

#[tokio::test]
async fn cut_ends_connections_at_once_and_counts_them() {
    let slow = Slow::default();
    let served = Served::begin(slow.router(), settings(1)).await;
    let mut connection = served.connect().await;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("the server reads");
    slow.begun.notified().await;
    served.cut.cancel();
    assert_eq!(served.serving.await.expect("no panic"), 1);
    assert_eq!(connection.read_to_end(&mut Vec::new()).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn connection_beyond_the_limit_waits_for_a_slot() {
    let slow = Slow::default();
    let served = Served::begin(slow.router(), settings(1)).await;
    let first = tokio::spawn(ask(served.connect().await, "GET /"));
    slow.begun.notified().await;
    let second = tokio::spawn(ask(served.connect().await, "GET /"));
    while served.metrics.connections_hits.get() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.metrics.open.get(), 1);
    slow.allowed.notify_one();
    slow.begun.notified().await;
    slow.allowed.notify_one();
    for asking in [first, second] {
        assert!(asking.await.expect("no panic").ends_with("done"));
    }
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn headers_far_beyond_the_limit_are_counted() {
    let served = Served::begin(peer_router(), settings(1)).await;
    let long = "x".repeat(1024 + HEAD_EXCESS_BYTES);
    for (hits, head) in [(1, format!("GET / HTTP/1.1\r\nX: {long}\r\n")), (2, format!("GET /?{long} HTTP/1.1\r\n"))] {
        let mut connection = served.connect().await;
        // the server may close before all is sent
        let _ = connection.write_all(head.as_bytes()).await;
        while served.metrics.headers_hits.get() < hits {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((served.metrics.headers_hits.get(), served.metrics.header_timeout_hits.get()), (2, 0));
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn head_that_does_not_arrive_is_counted() {
    let short = ServeSettings { header_timeout: Duration::from_millis(50), ..settings(1) };
    let served = Served::begin(peer_router(), short).await;
    let mut connection = served.connect().await;
    connection.write_all(b"GET / HTTP/1.1\r\n").await.expect("the server reads");
    connection.read_to_end(&mut Vec::new()).await.expect("the connection ends");
    assert_eq!(served.metrics.header_timeout_hits.get(), 1);
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn bytes_of_a_body_are_counted_in_its_arrival() {
    let handle = |request: Request<Body>| async move {
        let arrival = request.extensions().get::<Arrival>().cloned().expect("the server adds it");
        let body = axum::body::to_bytes(request.into_body(), 100).await.expect("a short body");
        assert_eq!(arrival.request.received_bytes(), body.len() as u64);
        body
    };
    let served = Served::begin(Router::new().route("/", post(handle)), settings(1)).await;
    let mut connection = served.connect().await;
    let request = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    connection.write_all(request).await.expect("the server reads");
    let mut response = String::new();
    connection.read_to_string(&mut response).await.expect("the server answers");
    assert!(response.ends_with("hello"), "{response}");
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
#[should_panic = "a server has at least one connection"]
async fn server_without_connections_is_refused() {
    let token = CancellationToken::new();
    serve(Vec::new(), peer_router(), settings(0), token.clone(), token).await;
}

#[tokio::test]
async fn server_without_listeners_ends() {
    let token = CancellationToken::new();
    assert_eq!(serve(Vec::new(), peer_router(), settings(1), token.clone(), token).await, 0);
}
