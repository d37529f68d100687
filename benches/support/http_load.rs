//! Keep-alive HTTP/1.1 clients with as little overhead as possible, so that the server is what is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections that each send one request after another.
pub(crate) struct HttpLoad {
    connections: Vec<Arc<Mutex<TcpStream>>>,
    request: Arc<[u8]>,
}

impl HttpLoad {
    /// Connects; requests will be POSTs of 100 B to this path.
    pub(crate) async fn connect(address: SocketAddr, path: &str, connections: usize) -> Self {
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 100\r\n\r\n{}", "x".repeat(100));
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            let socket = TcpStream::connect(address).await.expect("the server listens");
            socket.set_nodelay(true).expect("a TCP socket");
            open.push(Arc::new(Mutex::new(socket)));
        }
        Self { connections: open, request: request.into_bytes().into() }
    }

    /// Sends this many requests over all connections and waits for the responses.
    pub(crate) async fn run(&self, requests: u64) -> Duration {
        let left = Arc::new(AtomicI64::new(requests as i64));
        let begin = Instant::now();
        let mut clients = JoinSet::new();
        for connection in &self.connections {
            let (connection, request, left) = (connection.clone(), self.request.clone(), left.clone());
            clients.spawn(async move {
                let mut socket = connection.lock().await;
                let mut answer = Vec::with_capacity(1024);
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    socket.write_all(&request).await.expect("the connection stands");
                    read_answer(&mut socket, &mut answer).await;
                }
            });
        }
        clients.join_all().await;
        begin.elapsed()
    }
}

/// Reads one response with a Content-Length, which must be a success.
async fn read_answer(socket: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    let end = loop {
        if let Some(head) = find(answer, b"\r\n\r\n") {
            break head + 4 + content_length(&answer[..head]);
        }
        assert!(socket.read_buf(answer).await.expect("the connection stands") > 0, "closed in an answer");
    };
    while answer.len() < end {
        assert!(socket.read_buf(answer).await.expect("the connection stands") > 0, "closed in an answer");
    }
    assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(answer));
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).expect("a head is ASCII");
    let value = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    value.map_or(0, |value| value.parse().expect("a number"))
}
