//! What the other client does. It comes from another address, and so has a share of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use crate::http_load::read_answer;
use crate::path;

/// Something that one client does to a server.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// Whether it needs a server with few connections.
    pub(crate) fills_connections: bool,
    /// Clients at the same time.
    clients: usize,
    run: Run,
}

type Run = fn(SocketAddr) -> futures::future::BoxFuture<'static, std::io::Result<()>>;

/// A client that failed, or is done, begins again after this long. One that is to fill connections takes its time: what
/// is measured is how many it holds, not how often it connects.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_OF_FILLING: Duration = Duration::from_secs(5);

/// All attacks, each of which a server has to withstand.
pub(crate) const ATTACKS: [Attack; 12] = [
    attack("bodies of 32 MiB that are announced and not sent", 64, |to| Box::pin(announce(to))),
    attack("HTTP/2 streams with a closed window", 8, |to| Box::pin(close_windows(to))),
    attack("readers that take 40 KiB/s of their pages", 32, |to| Box::pin(read_slowly(to, ""))),
    attack("readers that take 40 KiB/s of one large event", 32, |to| Box::pin(read_slowly(to, "&count=1"))),
    filling(attack("1,200 connections that stay idle after a request", 1200, |to| Box::pin(stay_idle(to)))),
    attack("POSTs to a store that swallows all it is sent, 2,000/s", 500, |to| Box::pin(post_to_silent(to))),
    attack("uploads whose reports are not read", 16, |to| Box::pin(ignore_reports(to))),
    attack("uploads to a store that takes 1 MiB/s", 16, |to| Box::pin(upload(to, "slow", Duration::ZERO))),
    attack("raw reads that wait at a tail", 64, |to| Box::pin(park_read(to))),
    attack("an upload of 16 MiB/s to the same segment", 1, |to| {
        Box::pin(upload(to, "victim", Duration::from_micros(3_906)))
    }),
    filling(attack("1,200 heads that come a byte a second", 1200, |to| Box::pin(send_slow_head(to)))),
    attack("1,000 long polls that take nothing", 1000, |to| Box::pin(poll_and_take_nothing(to))),
];

const fn attack(name: &'static str, clients: usize, run: Run) -> Attack {
    Attack { name, fills_connections: false, clients, run }
}

const fn filling(attack: Attack) -> Attack {
    Attack { fills_connections: true, ..attack }
}

impl Attack {
    /// Begins; dropping the result ends it.
    pub(crate) fn begin(&self, address: SocketAddr) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let Self { clients: count, run, .. } = *self;
        for index in 0..count {
            let part = index as f64 / count as f64;
            let pause = if self.fills_connections { PAUSE_OF_FILLING } else { PAUSE };
            clients.spawn(async move {
                sleep(pause.mul_f64(part)).await;
                loop {
                    // Refusals and closed connections are what it deserves.
                    let _ = run(address).await;
                    sleep(pause).await;
                }
            });
        }
        clients
    }
}

/// Connects from the attacker's address.
async fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    connect_with(to, None).await
}

