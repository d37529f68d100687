//! Appends to sealed streams and segments.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::gateway_and_stream;
use crate::support::foreign::java;
use crate::support::metrics::controller_requests;
use crate::support::problem::refused;
use crate::support::{Answer, Gateway, Stream};

/// Every way to append to the stream, one event or a batch, by any key or to the segment.
fn appends(gateway: &Gateway, stream: &Stream) -> [reqwest::RequestBuilder; 4] {
    let path = stream.events();
    [
        gateway.post(&path).body("event"),
        gateway.post(&path).header("Routing-Key", "k").body("event"),
        gateway.post(&path).header("Content-Type", "application/x-ndjson").body("event\n"),
        gateway.post(&format!("{path}&segment=0")).body("event"),
    ]
}

#[tokio::test]
async fn sealed_stream_is_409_at_once_for_a_gateway_that_never_wrote_to_it() {
    let (gateway, stream) = gateway_and_stream(1).await;
    stream.seal(&gateway).await;
    for append in appends(&gateway, &stream) {
        refused(append, 409, "stream_sealed").await.says(&stream.name);
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn sealed_stream_is_409_at_once_for_a_gateway_that_writes_to_it() {
    let (gateway, stream) = gateway_and_stream(1).await;
    stream.append(&gateway, None, "before").await;
    stream.seal(&gateway).await;
    for append in appends(&gateway, &stream) {
        refused(append, 409, "stream_sealed").await;
    }
    let page = Answer::of(gateway.get(&stream.events())).await.expect(200);
    assert_eq!(page.header("closed"), "true");
    assert_eq!(page.json()["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn segment_that_was_scaled_away_is_409_and_the_stream_goes_on() {
    let (writing, stream) = gateway_and_stream(1).await;
    let named = format!("{}&segment=0.%23epoch.0", stream.events());
    Answer::of(writing.post(&named).body("before")).await.expect(201);
    java("scale", &stream, &["2"], "").await.success();

    let new = Gateway::ready(&[]).await;
    for gateway in [&writing, &new] {
        let problem = refused(gateway.post(&named).body("event"), 409, "segment_sealed").await;
        problem.says(&stream.segment(0));
        let lines = gateway.post(&named).header("Content-Type", "application/x-ndjson").body("event\n");
        refused(lines, 409, "segment_sealed").await;
        let segment = stream.append(gateway, None, "after").await;
        assert!(segment.ends_with(".#epoch.1"), "{segment}");
    }
    let old = Answer::of(new.get(&named)).await.expect(200).json();
    assert_eq!((&old["closed"], old["events"].as_array().map(Vec::len)), (&json!(true), Some(1)));
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn segments_of_a_scale_take_named_events_at_once_and_by_the_thousand() {
    let (gateway, stream) = gateway_and_stream(1).await;
    stream.append(&gateway, None, "before").await;
    let named = |segment| format!("{}&segment={segment}.%23epoch.1", stream.events());
    let scaled = AtomicBool::new(false);
    let scaling = async {
        java("scale", &stream, &["2"], "").await.success();
        scaled.store(true, Ordering::Relaxed);
    };
    // Whoever asks too early must not make the segment missing for those who come in time.
    let asking = async {
        loop {
            let is_there = scaled.load(Ordering::Relaxed);
            let answer = Answer::of(gateway.post(&named(1)).body("event")).await;
            if is_there {
                break answer.expect(201);
            }
        }
    };
    tokio::join!(scaling, asking);

    let before = controller_requests(&gateway).await;
    let lines = gateway.post(&named(2)).header("Content-Type", "application/x-ndjson").body("line\n".repeat(10_000));
    assert_eq!(Answer::of(lines).await.expect(200).json()["events"], 10_000);
    let requests = controller_requests(&gateway).await - before;
    assert!(requests < 10, "{requests}");
}

#[tokio::test]
async fn sealed_segment_is_the_stores_own_409_for_messages() {
    let (gateway, stream) = gateway_and_stream(1).await;
    stream.seal(&gateway).await;
    let path = format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"));
    let answer = Answer::of(gateway.post(&path).body("event")).await.expect(409);
    assert_eq!(answer.header("message-name"), "SegmentIsSealed");
}

#[tokio::test]
async fn deleted_stream_is_404_for_a_gateway_that_wrote_to_it() {
    let (gateway, stream) = gateway_and_stream(1).await;
    stream.append(&gateway, None, "before").await;
    stream.seal(&gateway).await;
    stream.delete(&gateway).await;
    for append in appends(&gateway, &stream) {
        refused(append, 404, "stream_not_found").await;
    }
    refused(gateway.get(&stream.events()), 404, "stream_not_found").await;
}
