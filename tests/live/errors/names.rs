//! Scopes, streams and segments that are missing, invalid or internal to Pravega.

use bytes::Bytes;
use reqwest::RequestBuilder;

use super::gateway_and_stream;
use crate::support::problem::refused;
use crate::support::{Answer, Gateway};

/// Every call with parameters `scope`, `stream` and possibly `segment`, with these values.
fn calls(gateway: &Gateway, query: &str) -> Vec<RequestBuilder> {
    let keep_alive = gateway.put(&format!("/v1/events?{query}"));
    vec![
        gateway.get(&format!("/v1/events?{query}")),
        gateway.post(&format!("/v1/events?{query}")).body("event"),
        keep_alive.header("Message-Type", "KeepAlive").header("Message-Length", "0"),
        gateway.post(&format!("/v1/wire/GetStreamSegmentInfo?{query}")),
    ]
}

#[tokio::test]
async fn unknown_scope_is_404_at_once() {
    let gateway = Gateway::ready(&[]).await;
    for call in calls(&gateway, "scope=nowhere&stream=t&segment=0") {
        refused(call, 404, "scope_not_found").await.says("nowhere");
    }
}

#[tokio::test]
async fn unknown_stream_is_404_at_once() {
    let (gateway, stream) = gateway_and_stream(1).await;
    for call in calls(&gateway, &format!("scope={}&stream=nothing&segment=0", stream.scope)) {
        refused(call, 404, "stream_not_found").await.says("nothing");
    }
    let without_segment = gateway.post(&format!("/v1/events?scope={}&stream=nothing", stream.scope)).body("event");
    refused(without_segment, 404, "stream_not_found").await;
}

#[tokio::test]
async fn unknown_number_of_a_segment_is_404_that_lists_the_segments() {
    let (gateway, stream) = gateway_and_stream(2).await;
    for call in calls(&gateway, &format!("scope={}&stream={}&segment=7", stream.scope, stream.name)) {
        let problem = refused(call, 404, "segment_not_found").await;
        assert_eq!(*problem.says("7").member("segments"), serde_json::json!(["0.#epoch.0", "1.#epoch.0"]));
    }
}

#[tokio::test]
async fn unknown_full_id_of_a_segment_is_404() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let events = format!("{}&segment=0.%23epoch.5", stream.events());
    refused(gateway.get(&events), 404, "segment_not_found").await.says("0.#epoch.5");
    refused(gateway.post(&events).body("event"), 404, "segment_not_found").await.says("0.#epoch.5");
}

#[tokio::test]
async fn unknown_segment_inside_a_message_is_the_stores_own_answer_with_404() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let segment = format!("{}/{}/0.%23epoch.5", stream.scope, stream.name);
    let by_fields = gateway.post(&format!("/v1/wire/GetStreamSegmentInfo?segment={segment}"));
    let answer = Answer::of(by_fields).await.expect(404);
    assert_eq!(answer.header("message-name"), "NoSuchSegment");

    let name = format!("{}/{}/0.#epoch.5", stream.scope, stream.name);
    let raw = gateway.put("/v1/events").header("Message-Type", "GetStreamSegmentInfo");
    let message = segment_info(&name);
    let answer = Answer::of(raw.header("Message-Length", message.len()).body(message)).await.expect(404);
    assert_eq!((answer.header("message-name"), answer.header("message-type")), ("NoSuchSegment", "53"));
    assert_eq!(answer.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn names_that_pravega_cannot_have_are_400_with_the_parameter() {
    let gateway = Gateway::ready(&[]).await;
    let malformed = [
        ("scope=a%2Fb&stream=t", "scope"),
        ("scope=&stream=t", "scope"),
        ("scope=s&stream=a_b", "stream"),
        ("scope=s&stream=a%20b", "stream"),
        ("scope=s&stream=%C3%A9", "stream"),
    ];
    for (query, parameter) in malformed {
        for call in calls(&gateway, &format!("{query}&segment=0")) {
            let problem = refused(call, 400, "parameter_invalid").await;
            assert_eq!(*problem.says(parameter).member("parameter"), parameter);
        }
    }
    for segment in ["x", "-1", "1.5", "7.epoch.3", "99999999999999999999", ""] {
        for call in calls(&gateway, &format!("scope=s&stream=t&segment={segment}")) {
            let problem = refused(call, 400, "parameter_invalid").await;
            assert_eq!(*problem.member("parameter"), "segment", "{segment}");
        }
    }
}

#[tokio::test]
async fn pravegas_own_streams_are_403() {
    let (gateway, stream) = gateway_and_stream(1).await;
    for query in ["scope=_system&stream=commitStream".to_owned(), format!("scope={}&stream=_MARKt", stream.scope)] {
        for call in calls(&gateway, &format!("{query}&segment=0")) {
            refused(call, 403, "forbidden").await.says("internal-streams");
        }
    }
    let full_name = gateway.post("/v1/wire/GetStreamSegmentInfo?segment=_system/t/0.%23epoch.0");
    refused(full_name, 403, "forbidden").await;
    let message = segment_info("_system/t/0.#epoch.0");
    let raw = gateway.put(&stream.events()).header("Message-Type", "11").header("Message-Length", message.len());
    refused(raw.body(message), 403, "forbidden").await.says("_system");
}

/// Payload of GetStreamSegmentInfo: request id 1, the segment, no token.
fn segment_info(segment: &str) -> Bytes {
    let length = u16::try_from(segment.len()).expect("a short name");
    [&1_i64.to_be_bytes()[..], &length.to_be_bytes(), segment.as_bytes(), &[0, 0]].concat().into()
}
