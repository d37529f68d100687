//! Single events that are refused.

use super::gateway_and_stream;
use crate::support::problem::refused;
use crate::support::{Answer, Gateway};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn empty_event_is_400_that_names_the_setting() {
    let (gateway, stream) = gateway_and_stream(1).await;
    refused(gateway.post(&stream.events()), 400, "empty_event").await.says("append.empty-events");
    refused(gateway.post(&stream.events()).body(""), 400, "empty_event").await;
    let by_fields = gateway.post(&format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23")));
    refused(by_fields, 400, "empty_event").await.says("append.empty-events");
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn event_of_8_mib_is_taken_and_one_byte_more_is_413() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let largest = gateway.post(&stream.events()).body(vec![b'x'; 8 * MIB]);
    Answer::of(largest).await.expect(201);
    let too_large = gateway.post(&stream.events()).body(vec![b'x'; 8 * MIB + 1]);
    let problem = refused(too_large, 413, "event_too_large").await;
    assert_eq!(*problem.member("maxBytes"), 8 * MIB);
    let stored = stream.read_all(&gateway).await;
    assert_eq!(stored.iter().map(|event| event.payload.len()).collect::<Vec<_>>(), [8 * MIB]);
}

#[tokio::test]
async fn routing_key_beside_a_segment_is_400() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let with_segment = format!("{}&segment=0", stream.events());
    let by_parameter = gateway.post(&format!("{with_segment}&routing-key=k")).body("event");
    refused(by_parameter, 400, "parameter_invalid").await.says("segment").says("routing key");
    let by_header = gateway.post(&with_segment).header("Routing-Key", "k").body("event");
    refused(by_header, 400, "parameter_invalid").await;
    let by_pointer = gateway.post(&format!("{with_segment}&key-from=/k")).body("{\"k\":\"v\"}");
    refused(by_pointer, 400, "parameter_invalid").await.says("key-from");
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn routing_keys_of_header_and_parameter_must_be_equal() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let path = format!("{}&routing-key=a", stream.events());
    let unequal = gateway.post(&path).header("Routing-Key", "b").body("event");
    refused(unequal, 400, "parameter_invalid").await.says("Routing-Key");
    Answer::of(gateway.post(&path).header("Routing-Key", "a").body("event")).await.expect(201);
    let twice = gateway.post(&stream.events()).header("Routing-Key", "a").header("Routing-Key", "a").body("event");
    refused(twice, 400, "header_invalid").await.says("Routing-Key");
    let not_utf8 = reqwest::header::HeaderValue::from_bytes(b"\xff").expect("a header value");
    let not_utf8 = gateway.post(&stream.events()).header("Routing-Key", not_utf8).body("event");
    refused(not_utf8, 400, "header_invalid").await.says("UTF-8");
    assert_eq!(stream.read_all(&gateway).await.len(), 1);
}

#[tokio::test]
async fn headers_that_promise_more_than_a_plain_append_are_501_and_nothing_is_written() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let promises = [
        ("Producer-Id", "p"),
        ("Producer-Epoch", "0"),
        ("Producer-Seq", "0"),
        ("If-Match", "\"0\""),
        ("If-None-Match", "*"),
    ];
    for (name, value) in promises {
        let request = gateway.post(&format!("{}&segment=0", stream.events())).header(name, value).body("event");
        refused(request, 501, "operation_unsupported").await.says(&name.to_lowercase());
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn body_in_a_coding_is_415_wherever_it_is_sent() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let segment = stream.segment(0).replace('#', "%23");
    for coding in ["br", "identity, zstd", "gzip, gzip"] {
        let calls = [
            gateway.post(&stream.events()),
            gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson"),
            gateway.put(&stream.events()).header("Message-Type", "100").header("Message-Length", "5"),
            gateway.post(&format!("/v1/wire/Event?segment={segment}")),
        ];
        for call in calls {
            let problem =
                refused(call.header("Content-Encoding", coding).body("event"), 415, "unsupported_encoding").await;
            assert_eq!(problem.answer.header("accept-encoding"), "gzip");
        }
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn missing_repeated_and_unknown_parameters_are_told_apart() {
    let gateway = Gateway::ready(&[]).await;
    let missing = refused(gateway.post("/v1/events?scope=s").body("event"), 400, "parameter_missing").await;
    assert_eq!(*missing.member("parameter"), "stream");
    let repeated = gateway.post("/v1/events?scope=s&scope=s&stream=t").body("event");
    assert_eq!(*refused(repeated, 400, "parameter_repeated").await.member("parameter"), "scope");
    let unknown = gateway.post("/v1/events?scope=s&stream=t&routingkey=k").body("event");
    assert_eq!(*refused(unknown, 400, "parameter_unknown").await.says("routing-key").member("parameter"), "routingkey");
    let alone = gateway.post("/v1/events?scope=s&stream=t&key-from-missing=random").body("event");
    refused(alone, 400, "parameter_invalid").await.says("key-from");
    let no_pointer = gateway.post("/v1/events?scope=s&stream=t&key-from=a").body("event");
    refused(no_pointer, 400, "parameter_invalid").await.says("JSON pointer");
}

#[tokio::test]
async fn single_event_without_the_key_that_key_from_names_is_400() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let path = format!("{}&key-from=/k", stream.events());
    for body in ["not json", "{}", r#"{"k":null}"#, r#"{"k":{}}"#, r#"{"k":[1]}"#] {
        refused(gateway.post(&path).body(body), 400, "body_invalid").await.says("key-from");
    }
    Answer::of(gateway.post(&path).body(r#"{"k":1.50}"#)).await.expect(201);
    Answer::of(gateway.post(&format!("{path}&key-from-missing=random")).body("{}")).await.expect(201);
    assert_eq!(stream.read_all(&gateway).await.len(), 2);
}
