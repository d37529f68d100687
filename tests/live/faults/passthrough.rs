//! Raw messages and commands by fields on failing connections.

use pravega_protocol::wire::{
    Data, DelegationToken, EventNumber, GetStreamSegmentInfo, InvalidEventNumber, JavaStr, NO_VALUE, Offset, RequestId,
    Segment, SegmentRead, WireCommand, WrongHost,
};
use reqwest::RequestBuilder;
use serde_json::json;
use uuid::Uuid;

use super::scripted;
use crate::support::problem::Problem;
use crate::support::scripted_store::{Block, Conversation, ScriptedStore};
use crate::support::wire::{decode_all, encode_all, framed};
use crate::support::{Answer, Gateway, Stream};

/// Requests for the state of the stream's segment, as a raw message and by fields.
fn questions(gateway: &Gateway, stream: &Stream) -> [RequestBuilder; 2] {
    let request = GetStreamSegmentInfo {
        request_id: RequestId(77),
        segment_name: segment(stream),
        delegation_token: DelegationToken::none(),
    };
    let payload = WireCommand::from(request).payload();
    let raw = gateway.put("/v1/events").header("Message-Type", "GetStreamSegmentInfo");
    let raw = raw.header("Message-Length", payload.len()).body(payload);
    let name = stream.segment(0).replace('#', "%23");
    [raw, gateway.post(&format!("/v1/wire/GetStreamSegmentInfo?segment={name}&requestId=77"))]
}

fn segment(stream: &Stream) -> Segment {
    Segment(JavaStr::new(stream.segment(0)).expect("a short name"))
}

fn wrong_host(stream: &Stream) -> WrongHost {
    let nothing = JavaStr::default();
    let segment = segment(stream);
    WrongHost { request_id: RequestId(77), segment, correct_host: nothing.clone(), server_stack_trace: nothing }
}

/// The request as the client sent it.
async fn receive_question(conversation: &mut Conversation) -> GetStreamSegmentInfo {
    let question = conversation.receive_question().await;
    assert_eq!(question.request_id, RequestId(77));
    question
}

#[tokio::test]
async fn message_that_is_never_answered_is_502_with_the_outcome_unknown() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    for question in questions(&gateway, &stream) {
        let answer = Answer::of(question.header("Request-Timeout", "1s"));
        let play = async {
            let mut conversation = store.conversation().await;
            receive_question(&mut conversation).await;
            conversation
        };
        let (answer, _silent) = tokio::join!(answer, play);
        Problem::of(answer, 502, "outcome_unknown").says("in time").may_have_happened();
    }
}

#[tokio::test]
async fn connection_that_closes_without_an_answer_is_502_with_the_outcome_unknown() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    for question in questions(&gateway, &stream) {
        let play = async {
            let mut conversation = store.conversation().await;
            receive_question(&mut conversation).await;
        };
        let (answer, ()) = tokio::join!(Answer::of(question), play);
        Problem::of(answer, 502, "outcome_unknown").says("closed").may_have_happened();
    }
}

#[tokio::test]
async fn bytes_that_are_no_frame_are_502_with_the_outcome_unknown() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    for question in questions(&gateway, &stream) {
        let play = async {
            let mut conversation = store.conversation().await;
            receive_question(&mut conversation).await;
            conversation.send_bytes(&[0, 0, 0, 12, 0xff, 0xff, 0xff, 0xff]).await;
            conversation
        };
        let (answer, _open) = tokio::join!(Answer::of(question), play);
        Problem::of(answer, 502, "outcome_unknown").says("negative length").may_have_happened();
    }
}

#[tokio::test]
async fn segment_that_moved_is_asked_for_again() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    for question in questions(&gateway, &stream) {
        let play = async {
            let mut first = store.conversation().await;
            receive_question(&mut first).await;
            first.send(wrong_host(&stream)).await;
            let mut second = store.conversation().await;
            let question = receive_question(&mut second).await;
            second.send_state(question, false).await;
        };
        let (answer, ()) = tokio::join!(Answer::of(question), play);
        assert_eq!(answer.expect(200).header("message-name"), "StreamSegmentInfo");
    }
}

