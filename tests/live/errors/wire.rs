//! Commands by fields that are refused before they are sent.

use super::gateway_and_stream;
use crate::support::problem::refused;
use crate::support::{Answer, Gateway, Stream};

/// A command for the stream's only segment, with more parameters.
fn path(stream: &Stream, command: &str, more: &str) -> String {
    format!("/v1/wire/{command}?segment={}{more}", stream.segment(0).replace('#', "%23"))
}

#[tokio::test]
async fn unknown_commands_replies_and_parts_of_a_block_are_400() {
    let gateway = Gateway::ready(&[]).await;
    let unknown = refused(gateway.post("/v1/wire/Sael?segment=0"), 400, "message_type_unknown").await;
    unknown.says("Sael").says("docs/wire.md");
    for reply in ["SegmentRead", "DataAppended"] {
        let problem = refused(gateway.post(&format!("/v1/wire/{reply}")), 400, "message_type_unknown").await;
        problem.says("is a reply");
    }
    for part in ["PartialEvent", "Padding"] {
        let problem = refused(gateway.post(&format!("/v1/wire/{part}")), 400, "message_type_unknown").await;
        problem.says("application/vnd.pravega.wire");
    }
}

#[tokio::test]
async fn segment_is_needed() {
    let gateway = Gateway::ready(&[]).await;
    for query in ["", "?scope=s", "?scope=s&stream=t"] {
        refused(gateway.post(&format!("/v1/wire/SealSegment{query}")), 400, "parameter_missing").await.says("segment");
    }
    let full = gateway.post("/v1/wire/SealSegment?segment=s/t/x");
    refused(full, 400, "parameter_invalid").await.says("s/t/x");
}

#[tokio::test]
async fn missing_unknown_and_wrong_fields_are_named() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let missing = gateway.post(&path(&stream, "ReadSegment", "&suggestedLength=8"));
    assert_eq!(*refused(missing, 400, "parameter_missing").await.member("field"), "offset");
    let unknown = gateway.post(&path(&stream, "SealSegment", "&offset=1"));
    assert_eq!(*refused(unknown, 400, "parameter_unknown").await.member("field"), "offset");
    let wrong = gateway.post(&path(&stream, "TruncateSegment", "&truncationOffset=head"));
    assert_eq!(*refused(wrong, 400, "parameter_invalid").await.member("field"), "truncationOffset");
    let in_header = gateway.post(&path(&stream, "TruncateSegment", "")).header("Wire-Truncation-Offset", "head");
    assert_eq!(*refused(in_header, 400, "header_invalid").await.member("field"), "truncationOffset");
    let in_body = gateway.post(&path(&stream, "TruncateSegment", "")).body(r#"{"truncationOffset":[]}"#);
    assert_eq!(*refused(in_body, 400, "body_invalid").await.member("field"), "truncationOffset");
    refused(gateway.post(&path(&stream, "TruncateSegment", "")).body("[]"), 400, "body_invalid").await.says("JSON");
}

#[tokio::test]
async fn field_given_twice_is_400_wherever_it_stands() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let with_offset = path(&stream, "TruncateSegment", "&truncationOffset=0");
    let calls = [
        gateway.post(&format!("{with_offset}&truncationOffset=0")),
        gateway.post(&with_offset).header("Wire-Truncation-Offset", "0"),
        gateway.post(&with_offset).body(r#"{"truncationOffset":0}"#),
        gateway
            .post(&path(&stream, "TruncateSegment", ""))
            .header("Wire-Truncation-Offset", "0")
            .header("Wire-Truncation-Offset", "0"),
    ];
    for call in calls {
        refused(call, 400, "parameter_repeated").await.says("truncationOffset");
    }
    let two_segments =
        gateway.post(&format!("{}&segmentName=a/b/0.%23epoch.0", path(&stream, "GetStreamSegmentInfo", "")));
    refused(two_segments, 400, "parameter_repeated").await.says("segment");
}

