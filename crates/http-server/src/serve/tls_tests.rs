//! The same limits over TLS, and certificates that are renewed meanwhile.

use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tests::{Served, ask, peer_router, settings};
use super::*;
use crate::listen::ListenAddress;
use crate::tls::Inside;
use crate::tls::test_files::Files;

type Empties = Empty<bytes::Bytes>;

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

fn over_tls(files: &Files, connections: usize) -> ServeSettings {
    ServeSettings { acceptor: files.acceptor(Inside::Http), ..settings(connections) }
}

async fn shake_hands(served: &Served, connector: &TlsConnector) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    connector.connect(name, served.connect().await).await.expect("a handshake")
}

async fn connect(served: &Served, files: &Files) -> TlsStream<TcpStream> {
    shake_hands(served, &files.client(&TLS13, &[HTTP1])).await
}

/// Waits until every connection has ended.
async fn ended(served: &Served) {
    while served.metrics.open.get() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A caller with one connection, which fails if that is lost.
enum Caller {
    Http1(http1::SendRequest<Empties>),
    Http2(http2::SendRequest<Empties>),
}

impl Caller {
    async fn connect(served: &Served, files: &Files, protocol: &'static [u8]) -> Self {
        let stream = shake_hands(served, &files.client(&TLS13, &[protocol])).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        let stream = TokioIo::new(stream);
        if protocol == HTTP2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.expect("open");
            tokio::spawn(connection);
            return Self::Http2(sender);
        }
        let (sender, connection) = http1::handshake(stream).await.expect("open");
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    async fn get(&mut self, path: &str) -> String {
        let url = format!("https://localhost{path}");
        let request = Request::get(url).header("Host", "localhost").body(Empties::new()).expect("a request");
        let response = match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        };
        let body = response.expect("the connection is kept").into_body().collect().await.expect("it comes whole");
        String::from_utf8(body.to_bytes().to_vec()).expect("text")
    }
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http_are_served() {
    let files = Files::make();
    let served = Served::begin(peer_router(), over_tls(&files, 8)).await;
    for version in [&TLS12, &TLS13] {
        let stream = shake_hands(&served, &files.client(version, &[HTTP1])).await;
        let own = stream.get_ref().0.local_addr().expect("connected").to_string();
        let response = ask(stream, "GET /").await;
        assert!(response.starts_with("HTTP/1.1 200") && response.ends_with(&own), "{response}");
    }
    for protocol in [HTTP1, HTTP2] {
        assert!(Caller::connect(&served, &files, protocol).await.get("/").await.starts_with("127.0.0.1:"));
    }
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn unix_socket_stays_plain() {
    let (files, folder) = (Files::make(), tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("server.sock");
    let served = Served::at(ListenAddress::Unix(path.clone()), peer_router(), over_tls(&files, 1)).await;
    let response = ask(UnixStream::connect(&path).await.expect("the server listens"), "GET /").await;
    assert!(response.ends_with("unix"), "{response}");
    assert_eq!(served.stopped().await, 0);
}

/// Answers `/` at once and `/slow` when it is allowed to.
fn gated(allowed: &watch::Sender<bool>) -> Router {
    let allowed = allowed.subscribe();
    let slow = || async move {
        allowed.clone().wait_for(|allowed| *allowed).await.expect("the test goes on");
        "slow"
    };
    Router::new().route("/", get(|| async { "fast" })).route("/slow", get(slow))
}

#[tokio::test]
async fn two_hundred_connections_go_on_while_certificates_are_renewed() {
    const EACH: usize = 50;
    let mut files = Files::make();
    let acceptor = Acceptor::reloading(files.server(), Inside::Http, Duration::from_millis(20)).expect("good files");
    let allowed = watch::Sender::new(false);
    let served = Served::begin(gated(&allowed), ServeSettings { acceptor, ..settings(1000) }).await;
    let (mut idle, mut busy) = (Vec::new(), JoinSet::new());
    for protocol in [HTTP1, HTTP2].repeat(EACH) {
        let mut caller = Caller::connect(&served, &files, protocol).await;
        assert_eq!(caller.get("/").await, "fast");
        idle.push(caller);
        let mut caller = Caller::connect(&served, &files, protocol).await;
        busy.spawn(async move { (caller.get("/slow").await, caller.get("/").await) });
    }
    while served.metrics.in_flight.get() < 100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.metrics.open.get(), 200);

    files.renew();
    let connector = files.client(&TLS13, &[HTTP1]);
    let is_renewed = async || {
        let name = ServerName::try_from("localhost").expect("a name");
        connector.connect(name, served.connect().await).await.is_ok()
    };
    while !is_renewed().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    allowed.send_replace(true);
    while let Some(answers) = busy.join_next().await {
        assert_eq!(answers.expect("no panic"), ("slow".to_owned(), "fast".to_owned()));
    }
    for caller in &mut idle {
        assert_eq!(caller.get("/").await, "fast");
    }
    drop(idle);
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn client_without_tls_gets_no_response_and_leaves_no_trace() {
    let files = Files::make();
    let served = Served::begin(peer_router(), over_tls(&files, 1)).await;
    let mut plain = served.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("the server reads");
    let mut received = Vec::new();
    // the connection may be reset, since not all that was sent is read
    let _ = plain.read_to_end(&mut received).await;
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
    ended(&served).await;
    assert!(ask(connect(&served, &files).await, "GET /").await.starts_with("HTTP/1.1 200"));
    assert_eq!(served.stopped().await, 0);
}

/// The first bytes of a TLS record that never ends.
const CUT_RECORD: &[u8] = &[22, 3, 1, 0x40];

#[tokio::test(start_paused = true)]
async fn stalled_handshake_ends_after_its_time() {
    let served = Served::begin(peer_router(), over_tls(&Files::make(), 1)).await;
    for begun in [&[][..], CUT_RECORD] {
        let mut stalled = served.connect().await;
        stalled.write_all(begun).await.expect("the server reads");
        let begin = Instant::now();
        assert_eq!(stalled.read_to_end(&mut Vec::new()).await.unwrap_or(0), 0);
        assert_eq!(begin.elapsed().as_secs(), 10);
        ended(&served).await;
    }
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn stalled_handshakes_make_room_for_a_client_that_goes_on() {
    let files = Files::make();
    let served = Served::begin(peer_router(), over_tls(&files, 2)).await;
    let _stalled = [served.connect().await, served.connect().await];
    while served.metrics.open.get() < 2 {
        tokio::task::yield_now().await;
    }
    let begin = Instant::now();
    let response = ask(connect(&served, &files).await, "GET /").await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert!(served.metrics.idle_hits.get() > 0 && served.metrics.open.get() <= 2);
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test(start_paused = true)]
async fn stop_does_not_wait_for_a_handshake() {
    let served = Served::begin(peer_router(), over_tls(&Files::make(), 1)).await;
    let _stalled = served.connect().await;
    while served.metrics.open.get() < 1 {
        tokio::task::yield_now().await;
    }
    let begin = Instant::now();
    assert_eq!(served.stopped().await, 0);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn heads_that_never_end_are_cut_over_tls() {
    let files = Files::make();
    let short = ServeSettings { header_timeout: Duration::from_millis(50), ..over_tls(&files, 1) };
    let served = Served::begin(peer_router(), short).await;
    let mut half = connect(&served, &files).await;
    half.write_all(b"GET / HTTP/1.1\r\n").await.expect("the server reads");
    half.flush().await.expect("the server reads");
    half.read_to_end(&mut Vec::new()).await.expect_err("cut without a farewell");
    assert_eq!(served.metrics.header_timeout_hits.get(), 1);

    let mut record = connect(&served, &files).await;
    record.get_mut().0.write_all(CUT_RECORD).await.expect("the server reads");
    ended(&served).await;
    assert_eq!(served.metrics.header_timeout_hits.get(), 2);
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn body_that_falls_silent_ends_over_tls() {
    let files = Files::make();
    let mut short = over_tls(&files, 1);
    short.body.idle = Duration::from_millis(50);
    let handle = |request: Request<Body>| async move {
        let read = axum::body::to_bytes(request.into_body(), 100).await;
        read.expect_err("it is incomplete").to_string()
    };
    let served = Served::begin(Router::new().route("/", post(handle)), short).await;
    let mut silent = connect(&served, &files).await;
    let begun = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhel";
    silent.write_all(begun).await.expect("the server reads");
    silent.flush().await.expect("the server reads");
    let mut response = String::new();
    silent.read_to_string(&mut response).await.expect("the server answers");
    assert!(response.contains("50ms"), "{response}");
    ended(&served).await;
    assert_eq!(served.stopped().await, 0);
}

#[tokio::test]
async fn caller_that_stops_reading_is_cut_over_tls() {
    let files = Files::make();
    let mut short = over_tls(&files, 1);
    short.body.idle = Duration::from_millis(100);
    let large = Router::new().route("/", get(|| async { vec![0; 64 << 20] }));
    let served = Served::begin(large, short).await;
    let mut lazy = connect(&served, &files).await;
    lazy.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("the server reads");
    lazy.flush().await.expect("the server reads");
    lazy.read_u8().await.expect("the response begins");
    ended(&served).await;
    assert_eq!(served.stopped().await, 0);
}
