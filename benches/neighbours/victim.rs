//! The client that is measured: small POSTs and GETs on one stream, a few hundred in a second.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::time::{Instant, interval, sleep_until, timeout};

use crate::http_load::read_answer;
use crate::path;

/// The three things that it does, each at a steady pace.
pub(crate) const KINDS: [&str; 3] = ["POST", "GET", "POST on a new connection"];

const PACES: [Duration; 3] = [Duration::from_millis(5), Duration::from_millis(5), Duration::from_millis(50)];

/// Latencies of this beginning are left out: connections are made, and the gateway learns where the stream is.
const WARM_UP: Duration = Duration::from_secs(1);

/// A response that takes longer counts as a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happened to the victim's requests.
#[derive(Debug, Default)]
pub(crate) struct Experience {
    /// For each of the [`KINDS`], the time from when a request was due, and could be sent, until its response was there.
    pub(crate) latencies: [Vec<Duration>; 3],
    /// What came in place of a success.
    pub(crate) failures: Vec<String>,
}

impl Experience {
    /// The 99th percentile of each kind.
    pub(crate) fn p99(&self) -> [Duration; 3] {
        self.latencies.each_ref().map(|latencies| {
            let mut sorted = latencies.clone();
            sorted.sort_unstable();
            sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(PATIENCE)
        })
    }
}

/// Runs the victim for this long, after a short warm-up. It has a thread of its own, so that what else this process does makes it wait for a
/// processor at most.
pub(crate) async fn run(address: SocketAddr, time: Duration) -> Experience {
    let thread = tokio::task::spawn_blocking(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let end = Instant::now() + WARM_UP + time;
            let (posts, gets, new) = tokio::join!(
                pace(address, post(address), PACES[0], false, end),
                pace(address, get(address), PACES[1], false, end),
                pace(address, post(address), PACES[2], true, end),
            );
            let failures = [posts.1, gets.1, new.1].concat();
            Experience { latencies: [posts.0, gets.0, new.0], failures }
        })
    });
    thread.await.expect("it does not panic")
}

fn post(address: SocketAddr) -> Vec<u8> {
    let head = format!("POST {} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 100\r\n\r\n", path("victim", ""));
    [head.into_bytes(), vec![b'x'; 100]].concat()
}

fn get(address: SocketAddr) -> Vec<u8> {
    format!("GET {} HTTP/1.1\r\nHost: {address}\r\n\r\n", path("victim", "&offset=0&count=1")).into_bytes()
}

/// Sends a request each time it is due, or as soon as the one before it is answered.
async fn pace(
    address: SocketAddr,
    request: Vec<u8>,
    pace: Duration,
    always_connects: bool,
    end: Instant,
) -> (Vec<Duration>, Vec<String>) {
    let (mut latencies, mut failures) = (Vec::new(), Vec::new());
    let mut connection = None;
    let mut answer = Vec::with_capacity(4096);
    // A late request does not move those after it, so that a pause counts for each of them.
    let mut due = interval(pace);
    let warm = Instant::now() + WARM_UP;
    let mut answered = Instant::now();
    loop {
        let due = due.tick().await;
        // The timer itself may be late by a millisecond, which is none of the server's doing.
        let begin = if answered > due { due } else { Instant::now() };
        if begin >= end {
            sleep_until(end).await;
            return (latencies, failures);
        }
        if always_connects {
            connection = None;
        }
        match timeout(PATIENCE, exchange(address, &mut connection, &request, &mut answer)).await {
            Ok(Ok(200..300)) if begin < warm => {}
            Ok(Ok(200..300)) => latencies.push(begin.elapsed()),
            Ok(Ok(_)) => failures.push(String::from_utf8_lossy(&answer).into_owned()),
            Ok(Err(error)) => {
                connection = None;
                failures.push(error.to_string());
            }
            Err(_) => {
                connection = None;
                failures.push("no response within 10 s".to_owned());
            }
        }
        answered = Instant::now();
    }
}

async fn exchange(
    address: SocketAddr,
    connection: &mut Option<TcpStream>,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> std::io::Result<u16> {
    let socket = match connection {
        Some(socket) => socket,
        None => {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            connection.insert(socket)
        }
    };
    socket.write_all(request).await?;
    read_answer(socket, answer).await
}
