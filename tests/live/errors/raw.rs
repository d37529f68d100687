//! Raw messages that are refused before they are sent.

use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, Data, DelegationToken, EventNumber, Frame, GetStreamSegmentInfo, JavaStr, KeepAlive,
    Raw, RequestId, Segment, WireCommand, WriterId,
};
use reqwest::RequestBuilder;

use super::gateway_and_stream;
use crate::support::problem::refused;
use crate::support::process::curl;
use crate::support::{Answer, Gateway, Stream};

const SEQUENCE: &str = "application/vnd.pravega.wire";

/// Largest payload that a store accepts.
const LARGEST: usize = 16_777_207;

/// A raw message without parameters.
fn message(gateway: &Gateway, kind: &str, length: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    gateway.put("/v1/events").header("Message-Type", kind).header("Message-Length", length).body(body)
}

fn sequence(gateway: &Gateway, body: impl Into<reqwest::Body>) -> RequestBuilder {
    gateway.put("/v1/events").header("Content-Type", SEQUENCE).body(body)
}

fn info(stream: &Stream) -> WireCommand {
    let segment_name = Segment(JavaStr::new(stream.segment(0)).expect("a short name"));
    let delegation_token = DelegationToken::none();
    GetStreamSegmentInfo { request_id: RequestId(1), segment_name, delegation_token }.into()
}

fn block() -> WireCommand {
    AppendBlock { writer_id: WriterId(uuid::Uuid::nil()), data: Raw(Default::default()) }.into()
}

fn block_end() -> WireCommand {
    AppendBlockEnd {
        writer_id: WriterId(uuid::Uuid::nil()),
        size_of_whole_events: 0,
        data: Data::default(),
        num_events: 1,
        last_event_number: EventNumber(0),
        request_id: RequestId(1),
    }
    .into()
}

fn keep_alive() -> Frame {
    WireCommand::from(KeepAlive {}).frame()
}

fn frames(frames: &[Frame]) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    frames.iter().for_each(|frame| frame.encode(&mut out));
    out.to_vec()
}

#[tokio::test]
async fn announced_length_that_is_not_the_bodys_is_400() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let payload = info(&stream).payload();
    for length in [payload.len() - 1, payload.len() + 1, 0] {
        let request = message(&gateway, "GetStreamSegmentInfo", &length.to_string(), payload.clone());
        let problem = refused(request, 400, "message_length_mismatch").await;
        problem.says(&length.to_string()).says(&payload.len().to_string());
    }
    let right = message(&gateway, "GetStreamSegmentInfo", &payload.len().to_string(), payload.clone());
    assert_eq!(Answer::of(right).await.expect(200).header("message-name"), "StreamSegmentInfo");
}

#[tokio::test]
async fn type_and_length_are_needed_each_once() {
    let gateway = Gateway::ready(&[]).await;
    let without_length = gateway.put("/v1/events").header("Message-Type", "KeepAlive");
    refused(without_length, 400, "header_invalid").await.says("message-length is missing");
    let without_type = gateway.put("/v1/events").header("Message-Length", "0");
    refused(without_type, 400, "header_invalid").await.says("message-type is missing");
    let twice = message(&gateway, "KeepAlive", "0", "").header("Message-Length", "0");
    refused(twice, 400, "header_invalid").await.says("more than once");
    for length in ["-1", "0x10", "many", "1.0"] {
        refused(message(&gateway, "KeepAlive", length, ""), 400, "header_invalid").await.says("Message-Length");
    }
}

#[tokio::test]
async fn unknown_name_of_a_type_is_400() {
    let gateway = Gateway::ready(&[]).await;
    for kind in ["SealTheSegment", "keepalive", "KEEP ALIVE", "1.5", "99999999999"] {
        refused(message(&gateway, kind, "0", ""), 400, "message_type_unknown").await.says(kind);
    }
}

#[tokio::test]
async fn message_that_tells_no_segment_needs_the_parameters() {
    let gateway = Gateway::ready(&[]).await;
    for kind in ["999", "-77", "KeepAlive", "Hello"] {
        let body = if kind == "Hello" { &[0, 0, 0, 16, 0, 0, 0, 5][..] } else { b"" };
        let request = message(&gateway, kind, &body.len().to_string(), body);
        let problem = refused(request, 400, "parameter_missing").await;
        assert_eq!(*problem.says("scope, stream and segment").member("parameter"), "segment");
    }
}

#[tokio::test]
async fn message_of_no_bytes_goes_to_the_store_of_the_parameters() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let request = gateway.put(&stream.events()).header("Message-Type", "KeepAlive").header("Message-Length", "0");
    let answer = Answer::of(request).await.expect(200);
    assert_eq!((answer.header("message-type"), answer.header("message-length")), ("100", "0"));
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn message_without_a_reply_of_its_own_is_400_that_names_the_sequence_type() {
    let gateway = Gateway::ready(&[]).await;
    let parts = ["AppendBlock", "AppendBlockEnd", "Padding", "PartialEvent", "Event", "3", "4", "-1", "-2", "0"];
    for kind in parts {
        refused(message(&gateway, kind, "0", ""), 400, "message_type_unknown").await.says(SEQUENCE);
    }
}