async fn connect_with(to: SocketAddr, receive_buffer: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(size) = receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.bind("127.0.0.2:0".parse().expect("an address"))?;
    let connection = socket.connect(to).await?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

fn head(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n")
}

async fn announce(to: SocketAddr) -> std::io::Result<()> {
    let mut socket = connect(to).await?;
    let headers = "Content-Type: application/json\r\nContent-Length: 33554432\r\n";
    socket.write_all(head("POST", &path("other", "&split="), headers).as_bytes()).await?;
    read_answer(&mut socket, &mut Vec::new()).await.map(drop)
}

/// Pings and settings are acknowledged, so that the connection itself is fine.
async fn close_windows(to: SocketAddr) -> std::io::Result<()> {
    let socket = connect(to).await?;
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(socket).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.map_err(broken)?;
    let mut responses = Vec::new();
    for _ in 0..16 {
        let request = Request::get(format!("http://gateway{}", path("large", ""))).body(()).expect("a request");
        responses.push(client.send_request(request, true).map_err(broken)?.0);
    }
    for response in responses {
        let mut body = response.await.map_err(broken)?.into_body();
        // It ends when the server gives up.
        while let Some(Ok(_)) = body.data().await {}
    }
    connection.abort();
    Ok(())
}

fn broken(error: h2::Error) -> std::io::Error {
    std::io::Error::other(error)
}

async fn read_slowly(to: SocketAddr, parameters: &str) -> std::io::Result<()> {
    let mut socket = connect_with(to, Some(1)).await?;
    socket.write_all(head("GET", &path("large", parameters), "Connection: close\r\n").as_bytes()).await?;
    let mut taken = Vec::with_capacity(4096);
    while (&mut socket).take(4096).read_buf(&mut taken).await? > 0 {
        taken.clear();
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn stay_idle(to: SocketAddr) -> std::io::Result<()> {
    let mut socket = connect(to).await?;
    socket.write_all(head("GET", &path("victim", "&offset=0&count=1"), "").as_bytes()).await?;
    read_answer(&mut socket, &mut Vec::new()).await?;
    await_end(&mut socket).await
}

async fn await_end(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut taken = Vec::with_capacity(4096);
    while socket.read_buf(&mut taken).await? > 0 {
        taken.clear();
    }
    Ok(())
}

async fn post_to_silent(to: SocketAddr) -> std::io::Result<()> {
    let mut socket = connect(to).await?;
    let request =
        [head("POST", &path("silent", ""), "Content-Length: 1000\r\n").into_bytes(), vec![b'x'; 1000]].concat();
    let mut answer = Vec::new();
    let mut due = interval(PAUSE);
    loop {
        due.tick().await;
        socket.write_all(&request).await?;
        read_answer(&mut socket, &mut answer).await?;
    }
}

const NDJSON: &str = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n";

/// 64 lines of 1 KiB, as a chunk.
fn chunk() -> Vec<u8> {
    let line = [vec![b'x'; 1023], vec![b'\n']].concat();
    [b"10000\r\n".to_vec(), line.repeat(64), b"\r\n".to_vec()].concat()
}

/// Sends 1 MiB/s for as long as it is taken, and then waits until the server gives up.
async fn ignore_reports(to: SocketAddr) -> std::io::Result<()> {
    let mut socket = connect_with(to, Some(1)).await?;
    let headers = format!("{NDJSON}Accept: application/x-ndjson\r\n");
    socket.write_all(head("POST", &path("victim", "&report=each"), &headers).as_bytes()).await?;
    let (chunk, mut due) = (chunk(), interval(Duration::from_micros(62_500)));
    loop {
        due.tick().await;
        socket.write_all(&chunk).await?;
    }
}

async fn upload(to: SocketAddr, stream: &str, pause: Duration) -> std::io::Result<()> {
    let mut socket = connect(to).await?;
    socket.write_all(head("POST", &path(stream, ""), NDJSON).as_bytes()).await?;
    let chunk = chunk();
    let mut due = interval(pause.max(Duration::from_millis(1)));
    loop {
        due.tick().await;
        socket.write_all(&chunk).await?;
    }
}

async fn park_read(to: SocketAddr) -> std::io::Result<()> {
    let mut socket = connect(to).await?;
    let path = "/v1/wire/ReadSegment?scope=bench&stream=parked&segment=0&offset=108&suggestedLength=100";
    socket.write_all(head("POST", path, "Content-Length: 0\r\n").as_bytes()).await?;
    read_answer(&mut socket, &mut Vec::new()).await.map(drop)
}

async fn send_slow_head(to: SocketAddr) -> std::io::Result<()> {
    let mut socket = connect(to).await?;
    let head = head("GET", &path("victim", "&offset=0&count=1"), "");
    let mut due = interval(Duration::from_secs(1));
    let sending = async {
        for byte in head.bytes() {
            due.tick().await;
            socket.write_all(&[byte]).await?;
        }
        Ok(())
    };
    sending.await
}

/// Sends a poll each second, and reads no response.
async fn poll_and_take_nothing(to: SocketAddr) -> std::io::Result<()> {
    let mut socket = connect_with(to, Some(1)).await?;
    let poll = head("GET", &path("parked", "&offset=108"), "Prefer: wait=5\r\n");
    let mut due = interval(Duration::from_secs(1));
    for _ in 0..60 {
        due.tick().await;
        timeout(Duration::from_secs(30), socket.write_all(poll.as_bytes())).await??;
    }
    Ok(())
}
