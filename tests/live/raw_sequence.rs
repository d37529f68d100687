//! Whole frames in one body, as curl sends the output of `wire encode`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::faults::scripted;
use crate::support::foreign::Foreign;
use crate::support::process::curl;
use crate::support::stream::payloads;
use crate::support::wire::{decode_all, encode, encode_all, framed};
use crate::support::{Answer, Gateway, Stream};

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn block_of_whole_events_is_set_up_stored_and_acknowledged() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let writer = Uuid::new_v4().to_string();
    let whole = [framed(b"a"), framed(b"bb")].concat();

    let replies = append(&gateway, &stream, &writer, &whole, whole.len(), b"").await;

    assert_eq!(replies, expected_replies(&stream, &writer, whole.len()));
    let expected: [&[u8]; 2] = [b"a", b"bb"];
    assert_eq!(payloads(&stream.read_all(&gateway).await), expected);
    assert_eq!(Foreign::Java.read(&stream, 2).await, expected);
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn block_that_ends_in_a_partial_event_is_completed_by_its_end() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let writer = Uuid::new_v4().to_string();
    let (whole, split) = (framed(b"whole"), framed(b"split in two"));
    let (begin, rest) = split.split_at(11);
    let partial = encode("PartialEvent", &json!({ "data": { "hex": hex::encode(begin) } })).await;
    let data = [&whole[..], &partial].concat();

    let replies = append(&gateway, &stream, &writer, &data, whole.len(), rest).await;

    assert_eq!(replies, expected_replies(&stream, &writer, whole.len() + split.len()));
    let expected: [&[u8]; 2] = [b"whole", b"split in two"];
    assert_eq!(payloads(&stream.read_all(&gateway).await), expected);
    assert_eq!(Foreign::Java.read(&stream, 2).await, expected);
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn writer_goes_on_where_an_earlier_sequence_ended() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let writer = Uuid::new_v4().to_string();
    let block = framed(b"first");
    append(&gateway, &stream, &writer, &block, block.len(), b"").await;
    let set_up = ("SetupAppend", set_up(&stream, &writer));
    let replies = put_with_curl(&gateway, &encode_all(&[set_up]).await).await;
    assert_eq!(replies[0]["fields"]["lastEventNumber"], 7);
}

#[tokio::test]
async fn store_that_answers_all_and_hangs_up_has_answered_all() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let question = json!({ "requestId": 77, "segmentName": stream.segment(0), "delegationToken": "" });
    // It takes so long to send that the answer and the end of the connection arrive first.
    let padding = ("Padding", json!({ "length": 8_000_000 }));
    let body = encode_all(&[("GetStreamSegmentInfo", question), padding]).await;
    let request = gateway.put("/v1/events").header("Content-Type", "application/vnd.pravega.wire").body(body);
    let play = async {
        let mut conversation = store.conversation().await;
        let question = conversation.receive_question().await;
        conversation.send_state(question, false).await;
        conversation.send_eof().await;
        conversation.receive().await
    };
    let (answer, _) = tokio::join!(Answer::of(request), play);
    let replies = decode_all(&answer.expect(200).body).await;
    assert_eq!((replies.len(), &replies[0]["name"]), (1, &json!("StreamSegmentInfo")));
}

#[tokio::test]
async fn replies_before_the_store_hung_up_are_told() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let writer = Uuid::new_v4().to_string();
    // A store closes the connection on a negative number.
    let end = json!({
        "writerId": writer, "sizeOfWholeEvents": 0, "data": { "hex": hex::encode(framed(b"never")) }, "numEvents": 1,
        "lastEventNumber": -5, "requestId": 78,
    });
    let frames = encode_all(&[("SetupAppend", set_up(&stream, &writer)), ("AppendBlockEnd", end)]).await;
    let request = gateway.put("/v1/events").header("Content-Type", "application/vnd.pravega.wire").body(frames);
    let problem = Answer::of(request).await.expect(502).json();
    assert_eq!((&problem["code"], &problem["sideEffects"]), (&json!("outcome_unknown"), &json!("possible")));
    let replies = problem["replies"].as_array().expect("replies");
    let replies: Vec<_> =
        replies.iter().map(|reply| BASE64.decode(reply.as_str().expect("text")).expect("base64")).collect();
    assert_eq!(decode_all(&replies.concat()).await, expected_replies(&stream, &writer, 0)[..1]);
    assert!(stream.read_all(&gateway).await.is_empty());
}

/// Sets up a writer and appends two events with numbers 6 and 7; returns the replies.
async fn append(
    gateway: &Gateway,
    stream: &Stream,
    writer: &str,
    data: &[u8],
    whole: usize,
    rest: &[u8],
) -> Vec<Value> {
    let end = json!({
        "writerId": writer, "sizeOfWholeEvents": whole, "data": { "hex": hex::encode(rest) }, "numEvents": 2,
        "lastEventNumber": 7, "requestId": 78,
    });
    let sequence = [
        ("SetupAppend", set_up(stream, writer)),
        ("AppendBlock", json!({ "writerId": writer, "data": { "hex": hex::encode(data) } })),
        ("AppendBlockEnd", end),
    ];
    put_with_curl(gateway, &encode_all(&sequence).await).await
}

fn set_up(stream: &Stream, writer: &str) -> Value {
    json!({ "requestId": 77, "writerId": writer, "segment": stream.segment(0), "delegationToken": "" })
}

/// Sends frames with curl, expects `200` and decodes the replies.
async fn put_with_curl(gateway: &Gateway, frames: &[u8]) -> Vec<Value> {
    let header = "Content-Type: application/vnd.pravega.wire";
    let write_out = "%{stderr}%{http_code} %{content_type}";
    let url = gateway.url("/v1/events");
    let finished = curl(&["-X", "PUT", "--data-binary", "@-", "-H", header, "-w", write_out, &url], frames).await;
    assert_eq!(finished.stderr, "200 application/vnd.pravega.wire");
    decode_all(&finished.success()).await
}

/// The store's reply to a new writer's block that ends at an offset.
fn expected_replies(stream: &Stream, writer: &str, end: usize) -> Vec<Value> {
    let set_up =
        json!({ "requestId": 77, "segment": stream.segment(0), "writerId": writer, "lastEventNumber": i64::MIN });
    let appended = json!({
        "writerId": writer, "eventNumber": 7, "previousEventNumber": i64::MIN, "requestId": 78,
        "currentSegmentWriteOffset": end,
    });
    vec![
        json!({ "type": "APPEND_SETUP", "code": 2, "name": "AppendSetup", "fields": set_up }),
        json!({ "type": "DATA_APPENDED", "code": 7, "name": "DataAppended", "fields": appended }),
    ]
}