#[tokio::test]
async fn replies_are_400_alone_and_in_a_sequence() {
    let gateway = Gateway::ready(&[]).await;
    for kind in ["DataAppended", "7", "SegmentRead", "WrongHost", "50"] {
        refused(message(&gateway, kind, "0", ""), 400, "message_type_unknown").await.says("is a reply");
    }
    let reply = Frame { code: 7, payload: vec![0; 48].into() };
    let body = frames(&[keep_alive(), reply]);
    refused(sequence(&gateway, body), 400, "message_type_unknown").await.says("DataAppended is a reply");
}

#[tokio::test]
async fn commands_of_the_admin_port_are_501() {
    let gateway = Gateway::ready(&[]).await;
    for kind in ["FlushToStorage", "-3", "ListStorageChunks"] {
        refused(message(&gateway, kind, "0", ""), 501, "operation_unsupported").await.says("admin port");
    }
    refused(gateway.post("/v1/wire/FlushToStorage"), 501, "operation_unsupported").await;
}

#[tokio::test]
async fn payload_that_is_not_its_types_is_400() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let payload = info(&stream).payload().slice(..20);
    let cut = message(&gateway, "GetStreamSegmentInfo", "20", payload);
    refused(cut, 400, "body_invalid").await.says("GetStreamSegmentInfo");
    let nothing = message(&gateway, "GetStreamSegmentInfo", "0", "");
    refused(nothing, 400, "body_invalid").await;
}

#[tokio::test]
async fn message_larger_than_a_store_takes_is_413_alone_and_in_a_sequence() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let length = LARGEST + 1;
    let alone = message(&gateway, "ReadTable", &length.to_string(), vec![0; length]);
    let problem = refused(alone, 413, "message_too_large").await;
    assert_eq!(*problem.says(&length.to_string()).member("limit"), LARGEST);

    let small = info(&stream).frame();
    let at = small.encoded_len();
    let body = frames(&[small, Frame { code: 78, payload: vec![0; length].into() }]);
    let problem = refused(sequence(&gateway, body), 413, "message_too_large").await;
    assert_eq!((problem.member("limit"), problem.member("at")), (&LARGEST.into(), &at.into()));
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn frame_of_17_mib_is_413_for_curl() {
    const LENGTH: usize = 17 * 1024 * 1024;
    let gateway = Gateway::ready(&[]).await;
    let url = gateway.url("/v1/events");
    let put = ["-X", "PUT", "--data-binary", "@-", &url];
    let length = format!("Message-Length: {LENGTH}");
    let alone = [&put[..], &["-H", "Message-Type: ReadTable", "-H", &length]].concat();
    let whole = format!("Content-Type: {SEQUENCE}");
    let in_a_sequence = [&put[..], &["-H", &whole]].concat();
    let frame = Frame { code: 78, payload: vec![0; LENGTH].into() }.to_bytes();
    for (arguments, body) in [(alone, &frame[8..]), (in_a_sequence, &frame[..])] {
        let problem: serde_json::Value = serde_json::from_slice(&curl(&arguments, body).await.success()).expect("JSON");
        assert_eq!((&problem["status"], &problem["code"]), (&413.into(), &"message_too_large".into()), "{problem}");
    }
}

#[tokio::test]
async fn sequence_larger_than_its_limit_is_413() {
    let gateway = Gateway::ready(&["--set", "limits.raw-sequence=64KiB"]).await;
    let body = frames(&vec![keep_alive(); 64 * 1024 / 8 + 1]);
    refused(sequence(&gateway, body), 413, "body_too_large").await;
}

#[tokio::test]
async fn sequence_that_is_no_sequence_of_frames_is_400_that_tells_where() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let whole = info(&stream).frame();
    let mut cut = frames(&[whole.clone(), whole.clone()]);
    cut.truncate(cut.len() - 1);
    let negative = [frames(std::slice::from_ref(&whole)), vec![0, 0, 0, 11, 255, 255, 255, 255]].concat();
    let broken = [
        (cut, whole.encoded_len()),
        (negative, whole.encoded_len()),
        (Vec::new(), 0),
        (frames(&[block().frame()]), block().frame().encoded_len()),
        (frames(&[block().frame(), block().frame(), block_end().frame()]), block().frame().encoded_len()),
        (frames(&[Frame { code: -2, payload: Default::default() }]), 0),
    ];
    for (body, at) in broken {
        let problem = refused(sequence(&gateway, body), 400, "body_invalid").await;
        assert_eq!(*problem.member("at"), at);
    }
}

#[tokio::test]
async fn headers_of_a_message_do_not_go_with_a_sequence() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let body = frames(&[info(&stream).frame()]);
    for (name, value) in [("Message-Type", "11"), ("Message-Length", "1")] {
        let request = sequence(&gateway, body.clone()).header(name, value);
        refused(request, 400, "header_invalid").await.says(&name.to_lowercase());
    }
    Answer::of(sequence(&gateway, body)).await.expect(200);
}