/// Sends a request while the store keeps replying that the segment is elsewhere.
async fn ask_for_what_moves(store: &mut ScriptedStore, stream: &Stream, question: RequestBuilder) -> Answer {
    let answering = async {
        loop {
            let mut conversation = store.conversation().await;
            receive_question(&mut conversation).await;
            conversation.send(wrong_host(stream)).await;
        }
    };
    tokio::select! {
        answer = Answer::of(question.header("Request-Timeout", "1s")) => answer,
        () = answering => unreachable!("the store never stops answering"),
    }
}

#[tokio::test]
async fn segment_that_moves_on_and_on_is_503_at_the_deadline() {
    const TRIES: usize = 5;
    let (mut store, gateway, stream) = scripted(&[]).await;
    for kind in 0..questions(&gateway, &stream).len() {
        let mut was_told = false;
        for _ in 0..TRIES {
            let question = questions(&gateway, &stream).into_iter().nth(kind).expect("one of each kind");
            let answer = ask_for_what_moves(&mut store, &stream, question).await;
            if answer.status == 503 {
                was_told = true;
                break;
            }
            // The deadline expired between a request and its reply.
            Problem::of(answer, 502, "outcome_unknown");
        }
        assert!(was_told, "the deadline does not come there {TRIES} times");
    }
}

#[tokio::test]
async fn append_by_fields_that_is_never_acknowledged_is_502_that_keeps_the_earlier_reply() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let path = format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"));
    let post = Answer::of(gateway.post(&path).header("Request-Timeout", "1s").body("event"));
    let play = async {
        let (mut conversation, _) = store.new_writer().await;
        (conversation.receive_block().await, conversation)
    };
    let (answer, (block, _silent)) = tokio::join!(post, play);
    assert_eq!((block.payloads, block.last_number), (vec!["event".into()], 0));
    let problem = Problem::of(answer, 502, "outcome_unknown");
    problem.may_have_happened();
    assert_eq!(problem.member("replies").as_array().map(Vec::len), Some(1), "AppendSetup had come");
}

#[tokio::test]
async fn append_by_fields_goes_on_after_the_number_that_the_store_tells() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let path = format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"));
    for (last, expected) in [(NO_VALUE, 0), (41, 42)] {
        let play = async {
            let (mut conversation, _) = store.writer(last).await;
            let block = conversation.receive_block().await;
            conversation.acknowledge(&block, last, 13).await;
            block.last_number
        };
        let (answer, number) = tokio::join!(Answer::of(gateway.post(&path).body("event")), play);
        assert_eq!(answer.expect(200).header("message-name"), "DataAppended");
        assert_eq!(number, expected);
    }
}

#[tokio::test]
async fn sequence_for_a_segment_that_moved_is_carried_out_once() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let (writer, block) = (Uuid::new_v4().to_string(), framed(b"once"));
    let question = json!({ "requestId": 77, "segmentName": stream.segment(0), "delegationToken": "" });
    let set_up = json!({ "requestId": 1, "writerId": writer, "segment": stream.segment(0), "delegationToken": "" });
    let append = json!({ "writerId": writer, "data": { "hex": hex::encode(&block) } });
    let end = json!({
        "writerId": writer, "sizeOfWholeEvents": block.len(), "data": { "hex": "" }, "numEvents": 1,
        "lastEventNumber": 0, "requestId": 2,
    });
    let body = encode_all(&[
        ("GetStreamSegmentInfo", question),
        ("SetupAppend", set_up),
        ("AppendBlock", append),
        ("AppendBlockEnd", end),
    ])
    .await;
    let request = gateway.put("/v1/events").header("Content-Type", "application/vnd.pravega.wire").body(body);
    let play = async {
        let mut first = store.conversation().await;
        receive_question(&mut first).await;
        first.send(wrong_host(&stream)).await;
        assert_eq!(first.receive().await, None, "what follows is not sent to a store that is the wrong one");
        let mut second = store.conversation().await;
        let question = receive_question(&mut second).await;
        second.send_state(question, false).await;
        let writer = second.receive_setup().await;
        second.send_set_up(&writer, NO_VALUE).await;
        let block = second.receive_block().await;
        second.acknowledge(&block, NO_VALUE, 12).await;
    };
    let (answer, ()) = tokio::join!(Answer::of(request), play);
    assert_eq!(names(&answer.expect(200)).await, ["StreamSegmentInfo", "AppendSetup", "DataAppended"]);
}

