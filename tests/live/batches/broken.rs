//! Batches with an invalid event: what comes before it is written, nothing from it on.

use serde_json::json;

use super::{DESCRIBED, FRAMES, LINES, framed, post, reports};
use crate::support::problem::Problem;
use crate::support::stream::payloads;
use crate::support::{Gateway, Stream};

#[tokio::test]
async fn invalid_line_one_thousand_leaves_exactly_those_before_it() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    let line = |number: usize| match number {
        1000 => "{\"k\":\n".to_owned(),
        number => format!("{{\"k\":{number}}}\n"),
    };
    let body: String = (0..2000).map(line).collect();
    let answer = post(&gateway, &stream, LINES, "&key-from=/k", body).await.expect(207).json();
    assert_eq!(answer["events"], 1000);
    assert_eq!(reports(&answer), [(1000, 1, 400), (1001, 999, 424)]);
    assert_eq!(answer.get("truncated"), None);
    let mut stored: Vec<_> = stream.read_all(&gateway).await.into_iter().map(|event| event.payload).collect();
    stored.sort_by_key(|payload| payload.len());
    let mut expected: Vec<_> = (0..1000).map(|number| format!("{{\"k\":{number}}}").into_bytes()).collect();
    stored.sort();
    expected.sort();
    assert!(stored == expected, "{} stored", stored.len());
}

#[tokio::test]
async fn frame_that_is_none_ends_the_batch_before_it() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let bodies = [
        [framed(b"one"), vec![0, 0, 0, 1, 0, 0, 0, 1, b'x']].concat(),
        [framed(b"one"), vec![0, 0, 0, 0, 0xff, 0, 0, 1, b'x']].concat(),
        [framed(b"one"), framed(b"cut")[..10].to_vec()].concat(),
        [framed(b"one"), vec![0, 0]].concat(),
    ];
    for (written, body) in bodies.into_iter().enumerate() {
        let answer = post(&gateway, &stream, FRAMES, "", body).await.expect(207).json();
        assert_eq!((&answer["events"], reports(&answer)), (&json!(1), vec![(1, 1, 400)]), "{answer}");
        assert_eq!(stream.read_all(&gateway).await.len(), written + 1);
    }
}

#[tokio::test]
async fn framed_event_over_the_limit_is_413_and_those_after_it_are_counted() {
    let gateway = Gateway::ready(&["--set", "append.max-event=1KiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let body = |length: usize| [framed(b"first"), framed(&vec![b'x'; length]), framed(b"a"), framed(b"b")].concat();
    post(&gateway, &stream, FRAMES, "", body(1024)).await.expect(200);
    let answer = post(&gateway, &stream, FRAMES, "", body(1025)).await.expect(207).json();
    assert_eq!(reports(&answer), [(1, 1, 413), (2, 2, 424)]);
    assert_eq!(answer["reports"][0]["code"], "event_too_large");
    assert_eq!(stream.read_all(&gateway).await.len(), 5);
}

#[tokio::test]
async fn described_event_that_is_broken_ends_the_batch_before_it() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let body = r#"{"events":[{"text":"kept"},{"text":"a","json":1},{"text":"not written"}]}"#;
    let answer = post(&gateway, &stream, DESCRIBED, "", body).await.expect(207).json();
    assert_eq!(reports(&answer), [(1, 1, 400), (2, 1, 424)]);
    let with_segment =
        post(&gateway, &stream, DESCRIBED, "&segment=0", r#"{"events":[{"routingKey":"k","text":"a"}]}"#);
    Problem::of(with_segment.await, 400, "body_invalid").says("routing key");
    assert_eq!(payloads(&stream.read_all(&gateway).await), [b"kept"]);
}

#[tokio::test]
async fn empty_event_in_a_batch_is_refused_unless_a_setting_allows_it() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let bodies = [
        (FRAMES, [framed(b"a"), framed(b"")].concat()),
        (DESCRIBED, br#"{"events":[{"text":"a"},{"text":""}]}"#.to_vec()),
    ];
    for (kind, body) in &bodies {
        let answer = post(&gateway, &stream, kind, "", body.clone()).await.expect(207).json();
        assert_eq!((&answer["reports"][0]["code"], reports(&answer)), (&json!("empty_event"), vec![(1, 1, 400)]));
    }
    let lenient = Gateway::ready(&["--set", "append.empty-events=true"]).await;
    for (kind, body) in bodies {
        post(&lenient, &stream, kind, "", body).await.expect(200);
    }
    let lengths: Vec<_> = stream.read_all(&gateway).await.iter().map(|event| event.payload.len()).collect();
    assert_eq!(lengths, [1, 1, 1, 0, 1, 0]);
}

#[tokio::test]
async fn document_that_is_none_is_400_and_nothing_is_written() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let json = "application/json";
    for (kind, more, body) in [
        (json, "&split=/items", r#"{"items":[1,2"#),
        (json, "&split=/items", r#"{"items":{"a":1}}"#),
        (json, "&split=/items", r#"{"item":[1]}"#),
        (json, "&split=", "not json"),
        (DESCRIBED, "", r#"{"events":[{"text":"a"}]"#),
        (DESCRIBED, "", r#"[{"text":"a"}]"#),
        (DESCRIBED, "", r#"{"events":[{"text":"a"}],"more":1}"#),
    ] {
        let answer = post(&gateway, &stream, kind, more, body).await;
        Problem::of(answer, 400, "body_invalid").changed_nothing();
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn document_over_its_limit_is_413() {
    let gateway = Gateway::ready(&["--set", "limits.json-document=1KiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let document = |length: usize| format!("[\"{}\"]", "x".repeat(length - 4));
    post(&gateway, &stream, "application/json", "&split=", document(1024)).await.expect(200);
    let answer = post(&gateway, &stream, "application/json", "&split=", document(1025)).await;
    Problem::of(answer, 413, "body_too_large").changed_nothing();
    assert_eq!(stream.read_all(&gateway).await.len(), 1);
}
