//! Reads that wait for new events.

use std::time::Duration;

use futures::future::join_all;

use crate::support::foreign::{Foreign, java};
use crate::support::metrics::sample;
use crate::support::problem::Problem;
use crate::support::process::Signal;
use crate::support::{Answer, Gateway, Stream};

const WAITERS: usize = 50;

async fn gateway_and_stream() -> (Gateway, Stream) {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    (gateway, stream)
}

fn wait(gateway: &Gateway, stream: &Stream, more: &str, seconds: u64) -> impl Future<Output = Answer> + use<> {
    let path = stream.events() + "&segment=0" + more;
    Answer::of(gateway.get(&path).header("Prefer", format!("wait={seconds}")))
}

/// Waits until this many requests are waiting.
async fn await_waits(gateway: &Gateway, count: usize) {
    while sample(gateway, "pravega_gateway_read_waits").await < count as f64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn read_at_the_tail_waits_and_is_answered_by_the_next_event() {
    let (gateway, stream) = gateway_and_stream().await;
    stream.append(&gateway, None, "before").await;
    let waiting = tokio::spawn(wait(&gateway, &stream, "&offset=14", 60));
    await_waits(&gateway, 1).await;
    stream.append(&gateway, None, "after").await;
    let answer = waiting.await.expect("it does not panic").expect(200);
    assert_eq!(answer.header("preference-applied"), "wait=60");
    assert_eq!((&answer.json()["events"][0]["text"], &answer.json()["upToDate"]), (&"after".into(), &true.into()));
    assert_eq!(sample(&gateway, "pravega_gateway_read_waits").await, 0.0);
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn all_who_wait_at_one_place_share_one_read() {
    let (gateway, stream) = gateway_and_stream().await;
    let asked = "pravega_gateway_store_requests_total{command=\"ReadSegment\",outcome=\"ok\"}";
    let waiting: Vec<_> = (0..WAITERS).map(|_| tokio::spawn(wait(&gateway, &stream, "", 60))).collect();
    await_waits(&gateway, WAITERS).await;
    let before = sample(&gateway, asked).await;
    Foreign::Java.write(&stream, &[(None, b"written by another")]).await;
    for answer in join_all(waiting).await {
        let answer = answer.expect("it does not panic").expect(200);
        assert_eq!(answer.json()["events"][0]["text"], "written by another");
    }
    // one that was parked, and one for each response
    assert_eq!(sample(&gateway, asked).await - before, 1.0 + WAITERS as f64);
}

#[tokio::test]
async fn wait_that_brings_nothing_is_204_in_every_form() {
    let (gateway, stream) = gateway_and_stream().await;
    for accept in ["application/json", "application/x-ndjson", "application/vnd.pravega.events"] {
        let request =
            gateway.get(&(stream.events() + "&segment=0")).header("Prefer", "wait=1").header("Accept", accept);
        let answer = Answer::of(request).await.expect(204);
        let headers =
            ["next-offset", "up-to-date", "cache-control", "preference-applied"].map(|name| answer.header(name));
        assert_eq!(headers, ["0", "true", "no-store", "wait=1"], "{accept}");
        assert!(answer.header("link").contains("offset=0") && answer.body.is_empty());
    }
    // a deadline shorter than the wait applies to the requests to Pravega, not to the wait
    let request = gateway.get(&(stream.events() + "&segment=0")).header("Prefer", "wait=2");
    Answer::of(request.header("Request-Timeout", "1s")).await.expect(204);
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn nothing_waits_unless_there_is_something_to_wait_for() {
    let (gateway, stream) = gateway_and_stream().await;
    stream.append(&gateway, None, "there").await;
    let answer = wait(&gateway, &stream, "", 60).await.expect(200);
    assert_eq!(answer.json()["events"][0]["text"], "there");
    Problem::of(wait(&gateway, &stream, "&offset=99", 60).await, 416, "offset_beyond_tail");
    let plain = Answer::of(gateway.get(&(stream.events() + "&segment=0&offset=13"))).await.expect(200);
    assert_eq!((&plain.json()["events"], plain.header("up-to-date")), (&serde_json::json!([]), "true"));
    java("seal", &stream, &[], "").await.success();
    let closed = wait(&gateway, &stream, "&offset=13", 60).await.expect(200);
    assert_eq!((closed.header("closed"), &closed.json()["closed"]), ("true", &true.into()));
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn segment_that_is_sealed_or_deleted_ends_the_wait() {
    let (gateway, stream) = gateway_and_stream().await;
    let waiting = tokio::spawn(wait(&gateway, &stream, "", 60));
    await_waits(&gateway, 1).await;
    java("seal", &stream, &[], "").await.success();
    let answer = waiting.await.expect("it does not panic").expect(200);
    assert_eq!((answer.header("closed"), answer.header("next-offset")), ("true", "0"));

    let stream = Stream::create(&gateway, 1).await;
    let waiting = tokio::spawn(wait(&gateway, &stream, "", 60));
    await_waits(&gateway, 1).await;
    java("delete", &stream, &[], "").await.success();
    let answer = waiting.await.expect("it does not panic");
    // sealing comes before deletion, and the request may see either
    assert!(matches!(answer.status.as_u16(), 200 | 404), "{answer:?}");
}

#[tokio::test]
async fn nothing_begins_to_wait_once_the_gateway_is_told_to_end_and_waits_end_with_it() {
    let gateway = Gateway::ready(&["--set", "shutdown.delay=1h"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let waiting = tokio::spawn(wait(&gateway, &stream, "", 60));
    await_waits(&gateway, 1).await;
    gateway.signal(Signal::TERM);
    gateway.logged("not ready any more, still serving").await;
    let more = gateway.get(&(stream.events() + "&segment=0")).header("Prefer", "wait=60");
    Problem::of(Answer::of(more).await, 503, "draining").changed_nothing();
    Answer::of(gateway.get(&(stream.events() + "&segment=0"))).await.expect(200);
    stream.append(&gateway, None, "still taken").await;
    waiting.await.expect("it does not panic").expect(200);

    let gateway = Gateway::ready(&[]).await;
    let waiting = tokio::spawn(wait(&gateway, &stream, "&offset=19", 60));
    await_waits(&gateway, 1).await;
    assert!(gateway.stop().await.success());
    waiting.await.expect("it does not panic").expect(204);
}

#[tokio::test]
async fn wait_that_cannot_be_used_is_ignored() {
    let (gateway, stream) = gateway_and_stream().await;
    for value in ["wait", "wait=soon", "wait=-1"] {
        let request = gateway.get(&(stream.events() + "&segment=0")).header("Prefer", value);
        let answer = Answer::of(request).await.expect(200);
        assert!(!answer.headers.contains_key("preference-applied"), "{value}");
    }
}
