//! The edge as raw clients see it: a real listener on a free port, bytes written by hand.

mod bodies;
mod heads;
mod http2;
mod lifecycle;
mod requests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use http_server::{ListenAddress, Listener, Peer, serve};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::edge::deadline::Deadline;
use crate::api::edge::layer::{EdgeContext, edge_layers};
use crate::api::edge::traceparent::TraceContext;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::body::{collect_in_time, read_error};
use crate::api::server_settings;
use crate::budget::{Budget, Part};
use crate::config::{Config, Size};
use crate::telemetry::labels::Limit;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest body that `/whole` takes.
const LONGEST_BODY: usize = 4096;

#[derive(Clone)]
struct TestApp {
    budget: Budget,
    /// A permit lets one `/held` go.
    gate: Arc<Semaphore>,
}

struct TestServer {
    app: TestApp,
    address: ListenAddress,
    metrics: Metrics,
    stop: CancellationToken,
    cut: CancellationToken,
    serving: JoinHandle<usize>,
}

/// The defaults, with times that a test can wait for.
fn config() -> Config {
    let mut config = Config { listen: vec![ListenAddress::Tcp("127.0.0.1:0".to_owned())], ..Config::default() };
    config.limits.header_timeout = Duration::from_millis(200);
    config.limits.body_idle = Duration::from_millis(200);
    config.limits.budget_wait = Duration::from_millis(50);
    config
}

impl TestServer {
    async fn start(config: Config) -> Self {
        let listener = Listener::bind(&config.listen[0]).await.expect("the address is free");
        let address = listener.local_address().expect("it is bound");
        let metrics = Metrics::default();
        let budget = Budget::from_settings(&config.limits, metrics.clone());
        let app = TestApp { budget, gate: Arc::new(Semaphore::new(0)) };
        let router = edge_layers(routes(app.clone()), EdgeContext::new(&config, metrics.clone(), Traces::default()));
        let settings = server_settings::public(&config.limits, config.limits.connections, &metrics);
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let serving = tokio::spawn(serve(vec![listener], router, settings, stop.clone(), cut.clone()));
        Self { app, address, metrics, stop, cut, serving }
    }

    fn socket_address(&self) -> SocketAddr {
        self.address.to_string().parse().expect("an address and a port")
    }

    /// How often a limit was reached.
    fn hits(&self, limit: Limit) -> u64 {
        self.metrics.hits_of(limit).get()
    }

    async fn connect(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.socket_address()).await.expect("the server listens");
        Client::new(stream)
    }

    /// Waits until the requests in flight are this many.
    async fn in_flight(&self, requests: i64) {
        until(|| self.metrics.http_requests_in_flight.get() == requests).await;
    }
}

/// Waits for a condition that other tasks bring about.
async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the condition comes about");
}

fn routes(app: TestApp) -> Router {
    Router::new()
        .route("/ok", get(async || "ok"))
        .route("/whole", post(whole))
        .route("/streamed", post(streamed))
        .route("/refused", post(refused))
        .route("/held", get(held))
        .route("/panic", get(panics))
        .route("/trace", get(async |trace: TraceContext| trace.traceparent()))
        .route("/peer", get(async |peer: Peer| peer.to_string()))
        .route("/deadline", get(past_deadline))
        .route("/named/{name}", get(async |Path(name): Path<String>| name))
        .with_state(app)
}

async fn whole(State(app): State<TestApp>, deadline: Deadline, body: Body) -> Result<String, ApiError> {
    let (bytes, _permit) = collect_in_time(deadline, body, LONGEST_BODY, Limit::Event, &app.budget).await?;
    Ok(bytes.len().to_string())
}

async fn streamed(mut body: Body) -> Result<Body, ApiError> {
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(read_error)?.into_data() {
            pieces.push(Ok::<_, io::Error>(data));
        }
    }
    Ok(Body::from_stream(futures::stream::iter(pieces)))
}

async fn refused(_unread: Body) -> ApiError {
    ApiError::new(ErrorCode::StreamNotFound, "no such stream")
}

async fn held(State(app): State<TestApp>) -> &'static str {
    app.gate.acquire().await.expect("the gate is never closed").forget();
    "let go"
}

async fn panics() -> &'static str {
    panic!("this handler is broken")
}

async fn past_deadline(deadline: Deadline) -> Result<(), ApiError> {
    deadline.timeout(std::future::pending::<()>()).await?;
    Ok(())
}

/// Writes bytes, reads answers.
struct Client<S> {
    stream: BufReader<S>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert!(self.header("x-request-id").is_some(), "{self:?}");
        serde_json::from_str(&self.body).expect("a problem is JSON")
    }

    fn code(&self) -> String {
        self.problem()["code"].as_str().expect("a problem has a code").to_owned()
    }
}

impl Client<TcpStream> {
    /// Breaks the connection off.
    fn reset(self) {
        let socket = socket2::SockRef::from(self.stream.get_ref());
        socket.set_linger(Some(Duration::ZERO)).expect("a socket has this option");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, "").await
    }

    async fn get_with(&mut self, path: &str, headers: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n")).await;
        self.answer().await
    }

    /// Sends the head of a POST with this `Content-Length`.
    async fn post_head(&mut self, path: &str, length: usize, headers: &str) {
        let head = format!("POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-length: {length}\r\n{headers}\r\n");
        self.send(head).await;
    }

    async fn answer(&mut self) -> Answer {
        let reading = self.try_answer();
        let answer = tokio::time::timeout(PATIENCE, reading).await.expect("an answer comes");
        answer.expect("the connection stays open").expect("there is an answer")
    }

    /// None at the end of the connection.
    async fn try_answer(&mut self) -> io::Result<Option<Answer>> {
        let Some(status_line) = self.line().await? else {
            return Ok(None);
        };
        let status = status_line.split(' ').nth(1).expect("a status line").parse().expect("a status");
        let mut answer = Answer { status, headers: self.headers().await?, body: String::new() };
        answer.body = match answer.header("content-length") {
            Some(length) => self.exactly(length.parse().expect("a length")).await?,
            None if answer.header("transfer-encoding").is_some() => self.chunks().await?,
            None => String::new(),
        };
        Ok(Some(answer))
    }

    /// Whether the server ends the connection without another answer.
    async fn is_cut(&mut self) -> bool {
        let ended = tokio::time::timeout(PATIENCE, self.try_answer()).await;
        !matches!(ended.expect("the connection ends"), Ok(Some(_)))
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let bytes = self.stream.read_line(&mut line).await?;
        Ok((bytes > 0).then(|| line.trim_end().to_owned()))
    }

    async fn headers(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut headers = Vec::new();
        while let Some(line) = self.line().await?.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").expect("a header line");
            headers.push((name.to_owned(), value.to_owned()));
        }
        Ok(headers)
    }

    async fn exactly(&mut self, bytes: usize) -> io::Result<String> {
        let mut body = vec![0; bytes];
        self.stream.read_exact(&mut body).await?;
        Ok(String::from_utf8(body).expect("text"))
    }

    async fn chunks(&mut self) -> io::Result<String> {
        let mut body = String::new();
        loop {
            let size = self.line().await?.expect("a chunk's size");
            let size = usize::from_str_radix(&size, 16).expect("a size in hex");
            body += &self.exactly(size).await?;
            self.line().await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// The defaults with this many bytes in flight.
fn with_budget(kib: u64) -> Config {
    let mut config = config();
    config.limits.bytes_in_flight = Size::kib(kib);
    config
}