#[tokio::test]
async fn sequence_of_which_something_was_answered_is_not_sent_again() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let question = |id: i64| json!({ "requestId": id, "segmentName": stream.segment(0), "delegationToken": "" });
    let body = encode_all(&[("GetStreamSegmentInfo", question(77)), ("GetStreamSegmentInfo", question(78))]).await;
    let request = gateway.put("/v1/events").header("Content-Type", "application/vnd.pravega.wire").body(body);
    let play = async {
        let mut conversation = store.conversation().await;
        receive_question(&mut conversation).await;
        let second = conversation.receive_question().await;
        conversation.send(wrong_host(&stream)).await;
        conversation.send_state(second, false).await;
    };
    let (answer, ()) = tokio::join!(Answer::of(request), play);
    assert_eq!(names(&answer.expect(503)).await, ["WrongHost", "StreamSegmentInfo"]);
    let again = tokio::time::timeout(std::time::Duration::from_millis(300), store.conversation()).await;
    assert!(again.is_err(), "nothing is sent a second time");
}

/// The names of the replies in an answer to a sequence.
async fn names(answer: &Answer) -> Vec<String> {
    let replies = decode_all(&answer.body).await;
    replies.iter().map(|reply| reply["name"].as_str().expect("a name").to_owned()).collect()
}

/// Refuses a block because its number is used up.
async fn refuse_number(conversation: &mut Conversation, block: &Block) {
    let Block { writer_id, request_id, last_number, .. } = *block;
    let (event_number, server_stack_trace) = (EventNumber(last_number), JavaStr::default());
    conversation.send(InvalidEventNumber { writer_id, event_number, server_stack_trace, request_id }).await;
}

#[tokio::test]
async fn append_by_fields_whose_number_was_used_meanwhile_takes_the_next_one() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let path = format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"));
    let play = async {
        let (mut first, _) = store.new_writer().await;
        let block = first.receive_block().await;
        refuse_number(&mut first, &block).await;
        let (mut second, _) = store.writer(0).await;
        let block = second.receive_block().await;
        second.acknowledge(&block, 0, 26).await;
        block.last_number
    };
    let (answer, number) = tokio::join!(Answer::of(gateway.post(&path).body("event")), play);
    assert_eq!((answer.expect(200).header("message-name"), number), ("DataAppended", 1));
}

#[tokio::test]
async fn number_that_the_caller_chose_is_refused_if_it_was_used() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let path = format!("/v1/wire/Event?eventNumber=5&segment={}", stream.segment(0).replace('#', "%23"));
    let play = async {
        let (mut conversation, _) = store.new_writer().await;
        let block = conversation.receive_block().await;
        refuse_number(&mut conversation, &block).await;
    };
    let (answer, ()) = tokio::join!(Answer::of(gateway.post(&path).body("event")), play);
    assert_eq!(answer.expect(409).header("message-name"), "InvalidEventNumber");
}

#[tokio::test]
async fn answer_for_which_there_is_no_room_is_503_where_the_command_only_read() {
    let (mut store, gateway, stream) =
        scripted(&["--set", "limits.bytes-in-flight=64KiB", "--set", "limits.budget-wait=0s"]).await;
    let path = format!("/v1/wire/ReadSegment?offset=0&suggestedLength=100000&segment={}", stream.segment(0));
    let play = async {
        let mut conversation = store.conversation().await;
        let Some(WireCommand::ReadSegment(read)) = conversation.receive().await else { panic!("not a read") };
        let (offset, data) = (Offset(0), Data::from(bytes::Bytes::from(vec![0; 100_000])));
        let (segment, at_tail, end_of_segment) = (read.segment, false, false);
        let reply = SegmentRead { segment, offset, at_tail, end_of_segment, data, request_id: read.request_id };
        conversation.send(reply).await;
    };
    let (answer, ()) = tokio::join!(Answer::of(gateway.post(&path.replace('#', "%23"))), play);
    Problem::of(answer, 503, "overloaded").changed_nothing();
}
