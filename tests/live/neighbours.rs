//! Callers who take more than they need, or nothing of what they asked for, beside one who behaves.

use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::metrics::{sample, store_sessions};
use crate::support::wire::path;
use crate::support::{Answer, Gateway, PATIENCE, Stream};

const MIB: usize = 1024 * 1024;
const AVAILABLE: &str = "pravega_gateway_budget_available_bytes";

/// A stream of one segment that holds two pages and a bit.
async fn filled(gateway: &Gateway) -> Stream {
    let stream = Stream::create(gateway, 1).await;
    for _ in 0..17 {
        stream.append(gateway, None, vec![b'x'; MIB]).await;
    }
    stream
}

/// A connection whose receive buffer is as small as the system allows.
async fn narrow_connection(gateway: &Gateway) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(1).expect("the system rounds it up");
    let address: std::net::SocketAddr =
        gateway.url("").strip_prefix("http://").expect("plain HTTP").parse().expect("an address");
    socket.connect(&address.into()).expect("the gateway listens");
    socket.set_nonblocking(true).expect("a socket");
    TcpStream::from_std(socket.into()).expect("a runtime")
}

async fn await_available(gateway: &Gateway, is_so: impl Fn(f64) -> bool) {
    let looking = async {
        while !is_so(sample(gateway, AVAILABLE).await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the budget is as expected");
}

#[tokio::test]
async fn readers_who_take_nothing_of_their_pages_leave_room_for_others() {
    let gateway = Gateway::ready(&[]).await;
    let stream = filled(&gateway).await;
    let mut readers = Vec::new();
    for _ in 0..12 {
        let mut reader = narrow_connection(&gateway).await;
        let head = format!("GET {} HTTP/1.1\r\nHost: gateway\r\n\r\n", stream.events());
        reader.write_all(head.as_bytes()).await.expect("the gateway reads");
        readers.push(reader);
    }
    await_available(&gateway, |bytes| bytes < (48 * MIB) as f64).await;
    for _ in 0..20 {
        stream.append(&gateway, None, "event").await;
        let lines = gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson").body("line\n");
        Answer::of(lines).await.expect(200);
    }
    let others = gateway.get(&(stream.events() + "&count=1")).header("Authorization", "Bearer other");
    Answer::of(others).await.expect(200);
}

#[tokio::test]
async fn reader_of_one_event_takes_little() {
    let gateway = Gateway::ready(&["--set", "limits.bytes-in-flight=1MiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    for _ in 0..200 {
        stream.append(&gateway, None, vec![b'x'; 20_000]).await;
    }
    let path = stream.events() + "&count=1&max-bytes=8388608";
    let reading = (0..50).map(|_| Answer::of(gateway.get(&path)));
    for answer in futures::future::join_all(reading).await {
        answer.expect(200);
    }
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole GET, without compression.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("a short path");
    let block = [&[0x82, 0x86, 0x04, length][..], path.as_bytes(), &[0x01, 7], b"gateway"].concat();
    frame(1, 0x5, stream, &block)
}

#[tokio::test]
async fn pages_for_a_closed_window_of_http_2_do_not_stay_in_memory() {
    let gateway = Gateway::ready(&["--set", "limits.body-idle=2s"]).await;
    let stream = filled(&gateway).await;
    let whole = sample(&gateway, AVAILABLE).await;
    let (mut reader, mut writer) = narrow_connection(&gateway).await.into_split();
    writer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the gateway reads");
    // SETTINGS_INITIAL_WINDOW_SIZE is 0
    writer.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).await.expect("the gateway reads");
    let pages = [stream.events(), stream.events() + "&count=1&offset=0", stream.events()];
    for (index, path) in (0..).zip(&pages) {
        writer.write_all(&get(1 + 2 * index, path)).await.expect("the gateway reads");
    }
    // Settings and pings are acknowledged, so that the connection itself is fine.
    let answering = tokio::spawn(async move {
        loop {
            let mut head = [0; 9];
            if reader.read_exact(&mut head).await.is_err() {
                return;
            }
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            if reader.read_exact(&mut payload).await.is_err() {
                return;
            }
            let is_acknowledged = head[4] & 1 == 1;
            match head[3] {
                4 if !is_acknowledged => writer.write_all(&frame(4, 1, 0, &[])).await.expect("the gateway reads"),
                6 if !is_acknowledged => writer.write_all(&frame(6, 1, 0, &payload)).await.expect("the gateway reads"),
                _ => {}
            }
        }
    });
    await_available(&gateway, |bytes| bytes < whole - (8 * MIB) as f64).await;
    await_available(&gateway, |bytes| bytes == whole).await;
    assert!(!answering.is_finished(), "the connection stands");
    answering.abort();
}

#[tokio::test]
async fn raw_reads_that_wait_at_a_tail_leave_connections_to_other_commands() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let read = path("ReadSegment", &stream, 0) + "&offset=0&suggestedLength=100";
    let waiting: Vec<_> = (0..40).map(|_| tokio::spawn(Answer::of(gateway.post(&read)))).collect();
    let parked = async {
        while store_sessions(&gateway, "exclusive").await < 16.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, parked).await.expect("they wait at the store");
    for _ in 0..20 {
        let info = gateway.post(&path("GetStreamSegmentInfo", &stream, 0)).header("Request-Timeout", "5s");
        Answer::of(info).await.expect(200);
    }
    stream.append(&gateway, None, "event").await;
    for answer in futures::future::join_all(waiting).await {
        answer.expect("it does not panic").expect(200);
    }
}
