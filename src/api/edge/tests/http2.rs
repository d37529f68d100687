//! HTTP/2, frame by frame: a client in good order never goes beyond what it was allowed.

use super::*;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

/// REFUSED_STREAM: the request may be repeated as it is.
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole `GET /held`, without compression.
fn get_held(stream: u32) -> Vec<u8> {
    let block = [&[0x82, 0x86, 0x04, 5][..], b"/held", &[0x01, 7], b"gateway"].concat();
    frame(HEADERS, 0x5, stream, &block)
}

/// The next frame of this kind: its stream and payload.
async fn hear(client: &mut Client<TcpStream>, kind: u8) -> (u32, Vec<u8>) {
    loop {
        let mut head = [0; 9];
        client.stream.read_exact(&mut head).await.expect("the connection stands");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        client.stream.read_exact(&mut payload).await.expect("a whole frame");
        if head[3] == kind {
            return (u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload);
        }
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_of_a_connection_are_refused() {
    let mut config = config();
    config.limits.http2_streams = 2;
    let server = TestServer::start(config).await;
    let mut client = server.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send(frame(4, 0, 0, &[])).await;
    client.send(get_held(1)).await;
    server.in_flight(1).await;
    assert_eq!(server.hits(Limit::Http2Streams), 0);
    client.send(get_held(3)).await;
    server.in_flight(2).await;
    assert_eq!(server.hits(Limit::Http2Streams), 1);
    client.send(get_held(5)).await;
    let refused = tokio::time::timeout(PATIENCE, hear(&mut client, RST_STREAM)).await.expect("it is refused");
    assert_eq!(refused, (5, REFUSED_STREAM.to_vec()));
    server.app.gate.add_permits(2);
    let answered = [hear(&mut client, HEADERS).await.0, hear(&mut client, HEADERS).await.0];
    assert!(answered.contains(&1) && answered.contains(&3), "{answered:?}");
}