#[tokio::test]
async fn appends_that_a_store_would_close_on_are_400() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let negative = gateway.post(&path(&stream, "Event", "&eventNumber=-1")).body("event");
    refused(negative, 400, "parameter_invalid").await.says("event number");
    for number in ["0", "-1", "2147483648"] {
        let request = gateway.post(&path(&stream, "AppendBlock", &format!("&numEvents={number}"))).body("bytes");
        assert_eq!(*refused(request, 400, "parameter_invalid").await.member("field"), "numEvents");
    }
    let unframed = gateway.post(&path(&stream, "AppendBlock", "")).body("no events");
    refused(unframed, 400, "body_invalid").await.says("numEvents");
    let without_offset = gateway.post(&path(&stream, "ConditionalAppend", "")).body("event");
    assert_eq!(*refused(without_offset, 400, "parameter_missing").await.member("field"), "expectedOffset");
    let no_uuid = gateway.post(&path(&stream, "Event", "&writerId=me")).body("event");
    assert_eq!(*refused(no_uuid, 400, "parameter_invalid").await.member("field"), "writerId");
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn number_that_the_writer_already_used_is_refused_and_not_stored_twice() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let writer = uuid::Uuid::new_v4();
    let append = path(&stream, "Event", &format!("&writerId={writer}&eventNumber=5"));
    Answer::of(gateway.post(&append).body("once")).await.expect(200);
    let again = gateway.post(&append).body("twice");
    refused(again, 400, "parameter_invalid").await.says("5");
    let events = stream.read_all(&gateway).await;
    assert_eq!(events.iter().map(|event| event.payload.as_slice()).collect::<Vec<_>>(), [b"once"]);
}

#[tokio::test]
async fn events_and_messages_over_their_limits_are_413() {
    const MIB: usize = 1024 * 1024;
    // The client must see the answer, however slowly it sends.
    let gateway = Gateway::ready(&["--set", "limits.drain-bytes=32MiB", "--set", "limits.drain-time=1m"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let event = gateway.post(&path(&stream, "Event", "")).body(vec![b'x'; 8 * MIB + 1]);
    refused(event, 413, "event_too_large").await;
    let block = gateway.post(&path(&stream, "AppendBlock", "&numEvents=1")).body(vec![b'x'; 17 * MIB]);
    refused(block, 413, "message_too_large").await;
    let fields = Gateway::ready(&["--set", "limits.json-document=1KiB"]).await;
    let document = fields.post(&path(&stream, "SealSegment", "")).body(" ".repeat(1025));
    refused(document, 413, "body_too_large").await;
}

#[tokio::test]
async fn errors_of_the_store_have_the_statuses_of_the_table() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let beyond = gateway.post(&path(&stream, "TruncateSegment", "&truncationOffset=1"));
    let answer = Answer::of(beyond).await.expect(416);
    assert_eq!((answer.header("message-name"), answer.header("wire-start-offset")), ("SegmentIsTruncated", "0"));
    assert!(!answer.headers.contains_key("wire-server-stack-trace"));
    let exists = gateway.post(&path(&stream, "CreateSegment", "&targetRate=0&scaleType=0&rolloverSizeBytes=0"));
    assert_eq!(Answer::of(exists).await.expect(409).header("message-name"), "SegmentAlreadyExists");
    let condition = gateway.post(&path(&stream, "ConditionalAppend", "&expectedOffset=5")).body("event");
    assert_eq!(Answer::of(condition).await.expect(412).header("message-name"), "ConditionalCheckFailed");
    let as_json =
        gateway.post(&path(&stream, "TruncateSegment", "&truncationOffset=1")).header("Accept", "application/json");
    let fields = &Answer::of(as_json).await.expect(416).json()["fields"];
    assert_eq!((&fields["startOffset"], fields.get("serverStackTrace")), (&0.into(), None));
}
