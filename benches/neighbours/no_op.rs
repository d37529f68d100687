//! A bare axum server that answers the same requests without doing anything for them: what an attack costs the machine.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, StatusCode};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Set in the environment of the process that is to be this server.
const VARIABLE: &str = "NEIGHBOURS_NO_OP";

/// The server as a process of its own. Dropping it stops the process.
pub(crate) struct NoOpProcess {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl NoOpProcess {
    /// Starts this program once more.
    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().expect("a path");
        let mut process =
            Command::new(program).env(VARIABLE, "1").stdout(Stdio::piped()).spawn().expect("it can be started");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("its address");
        Self { process, address: line.trim().parse().expect("an address") }
    }

    /// Whether this process is to be the server.
    pub(crate) fn is_this_process() -> bool {
        std::env::var_os(VARIABLE).is_some()
    }
}

impl Drop for NoOpProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until the process is killed.
pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("bound"));
    let listener = listener.tap_io(|connection| connection.set_nodelay(true).expect("a TCP socket"));
    axum::serve(listener, Router::new().fallback(answer)).await.expect("it serves");
}

async fn answer(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let stream_is = |name: &str| query.contains(&format!("stream={name}"));
    if stream_is("silent") {
        futures::future::pending::<()>().await;
    }
    if head.headers.contains_key("prefer") {
        sleep(Duration::from_secs(1)).await;
    }
    if stream_is("parked") {
        sleep(Duration::from_secs(10)).await;
    }
    if head.headers.contains_key("accept") {
        return Response::new(body);
    }
    if head.method == Method::GET {
        let length = match (stream_is("large"), query.contains("count=1")) {
            (false, _) => 200,
            (true, true) => 1 << 20,
            (true, false) => 8 << 20,
        };
        return Response::new(Body::from(Bytes::from(vec![b'x'; length])));
    }
    let mut chunks = body.into_data_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        if stream_is("slow") {
            sleep(Duration::from_secs_f64(chunk.len() as f64 / crate::stores::SLOW)).await;
        }
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    response
}
