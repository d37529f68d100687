//! What protects Pravega's internal segments, the gateway's memory, and callers from misleading answers.

use pravega_protocol::wire::{
    DelegationToken, Frame, GetStreamSegmentInfo, JavaStr, Offset, ReadSegment, RequestId, Segment, TruncateSegment,
    WireCommand,
};

use super::gateway_and_stream;
use crate::support::problem::{Problem, refused};
use crate::support::raw_client::RawClient;
use crate::support::{Answer, Gateway, Stream};

fn segment(name: &str) -> Segment {
    Segment(JavaStr::new(name).expect("a short name"))
}

fn read(name: &str, length: i32, request_id: i64) -> Frame {
    let delegation_token = DelegationToken::none();
    let (offset, request_id) = (Offset(0), RequestId(request_id));
    WireCommand::from(ReadSegment {
        segment: segment(name),
        offset,
        suggested_length: length,
        delegation_token,
        request_id,
    })
    .frame()
}

fn joined(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.to_bytes()).collect()
}

#[tokio::test]
async fn pravegas_own_segments_are_403_whatever_their_names_look_like() {
    let (gateway, stream) = gateway_and_stream(1).await;
    for name in ["_system/containers/metadata_0", "_system/_tables/x/0.#epoch.0", "scope/_MARKstream/0.#epoch.0"] {
        let message = read(name, 8, 1);
        let raw = gateway
            .put(&stream.events())
            .header("Message-Type", message.code)
            .header("Message-Length", message.payload.len())
            .body(message.payload);
        refused(raw, 403, "forbidden").await.says(name);
        let target = stream.segment(0).replace('#', "%23");
        let merge = format!("/v1/wire/MergeSegments?target={target}&source={}", name.replace('#', "%23"));
        refused(gateway.post(&merge), 403, "forbidden").await.says(name);
    }
}

#[tokio::test]
async fn replies_beyond_the_budget_are_not_held() {
    let gateway = Gateway::ready(&["--set", "limits.bytes-in-flight=2MiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, vec![b'x'; 1_000_000]).await;
    let reads: Vec<_> = (1..=20).map(|request_id| read(&stream.segment(0), 1_000_000, request_id)).collect();
    let request = gateway.put("/v1/events").header("Content-Type", "application/vnd.pravega.wire");
    let answer = Answer::of(request.body(joined(&reads))).await;
    let problem = Problem::of(answer, 503, "overloaded");
    problem.says("limits.bytes-in-flight").changed_nothing();
    assert_eq!(*problem.member("retryable"), false, "they will never find room");
}

#[tokio::test]
async fn status_of_a_sequence_is_mapped_by_the_request_that_failed() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let info = GetStreamSegmentInfo {
        request_id: RequestId(1),
        segment_name: segment(&stream.segment(0)),
        delegation_token: DelegationToken::none(),
    };
    let truncate = TruncateSegment {
        request_id: RequestId(2),
        segment: segment(&stream.segment(0)),
        truncation_offset: Offset(1000),
        delegation_token: DelegationToken::none(),
    };
    let frames = [WireCommand::from(info).frame(), WireCommand::from(truncate).frame()];
    let request = gateway.put("/v1/events").header("Content-Type", "application/vnd.pravega.wire");
    Answer::of(request.body(joined(&frames))).await.expect(416);
}

#[tokio::test]
async fn commands_without_a_segment_go_to_the_default_stream() {
    let first = Gateway::ready(&[]).await;
    let stream = Stream::create(&first, 1).await;
    let scope = format!("default-scope={}", stream.scope);
    let name = format!("default-stream={}", stream.name);
    let gateway = Gateway::ready(&["--set", &scope, "--set", &name]).await;
    let raw = gateway.put("/v1/events").header("Message-Type", "KeepAlive").header("Message-Length", 0);
    assert_eq!(Answer::of(raw).await.expect(200).header("message-name"), "KeepAlive");
    let by_fields = gateway.post("/v1/wire/KeepAlive");
    assert_eq!(Answer::of(by_fields).await.expect(200).header("message-name"), "KeepAlive");
    let missing = format!("/v1/wire/KeepAlive?scope={}&stream=missing", stream.scope);
    refused(gateway.post(&missing), 404, "stream_not_found").await;
}

#[tokio::test]
async fn what_is_not_built_is_refused_and_not_misread() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let twice = gateway.post(&stream.events()).header("Content-Type", "text/plain");
    let twice = twice.header("Content-Type", "application/x-ndjson").body("x\n");
    refused(twice, 400, "header_invalid").await.says("Content-Type");
    let deadlines = gateway.get(&stream.events()).header("Request-Timeout", "1s").header("Request-Timeout", "2s");
    refused(deadlines, 400, "header_invalid").await.says("Request-Timeout");
    for (name, value) in [
        ("Producer-Id", "a"),
        ("Producer-Whatever", "a"),
        ("If-Match", "*"),
        ("If-None-Match", "*"),
        ("Idempotency-Key", "a"),
        ("ce-specversion", "1.0"),
        ("Content-Type", "application/cloudevents+json"),
        ("Content-Type", "application/cloudevents-batch+json; charset=utf-8"),
    ] {
        refused(gateway.post(&stream.events()).header(name, value).body("x"), 501, "operation_unsupported").await;
    }
    assert!(stream.read_all(&gateway).await.is_empty());
}

