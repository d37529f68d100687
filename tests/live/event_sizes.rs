//! The smallest and the largest events, and those just outside the limits.

use crate::support::events::{MAX_EVENT, random};
use crate::support::foreign::Foreign;
use crate::support::problem::Problem;
use crate::support::process::curl;
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream, wire};

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn event_a_byte_too_large_is_413_and_not_written() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let too_large = random(MAX_EVENT + 1);

    let answer = Answer::of(gateway.post(&stream.events()).body(too_large.clone())).await.expect(413);
    assert_eq!(answer.json()["code"], "event_too_large");
    assert_eq!(answer.json()["sideEffects"], "none");
    let url = gateway.url(&stream.events());
    let seen = curl(&["--data-binary", "@-", "-w", "\n%{http_code}", &url], &too_large).await.lines();
    assert_eq!(seen.last().map(String::as_str), Some("413"), "curl sees the answer, not a reset");
    let problem: serde_json::Value = serde_json::from_str(&seen[0]).expect("JSON");
    assert_eq!(problem["code"], "event_too_large");

    assert_eq!(tail(&gateway, &stream).await, 0);
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn event_without_a_length_is_measured_as_it_comes() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let url = gateway.url(&stream.events());
    let chunked = ["--data-binary", "@-", "-H", "Transfer-Encoding: chunked", "-w", "\n%{http_code}", &url];
    let largest = random(MAX_EVENT);
    assert_eq!(curl(&chunked, &largest).await.lines().last().map(String::as_str), Some("201"));
    let too_large = [&largest[..], b"!"].concat();
    assert_eq!(curl(&chunked, &too_large).await.lines().last().map(String::as_str), Some("413"));
    assert!(payloads(&stream.read_all(&gateway).await) == [largest]);
}

#[tokio::test]
async fn empty_event_is_refused_by_default() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let answer = Answer::of(gateway.post(&stream.events())).await.expect(400);
    assert_eq!(answer.json()["code"], "empty_event");
    let by_fields = Answer::of(gateway.post(&wire::path("Event", &stream, 0))).await.expect(400);
    assert_eq!(by_fields.json()["code"], "empty_event");
    assert_eq!(tail(&gateway, &stream).await, 0);
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn empty_event_is_stored_where_a_setting_allows_it() {
    let gateway = Gateway::ready(&["--set", "append.empty-events=true"]).await;
    let stream = Stream::create(&gateway, 1).await;
    for payload in ["before", "", "after"] {
        stream.append(&gateway, Some("key"), payload).await;
    }
    let expected: [&[u8]; 3] = [b"before", b"", b"after"];
    assert_eq!(payloads(&stream.read_all(&gateway).await), expected);
    assert_eq!(Foreign::Java.read(&stream, 3).await, expected);
    let path = format!("{}&segment=0&offset=14&count=1", stream.events());
    let bare = Answer::of(gateway.get(&path).header("Accept", "application/octet-stream")).await.expect(200);
    assert_eq!((bare.body.len(), bare.header("next-offset")), (0, "22"));
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn events_beyond_the_largest_that_others_wrote_are_read_whole_or_streamed() {
    const MIB: usize = 1024 * 1024;
    let gateway = Gateway::ready(&["--set", "read.max-event=9MiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let (large, larger) = (random(9 * MIB), random(10 * MIB));
    Foreign::Java.write(&stream, &[(None, &large), (None, &larger), (None, b"after")]).await;
    let get = |offset: usize, accept: &str| {
        let path = format!("{}&segment=0&count=1&offset={offset}", stream.events());
        Answer::of(gateway.get(&path).header("Accept", accept))
    };
    let second = large.len() + 8;
    let third = second + larger.len() + 8;

    let framed = get(0, "application/vnd.pravega.events").await.expect(200);
    assert!(framed.body[8..] == large, "up to read.max-event it comes in every form");
    assert_eq!(framed.header("next-offset"), second.to_string());
    let refused = get(second, "application/json").await;
    Problem::of(refused, 413, "event_too_large").changed_nothing().says("application/octet-stream");
    let bare = get(second, "application/octet-stream").await.expect(200);
    assert!(bare.body == larger, "{} bytes", bare.body.len());
    assert_eq!(
        (bare.header("next-offset"), bare.header("content-length")),
        (&*third.to_string(), &*larger.len().to_string())
    );
    assert_eq!(get(third, "application/octet-stream").await.expect(200).text(), "after");
}

/// Length in bytes of the stream's only segment.
async fn tail(gateway: &Gateway, stream: &Stream) -> i64 {
    let answer = Answer::of(gateway.post(&wire::path("GetStreamSegmentInfo", stream, 0))).await.expect(200);
    answer.header("wire-write-offset").parse().expect("a number")
}
