//! Pages and waits while their segment changes.

use bytes::Bytes;
use pravega_protocol::wire::{Data, JavaStr, Offset, ReadSegment, SegmentIsTruncated, SegmentRead, WireCommand};

use super::scripted;
use crate::support::Answer;
use crate::support::scripted_store::Conversation;
use crate::support::wire::framed;

const ONE_SESSION: &[&str] = &["--set", "segment-store.read-sessions=1"];

/// Receives the question for a segment's state, and answers that it holds these bytes.
async fn send_bounds(conversation: &mut Conversation, head: i64, tail: i64) {
    let question = conversation.receive_question().await;
    conversation.send_bounds(question, false, head, tail).await;
}

async fn receive_read(conversation: &mut Conversation) -> ReadSegment {
    match conversation.receive().await {
        Some(WireCommand::ReadSegment(read)) => read,
        other => panic!("{other:?} where ReadSegment was expected"),
    }
}

async fn send_bytes(conversation: &mut Conversation, read: ReadSegment, bytes: Vec<u8>) {
    let ReadSegment { segment, offset, request_id, .. } = read;
    let (at_tail, end_of_segment, data) = (false, false, Data::from(Bytes::from(bytes)));
    conversation.send(SegmentRead { segment, offset, at_tail, end_of_segment, data, request_id }).await;
}

#[tokio::test]
async fn page_that_meets_a_truncation_midway_ends_there() {
    let (mut store, gateway, stream) = scripted(ONE_SESSION).await;
    let play = async {
        let mut conversation = store.conversation().await;
        send_bounds(&mut conversation, 0, 100_000).await;
        let read = receive_read(&mut conversation).await;
        send_bytes(&mut conversation, read, framed(b"whole")).await;
        let ReadSegment { segment, request_id, .. } = receive_read(&mut conversation).await;
        let (start_offset, offset, server_stack_trace) = (Offset(50_000), Offset(13), JavaStr::default());
        conversation.send(SegmentIsTruncated { request_id, segment, start_offset, server_stack_trace, offset }).await;
        conversation
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.get(&stream.events())), play);
    let page = answer.expect(200).json();
    assert_eq!((&page["events"][0]["text"], &page["nextOffset"]), (&"whole".into(), &13.into()));
    assert_eq!(page["upToDate"], false);
}

#[tokio::test]
async fn wait_that_runs_out_answers_with_what_is_so_by_then() {
    let (mut store, gateway, stream) = scripted(ONE_SESSION).await;
    let play = async {
        let mut conversation = store.conversation().await;
        send_bounds(&mut conversation, 0, 0).await;
        let _parked = receive_read(&mut conversation).await;
        // The event came, and the parked read is not answered.
        send_bounds(&mut conversation, 0, 13).await;
        let read = receive_read(&mut conversation).await;
        send_bytes(&mut conversation, read, framed(b"event")).await;
        conversation
    };
    let waiting = Answer::of(gateway.get(&stream.events()).header("Prefer", "wait=1"));
    let (answer, _open) = tokio::join!(waiting, play);
    let page = answer.expect(200).json();
    assert_eq!((&page["events"][0]["text"], &page["upToDate"]), (&"event".into(), &true.into()));
}

#[tokio::test]
async fn read_of_few_events_asks_for_little() {
    let (mut store, gateway, stream) = scripted(ONE_SESSION).await;
    let mut conversation = None;
    for (count, most) in [(1, 8 * 1024), (20, 32 * 1024)] {
        let play = async {
            if conversation.is_none() {
                conversation = Some(store.conversation().await);
            }
            let conversation = conversation.as_mut().expect("just set");
            send_bounds(conversation, 0, 100_000_000).await;
            let read = receive_read(conversation).await;
            let asked = read.suggested_length;
            send_bytes(conversation, read, framed(b"event").repeat(20)).await;
            asked
        };
        let request = Answer::of(gateway.get(&format!("{}&count={count}", stream.events())));
        let (answer, asked) = tokio::join!(request, play);
        assert_eq!(answer.expect(200).json()["events"].as_array().map(Vec::len), Some(count));
        assert!(asked <= most, "{asked} bytes for {count} events");
    }
}
