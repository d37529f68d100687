//! Keep-alive HTTP/1.1 clients with as little overhead as possible, so that the server is what is measured.

use std::io;
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
        Self::connect_with(address, path, connections, 100).await
    }

    /// Connects; requests will be POSTs of this many bytes to this path.
    pub(crate) async fn connect_with(address: SocketAddr, path: &str, connections: usize, length: usize) -> Self {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n");
        let request = head + &"x".repeat(length);
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
                    let status = read_answer(&mut socket, &mut answer).await.expect("the connection stands");
                    assert!(matches!(status, 200..300), "{}", String::from_utf8_lossy(&answer));
                }
            });
        }
        clients.join_all().await;
        begin.elapsed()
    }
}

/// Reads one response with a Content-Length, and returns its status.
pub(crate) async fn read_answer(socket: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<u16> {
    answer.clear();
    let end = loop {
        if let Some(head) = find(answer, b"\r\n\r\n") {
            break head + 4 + content_length(&answer[..head]);
        }
        read_more(socket, answer).await?;
    };
    while answer.len() < end {
        read_more(socket, answer).await?;
    }
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

async fn read_more(socket: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<()> {
    match socket.read_buf(answer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).expect("a head is ASCII");
    let value = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    value.map_or(0, |value| value.parse().expect("a number"))
}
