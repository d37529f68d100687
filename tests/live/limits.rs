//! Sizes at and just over their limits; the latter are counted.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::metrics::hits;
use crate::support::problem::refused;
use crate::support::wire::encode;
use crate::support::{Answer, Gateway, Stream};

const LIMIT: usize = 1024;

/// A gateway with this limit set to 1 KiB, and a stream of one segment.
async fn limited(setting: &str) -> (Gateway, Stream) {
    let gateway = Gateway::ready(&["--set", &format!("{setting}={LIMIT}")]).await;
    let stream = Stream::create(&gateway, 1).await;
    (gateway, stream)
}

/// Sends something of exactly the limit, which must succeed, and one byte more, which must be refused and counted.
async fn check(gateway: &Gateway, setting: &str, code: &str, send: impl AsyncFn(usize) -> RequestBuilder) {
    assert!(Answer::of(send(LIMIT).await).await.status.is_success(), "{setting}");
    assert_eq!(hits(gateway, setting).await, 0, "{setting}");
    refused(send(LIMIT + 1).await, 413, code).await.changed_nothing();
    assert_eq!(hits(gateway, setting).await, 1, "{setting}");
}

/// A request for the segment's state, as a frame of this length. The store ignores the token, so it serves as padding.
async fn question(stream: &Stream, length: usize) -> Vec<u8> {
    let fields = |token: &str| json!({ "requestId": 1, "segmentName": stream.segment(0), "delegationToken": token });
    let shortest = encode("GetStreamSegmentInfo", &fields("")).await.len();
    encode("GetStreamSegmentInfo", &fields(&"x".repeat(length - shortest))).await
}

#[tokio::test]
async fn event() {
    let (gateway, stream) = limited("append.max-event").await;
    let send = async |length| gateway.post(&stream.events()).body(vec![b'x'; length]);
    check(&gateway, "append.max-event", "event_too_large", send).await;
}

#[tokio::test]
async fn line() {
    let (gateway, stream) = limited("append.max-event").await;
    let post = || gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson");
    let send = async |length| post().body("x".repeat(length) + "\n");
    check(&gateway, "append.max-event", "event_too_large", send).await;
    let line = "x".repeat(LIMIT + 1);
    Answer::of(post().body(format!("first\n{line}\n"))).await.expect(207);
    assert_eq!(hits(&gateway, "append.max-event").await, 2);
}

#[tokio::test]
async fn json_document() {
    let (gateway, stream) = limited("limits.json-document").await;
    let document = json!({ "segmentName": stream.segment(0) }).to_string();
    let send = async |length| gateway.post("/v1/wire/GetStreamSegmentInfo").body(format!("{document:length$}"));
    check(&gateway, "limits.json-document", "body_too_large", send).await;
}

#[tokio::test]
async fn raw_message() {
    let (gateway, stream) = limited("limits.raw-message").await;
    let send = async |length| {
        let payload = question(&stream, 8 + length).await.split_off(8);
        let put = gateway.put("/v1/events").header("Message-Type", "GetStreamSegmentInfo");
        put.header("Message-Length", length).body(payload)
    };
    check(&gateway, "limits.raw-message", "message_too_large", send).await;
}

#[tokio::test]
async fn raw_sequence() {
    let (gateway, stream) = limited("limits.raw-sequence").await;
    let send = async |length| {
        let put = gateway.put("/v1/events").header("Content-Type", "application/vnd.pravega.wire");
        put.body(question(&stream, length).await)
    };
    check(&gateway, "limits.raw-sequence", "body_too_large", send).await;
}

#[tokio::test]
async fn bytes_in_flight() {
    let (gateway, stream) = limited("limits.bytes-in-flight").await;
    let send = async |length| gateway.post(&stream.events()).body(vec![b'x'; length]);
    check(&gateway, "limits.bytes-in-flight", "body_too_large", send).await;
}

#[tokio::test]
async fn event_of_a_page() {
    let (gateway, stream) = limited("read.max-event").await;
    let mut offset = 0;
    let mut stored = async |length: usize| {
        stream.append(&gateway, None, vec![b'x'; length]).await;
        let path = format!("{}&offset={offset}", stream.events());
        offset += 8 + length;
        path
    };
    let (at, over) = (stored(LIMIT).await, stored(LIMIT + 1).await);
    Answer::of(gateway.get(&format!("{at}&count=1"))).await.expect(200);
    assert_eq!(hits(&gateway, "read.max-event").await, 0);
    refused(gateway.get(&over), 413, "event_too_large").await.says("application/octet-stream");
    assert_eq!(hits(&gateway, "read.max-event").await, 1);
    let bare = gateway.get(&format!("{over}&count=1")).header("Accept", "application/octet-stream");
    assert_eq!(Answer::of(bare).await.expect(200).body.len(), LIMIT + 1);
}

/// Reads a page; returns how many events it has and whether it is the last.
async fn page(gateway: &Gateway, stream: &Stream, limits: &str) -> (Option<usize>, Value) {
    let page = Answer::of(gateway.get(&(stream.events() + limits))).await.expect(200).json();
    (page["events"].as_array().map(Vec::len), page["upToDate"].clone())
}

#[tokio::test]
async fn events_and_bytes_of_a_page_are_lowered_and_not_refused() {
    const EVENT: usize = 8 + 8;
    for (setting, most) in [("read.page-events", 2), ("read.page-bytes", 2 * EVENT)] {
        let gateway = Gateway::ready(&["--set", &format!("{setting}={most}")]).await;
        let stream = Stream::create(&gateway, 1).await;
        stream.append(&gateway, None, "event  1").await;
        stream.append(&gateway, None, "event  2").await;
        assert_eq!(page(&gateway, &stream, "&count=9&max-bytes=999").await, (Some(2), true.into()), "{setting}");
        assert_eq!(hits(&gateway, setting).await, 0, "{setting}");
        stream.append(&gateway, None, "event  3").await;
        assert_eq!(page(&gateway, &stream, "&count=1&max-bytes=1").await, (Some(1), false.into()), "{setting}");
        assert_eq!(hits(&gateway, setting).await, 0, "{setting}: the caller's own limit");
        assert_eq!(page(&gateway, &stream, "&count=9&max-bytes=999").await, (Some(2), false.into()), "{setting}");
        assert_eq!(hits(&gateway, setting).await, 1, "{setting}");
    }
}
