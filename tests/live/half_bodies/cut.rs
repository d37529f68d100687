//! Clients that hang up in the middle of a body: nothing incomplete is written, and everything held is released.

use bytes::BytesMut;
use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, Data, DelegationToken, EventNumber, JavaStr, Raw, RequestId, SealSegment, Segment,
    SetupAppend, WireCommand, WriterId,
};

use super::Held;
use crate::support::raw_client::RawClient;
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

const BODY: usize = 100_000;

/// A gateway, a stream of one event, and what callers hold while the gateway is idle.
async fn beginning() -> (Gateway, Stream, Held) {
    let gateway = Gateway::ready(&["--set", "limits.drain-time=1m"]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "before").await;
    let held = Held::now(&gateway).await;
    (gateway, stream, held)
}

/// Waits until the gateway holds a connection and `reserved` bytes for this half-sent request, and hangs up; both must
/// be released.
async fn cut(gateway: &Gateway, idle: Held, client: RawClient, reserved: usize) {
    let reading = Held { connections: idle.connections + 1.0, available: idle.available - reserved as f64 };
    reading.await_this(gateway).await;
    drop(client);
    idle.await_at_once(gateway).await;
}

async fn half_of(gateway: &Gateway, method: &str, path: &str, headers: &[&str], body: &[u8]) -> RawClient {
    let length = format!("Content-Length: {}", body.len());
    let mut client = RawClient::begin(gateway, method, path, &[&[length.as_str()], headers].concat()).await;
    client.send(&body[..body.len() / 2]).await;
    client
}

/// Fails unless the stream holds the initial event and these, and accepts another.
async fn assert_holds(gateway: &Gateway, stream: &Stream, events: &[&[u8]]) {
    let expected = [&[&b"before"[..]], events].concat();
    assert_eq!(payloads(&stream.read_all(gateway).await), expected);
    stream.append(gateway, None, "after").await;
    assert_eq!(stream.read_all(gateway).await.len(), expected.len() + 1);
}

#[tokio::test]
async fn single_event_that_is_cut_is_not_written() {
    let (gateway, stream, idle) = beginning().await;
    let client = half_of(&gateway, "POST", &stream.events(), &[], &[b'x'; BODY]).await;
    cut(&gateway, idle, client, BODY / 2).await;
    assert_holds(&gateway, &stream, &[]).await;
}

#[tokio::test]
async fn chunked_event_that_is_cut_is_not_written() {
    let (gateway, stream, idle) = beginning().await;
    let path = stream.events();
    for (sent, reserved) in [("5\r\nhello\r\n", 5), ("5\r\nhel", 3), ("5\r\nhello\r\n0\r\n", 5)] {
        let mut client = RawClient::begin(&gateway, "POST", &path, &["Transfer-Encoding: chunked"]).await;
        client.send(sent).await;
        cut(&gateway, idle, client, reserved).await;
    }
    assert_holds(&gateway, &stream, &[]).await;
}

#[tokio::test]
async fn event_by_fields_that_is_cut_is_not_written() {
    let (gateway, stream, idle) = beginning().await;
    let path = format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"));
    let client = half_of(&gateway, "POST", &path, &[], &[b'x'; BODY]).await;
    cut(&gateway, idle, client, BODY / 2).await;
    assert_holds(&gateway, &stream, &[]).await;
}

#[tokio::test]
async fn lines_before_the_one_that_is_cut_are_written_and_no_part_of_it() {
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let (gateway, stream, idle) = beginning().await;
        let headers = ["Content-Type: application/x-ndjson", framing];
        let mut client = RawClient::begin(&gateway, "POST", &stream.events(), &headers).await;
        let lines = "one\ntwo\nthr";
        let is_chunked = framing.ends_with("chunked");
        client.send(if is_chunked { format!("b\r\n{lines}\r\n") } else { lines.to_owned() }).await;
        while stream.read_all(&gateway).await.len() < 3 {
            tokio::task::yield_now().await;
        }
        cut(&gateway, idle, client, "thr".len()).await;
        assert_holds(&gateway, &stream, &[b"one", b"two"]).await;
    }
}

#[tokio::test]
async fn raw_message_that_is_cut_is_not_carried_out() {
    let (gateway, stream, idle) = beginning().await;
    let seal = SealSegment { request_id: RequestId(1), segment: segment(&stream), delegation_token: none() };
    let payload = WireCommand::from(seal).payload();
    let length = format!("Message-Length: {}", payload.len());
    let client = half_of(&gateway, "PUT", "/v1/events", &["Message-Type: SealSegment", &length], &payload).await;
    // What is announced is taken at once, as far as it is little.
    cut(&gateway, idle, client, payload.len()).await;
    assert_holds(&gateway, &stream, &[]).await;
}

#[tokio::test]
async fn raw_sequence_that_is_cut_is_not_carried_out() {
    let (gateway, stream, idle) = beginning().await;
    let body = append_frames(&stream, &[b'x'; BODY]);
    let kind = "Content-Type: application/vnd.pravega.wire";
    let client = half_of(&gateway, "PUT", "/v1/events", &[kind], &body).await;
    cut(&gateway, idle, client, body.len() / 2).await;
    assert_eq!(stream.read_all(&gateway).await.len(), 1);

    let whole = gateway.put("/v1/events").header("Content-Type", "application/vnd.pravega.wire").body(body);
    Answer::of(whole).await.expect(200);
    assert_holds(&gateway, &stream, &[&[b'x'; BODY]]).await;
}

#[tokio::test]
async fn head_that_is_cut_leaves_nothing_behind() {
    let (gateway, stream, idle) = beginning().await;
    let mut client = RawClient::begin(&gateway, "GET", "/healthz", &[]).await;
    assert_eq!(client.first_line().await, "HTTP/1.1 404 Not Found");
    drop(client);
    idle.await_at_once(&gateway).await;
    assert_holds(&gateway, &stream, &[]).await;
}

/// One event as SetupAppend, AppendBlock and AppendBlockEnd.
fn append_frames(stream: &Stream, event: &[u8]) -> Vec<u8> {
    let writer_id = WriterId(uuid::Uuid::new_v4());
    let setup = SetupAppend { request_id: RequestId(1), writer_id, segment: segment(stream), delegation_token: none() };
    let length = i32::try_from(event.len()).expect("a short event");
    let data = [&0_i32.to_be_bytes()[..], &length.to_be_bytes(), event].concat();
    let end = AppendBlockEnd {
        writer_id,
        size_of_whole_events: length + 8,
        data: Data::default(),
        num_events: 1,
        last_event_number: EventNumber(0),
        request_id: RequestId(2),
    };
    let mut out = BytesMut::new();
    let commands: [WireCommand; 3] =
        [setup.into(), AppendBlock { writer_id, data: Raw(data.into()) }.into(), end.into()];
    commands.iter().for_each(|command| command.frame().encode(&mut out));
    out.to_vec()
}

fn segment(stream: &Stream) -> Segment {
    Segment(JavaStr::new(stream.segment(0)).expect("a short name"))
}

fn none() -> DelegationToken {
    DelegationToken::none()
}
