//! Reads that cannot be answered with events.

use super::gateway_and_stream;
use crate::support::problem::refused;
use crate::support::{Answer, Gateway, Stream};

/// Bytes of an event's header in a segment.
const HEADER: i64 = 8;

/// A stream of one segment with the events `one` and `two`.
async fn stream_of_two(gateway: &Gateway) -> Stream {
    let stream = Stream::create(gateway, 1).await;
    stream.append(gateway, None, "one").await;
    stream.append(gateway, None, "two").await;
    stream
}

#[tokio::test]
async fn segment_is_needed_where_there_are_several_and_the_answer_lists_them() {
    let (gateway, stream) = gateway_and_stream(4).await;
    let problem = refused(gateway.get(&stream.events()), 400, "parameter_missing").await;
    assert_eq!(*problem.member("parameter"), "segment");
    let segments: Vec<_> = (0..4).map(|number| format!("{number}.#epoch.0")).collect();
    assert_eq!(*problem.member("segments"), serde_json::json!(segments));
    assert!(segments.iter().all(|segment| !problem.says(segment).member("detail").is_null()));
}

#[tokio::test]
async fn missing_repeated_and_unknown_parameters_are_told_apart() {
    let gateway = Gateway::ready(&[]).await;
    for (query, parameter) in [("stream=t", "scope"), ("scope=s", "stream"), ("", "scope")] {
        let problem = refused(gateway.get(&format!("/v1/events?{query}")), 400, "parameter_missing").await;
        assert_eq!(*problem.member("parameter"), parameter);
    }
    let repeated = gateway.get("/v1/events?scope=s&stream=t&offset=0&offset=0");
    assert_eq!(*refused(repeated, 400, "parameter_repeated").await.member("parameter"), "offset");
    for parameter in ["offest", "Scope", "from", "routing-key"] {
        let unknown = gateway.get(&format!("/v1/events?scope=s&stream=t&{parameter}=1"));
        let problem = refused(unknown, 400, "parameter_unknown").await;
        assert_eq!(*problem.says("max-bytes").member("parameter"), parameter);
    }
}

#[tokio::test]
async fn values_out_of_range_are_400_with_the_parameter() {
    let gateway = Gateway::ready(&[]).await;
    let wrong = [
        ("offset", "-1"),
        ("offset", "9223372036854775808"),
        ("offset", "head"),
        ("count", "0"),
        ("count", "-1"),
        ("max-bytes", "1MiB"),
        ("encoding", "xml"),
        ("stream", "%ff"),
    ];
    for (parameter, value) in wrong {
        let stream = if parameter == "stream" { "" } else { "&stream=t" };
        let request = gateway.get(&format!("/v1/events?scope=s{stream}&segment=0&{parameter}={value}"));
        refused(request, 400, "parameter_invalid").await;
    }
}

#[tokio::test]
async fn offset_beyond_the_tail_is_416_that_tells_the_tail() {
    let gateway = Gateway::ready(&[]).await;
    let stream = stream_of_two(&gateway).await;
    let tail = 2 * (HEADER + 3);
    for offset in [tail + 1, i64::MAX] {
        let request = gateway.get(&format!("{}&offset={offset}", stream.events()));
        let problem = refused(request, 416, "offset_beyond_tail").await;
        assert_eq!(problem.answer.header("tail-offset"), tail.to_string());
        assert_eq!(*problem.member("tailOffset"), tail);
    }
    let at_tail = Answer::of(gateway.get(&format!("{}&offset={tail}", stream.events()))).await.expect(200);
    assert_eq!(at_tail.header("up-to-date"), "true");
}

#[tokio::test]
async fn offset_before_the_head_is_410_that_tells_the_head() {
    let gateway = Gateway::ready(&[]).await;
    let stream = stream_of_two(&gateway).await;
    let head = HEADER + 3;
    let segment = stream.segment(0).replace('#', "%23");
    let truncate = gateway.post(&format!("/v1/wire/TruncateSegment?segment={segment}&truncationOffset={head}"));
    Answer::of(truncate).await.expect(200);

    for offset in [0, head - 1] {
        let request = gateway.get(&format!("{}&segment=0&offset={offset}", stream.events()));
        let problem = refused(request, 410, "offset_truncated").await;
        assert_eq!(problem.answer.header("head-offset"), head.to_string());
        assert_eq!(*problem.member("headOffset"), head);
    }
    let from_head = Answer::of(gateway.get(&format!("{}&segment=0", stream.events()))).await.expect(200).json();
    assert_eq!((&from_head["events"][0]["offset"], &from_head["events"][0]["text"]), (&head.into(), &"two".into()));
}

#[tokio::test]
async fn offset_inside_an_event_is_422_with_a_hint() {
    let gateway = Gateway::ready(&[]).await;
    let stream = stream_of_two(&gateway).await;
    for offset in [1, HEADER, HEADER + 1, 2 * (HEADER + 3) - 1] {
        for accept in ["application/json", "application/x-ndjson", "application/vnd.pravega.events"] {
            let request = gateway.get(&format!("{}&offset={offset}", stream.events())).header("Accept", accept);
            refused(request, 422, "not_an_event_boundary").await.says("begin at the offsets");
        }
    }
}

#[tokio::test]
async fn type_that_cannot_be_produced_is_406_that_names_those_that_can() {
    let (gateway, stream) = gateway_and_stream(1).await;
    for accept in ["text/html", "application/json;q=0", "image/*"] {
        let request = gateway.get(&stream.events()).header("Accept", accept);
        refused(request, 406, "not_acceptable").await.says("application/x-ndjson");
    }
    let bare = gateway.get(&stream.events()).header("Accept", "application/octet-stream");
    refused(bare, 406, "not_acceptable").await.says("count=1");
}
