//! Stores that refuse a writer, and what the controller reports about its segment.

use pravega_protocol::wire::{
    AuthErrorCode, AuthTokenCheckFailed, ErrorMessage, JavaStr, NO_VALUE, NoSuchSegment, Offset, RequestId,
    SegmentIsSealed, ServerErrorCode, WrongHost,
};

use super::scripted;
use crate::support::Answer;
use crate::support::problem::Problem;
use crate::support::scripted_store::{Block, Conversation, ScriptedStore, Writer};

fn no_such_segment(writer: &Writer, request_id: RequestId) -> NoSuchSegment {
    let (segment, server_stack_trace) = (writer.segment.clone(), JavaStr::default());
    NoSuchSegment { request_id, segment, server_stack_trace, offset: Offset(-1) }
}

/// Reports that the segment was sealed before the block.
async fn send_sealed(conversation: &mut Conversation, writer: &Writer, block: &Block) {
    let (segment, server_stack_trace) = (writer.segment.clone(), JavaStr::default());
    let offset = Offset(block.last_number);
    conversation.send(SegmentIsSealed { request_id: block.request_id, segment, server_stack_trace, offset }).await;
}

/// Reports to a writer that its segment is sealed, then its final number. Both requests must come on one connection:
/// only then is the number known to have been read after the seal.
async fn send_final_number(store: &mut ScriptedStore, number: i64) -> Conversation {
    let mut conversation = store.conversation().await;
    let question = conversation.receive_question().await;
    conversation.send_state(question, true).await;
    let writer = conversation.receive_setup().await;
    conversation.send_set_up(&writer, number).await;
    conversation
}

#[tokio::test]
async fn segment_that_moved_is_set_up_again() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let mut first = store.conversation().await;
        let Writer { request_id, segment, .. } = first.receive_setup().await;
        let (correct_host, server_stack_trace) = (JavaStr::default(), JavaStr::default());
        first.send(WrongHost { request_id, segment, correct_host, server_stack_trace }).await;
        let (mut second, _) = store.new_writer().await;
        let block = second.receive_block().await;
        second.acknowledge(&block, NO_VALUE, 13).await;
        first
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    answer.expect(201);
}

#[tokio::test]
async fn store_that_is_full_is_503_with_what_it_said() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let (mut conversation, writer) = store.new_writer().await;
        let request_id = conversation.receive_block().await.request_id;
        let (segment, message) = (writer.segment, JavaStr::new("there is no room").expect("short"));
        conversation.send(ErrorMessage { request_id, segment, message, error_code: ServerErrorCode(-1) }).await;
        conversation
    };
    let (answer, mut conversation) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    Problem::of(answer, 503, "store_unavailable").says("there is no room").changed_nothing();
    let play = async {
        let writer = conversation.receive_setup().await;
        conversation.send_set_up(&writer, NO_VALUE).await;
        let block = conversation.receive_block().await;
        conversation.acknowledge(&block, NO_VALUE, 13).await;
    };
    let (answer, ()) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    answer.expect(201);
}

#[tokio::test]
async fn store_that_can_not_set_a_writer_up_is_503_with_what_it_said() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let mut conversation = store.conversation().await;
        let Writer { request_id, segment, .. } = conversation.receive_setup().await;
        let message = JavaStr::new("the disk is broken").expect("short");
        conversation.send(ErrorMessage { request_id, segment, message, error_code: ServerErrorCode(-1) }).await;
    };
    let (answer, ()) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    Problem::of(answer, 503, "store_unavailable").says("the disk is broken").changed_nothing();
}

#[tokio::test]
async fn stream_that_is_sealed_under_an_event_is_409_if_the_event_was_not_stored() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let (mut conversation, writer) = store.new_writer().await;
        let block = conversation.receive_block().await;
        stream.seal(&gateway).await;
        send_sealed(&mut conversation, &writer, &block).await;
        (send_final_number(&mut store, NO_VALUE).await, conversation)
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    Problem::of(answer, 409, "stream_sealed").changed_nothing();
}

#[tokio::test]
async fn stream_that_is_sealed_under_an_event_is_201_if_the_event_was_stored_before() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let (mut conversation, writer) = store.new_writer().await;
        let block = conversation.receive_block().await;
        stream.seal(&gateway).await;
        send_sealed(&mut conversation, &writer, &block).await;
        (send_final_number(&mut store, block.last_number).await, conversation)
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    answer.expect(201);
}

#[tokio::test]
async fn segment_that_is_sealed_under_an_event_pinned_to_it_is_409() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let path = format!("{}&segment=0", stream.events());
    let play = async {
        let (mut conversation, writer) = store.new_writer().await;
        let block = conversation.receive_block().await;
        stream.seal(&gateway).await;
        send_sealed(&mut conversation, &writer, &block).await;
        (send_final_number(&mut store, NO_VALUE).await, conversation)
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.post(&path).body("event")), play);
    Problem::of(answer, 409, "segment_sealed").changed_nothing();
}

#[tokio::test]
async fn missing_segment_is_409_if_the_controller_says_that_the_stream_is_sealed() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let mut conversation = store.conversation().await;
        let writer = conversation.receive_setup().await;
        stream.seal(&gateway).await;
        conversation.send(no_such_segment(&writer, writer.request_id)).await;
        conversation
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    Problem::of(answer, 409, "stream_sealed").changed_nothing();
}

#[tokio::test]
async fn missing_segment_is_404_if_the_controller_says_that_the_stream_is_deleted() {
    for on_set_up in [true, false] {
        let (mut store, gateway, stream) = scripted(&[]).await;
        let play = async {
            let mut conversation = store.conversation().await;
            let writer = conversation.receive_setup().await;
            let request_id = if on_set_up {
                writer.request_id
            } else {
                conversation.send_set_up(&writer, NO_VALUE).await;
                conversation.receive_block().await.request_id
            };
            stream.seal(&gateway).await;
            stream.delete(&gateway).await;
            conversation.send(no_such_segment(&writer, request_id)).await;
            conversation
        };
        let (answer, _open) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
        Problem::of(answer, 404, "stream_not_found").changed_nothing();
    }
}

#[tokio::test]
async fn missing_segment_is_asked_for_again_while_the_controller_says_that_it_is_there() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let mut conversation = store.conversation().await;
        let writer = conversation.receive_setup().await;
        conversation.send(no_such_segment(&writer, writer.request_id)).await;
        let (mut second, _) = store.new_writer().await;
        let block = second.receive_block().await;
        second.acknowledge(&block, NO_VALUE, 13).await;
        conversation
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    answer.expect(201);
}

#[tokio::test]
async fn writer_that_the_store_does_not_let_in_is_502() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let play = async {
        let mut conversation = store.conversation().await;
        let request_id = conversation.receive_setup().await.request_id;
        let (server_stack_trace, error_code) = (JavaStr::default(), AuthErrorCode(0));
        conversation.send(AuthTokenCheckFailed { request_id, server_stack_trace, error_code }).await;
        conversation
    };
    let (answer, _open) = tokio::join!(Answer::of(gateway.post(&stream.events()).body("event")), play);
    Problem::of(answer, 502, "upstream_error").says("AuthTokenCheckFailed").changed_nothing();
}
