//! The metrics of segment stores that refuse, move segments, disconnect or are down.

use pravega_protocol::wire::{JavaStr, NO_VALUE, NoSuchSegment, Offset, WrongHost};

use crate::faults::scripted;
use crate::support::closed_port::ClosedPort;
use crate::support::metrics::{count, store_errors};
use crate::support::scripted_store::Conversation;
use crate::support::{Answer, Gateway, Pravega, Stream};

async fn of_appends(gateway: &Gateway, counter: &str) -> u64 {
    count(gateway, &format!("pravega_gateway_append_{counter}_total")).await
}

#[tokio::test]
async fn block_that_is_sent_again_is_counted_apart() {
    let (mut store, gateway, stream) = scripted(&["--set", "segment-store.append-sessions=1"]).await;
    let play = async {
        let (mut lost, _) = store.new_writer().await;
        lost.receive_block().await;
        drop(lost);
        let (mut conversation, _) = store.new_writer().await;
        let block = conversation.receive_block().await;
        conversation.acknowledge(&block, NO_VALUE, 13).await;
        conversation
    };
    let post = Answer::of(gateway.post(&stream.events()).body("event"));
    let (answer, _open) = tokio::join!(post, play);
    answer.expect(201);
    for (counter, expected) in [("blocks", 1), ("resent_blocks", 1), ("set_ups", 2), ("handovers", 0)] {
        assert_eq!(of_appends(&gateway, counter).await, expected, "{counter}");
    }
    assert_eq!(count(&gateway, "pravega_gateway_append_block_events_count").await, 1);
    assert_eq!(count(&gateway, "pravega_gateway_store_reconnects_total{kind=\"append\"}").await, 1);
    assert_eq!(store_errors(&gateway, "lost").await, 1);
}

#[tokio::test]
async fn wrong_host_is_counted_by_the_name_of_the_reply() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let (mut first, writer) = store.new_writer().await;
        let block = first.receive_block().await;
        let (nothing, segment) = (JavaStr::default(), writer.segment);
        let (correct_host, server_stack_trace) = (nothing.clone(), nothing);
        first.send(WrongHost { request_id: block.request_id, segment, correct_host, server_stack_trace }).await;
        let (mut second, _) = store.new_writer().await;
        let block = second.receive_block().await;
        second.acknowledge(&block, NO_VALUE, 13).await;
        (first, second)
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    answer.expect(201);
    assert_eq!(store_errors(&gateway, "WrongHost").await, 1);
}

async fn send_there_is_no_such_segment(conversation: &mut Conversation) {
    let question = conversation.receive_question().await;
    let (request_id, segment) = (question.request_id, question.segment_name);
    let (server_stack_trace, offset) = (JavaStr::default(), Offset(-1));
    conversation.send(NoSuchSegment { request_id, segment, server_stack_trace, offset }).await;
}

#[tokio::test]
async fn question_that_is_refused_is_counted_raw_and_shared() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let mut conversation = store.conversation().await;
        send_there_is_no_such_segment(&mut conversation).await;
        conversation
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.get(&stream.events())), play);
    answer.expect(404);
    assert_eq!(store_errors(&gateway, "NoSuchSegment").await, 1);
    let segment = stream.segment(0).replace('#', "%23");
    let play = async {
        let mut conversation = store.conversation().await;
        send_there_is_no_such_segment(&mut conversation).await;
        conversation
    };
    let by_fields = gateway.post(&format!("/v1/wire/GetStreamSegmentInfo?segment={segment}"));
    let (answer, _open) = tokio::join!(Answer::of(by_fields), play);
    answer.expect(404);
    assert_eq!(store_errors(&gateway, "NoSuchSegment").await, 2);
}

#[tokio::test]
async fn store_that_refuses_connections_is_counted() {
    let closed = ClosedPort::new();
    let gateway = Gateway::start(&Pravega::of_this_run(), &["--segment-store-rewrite", &closed.rule()]).await;
    let other = Gateway::ready(&[]).await;
    let stream = Stream::create(&other, 1).await;
    Answer::of(gateway.post(&stream.events()).body("event")).await.expect(503);
    assert!(store_errors(&gateway, "refused").await >= 1);
}