#[tokio::test]
async fn names_that_paths_cannot_hold_are_refused() {
    let (gateway, stream) = gateway_and_stream(1).await;
    for name in [".", ".."] {
        for path in [format!("scope={name}&stream=t"), format!("scope={}&stream={name}", stream.scope)] {
            refused(gateway.post(&format!("/v1/events?{path}")).body("x"), 400, "parameter_invalid").await.says(name);
            refused(gateway.get(&format!("/v1/events?{path}")), 400, "parameter_invalid").await;
        }
    }
}

#[tokio::test]
async fn request_without_a_valid_host_is_400() {
    let (gateway, stream) = gateway_and_stream(1).await;
    for host in ["", "Host: a\r\nHost: a\r\n", "Host: user@a\r\n", "Host: a b\r\n"] {
        let head = format!("GET {} HTTP/1.1\r\nConnection: close\r\n{host}\r\n", stream.events());
        let answer = RawClient::send_head(&gateway, &head).await.answer().await;
        Problem::of(answer, 400, "header_invalid").says("Host");
    }
    let head = format!("GET {} HTTP/1.0\r\n\r\n", stream.events());
    RawClient::send_head(&gateway, &head).await.answer().await.expect(200);
}

#[tokio::test]
async fn body_that_is_compressed_on_the_way_is_415() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let headers = ["Transfer-Encoding: gzip, chunked"];
    let mut client = RawClient::begin(&gateway, "POST", &stream.events(), &headers).await;
    client.send("1\r\nx\r\n0\r\n\r\n").await;
    let answer = client.answer().await.expect(415);
    assert_eq!(answer.json()["code"], "unsupported_encoding");
}

#[tokio::test]
async fn control_calls_tell_whose_fault_a_broken_body_is() {
    let gateway = Gateway::ready(&["--set", "limits.body-idle=200ms"]).await;
    let headers = ["Content-Length: 10", "Content-Type: application/json"];
    let mut client = RawClient::begin(&gateway, "POST", "/v1/scopes", &headers).await;
    client.send("{}").await;
    assert_eq!(client.answer().await.expect(408).json()["code"], "body_idle");
    Answer::of(gateway.get("/v1/scopes/")).await.expect(200);
}

#[tokio::test]
async fn management_answers_carry_a_request_id_and_say_when_to_come_back() {
    let gateway = Gateway::ready(&[]).await;
    let client = crate::support::http::client();
    let alive = Answer::of(client.get(gateway.management_url("/healthz"))).await.expect(200);
    assert!(!alive.header("x-request-id").is_empty());
}
