//! Stores that accept a connection or a request and never answer.

use futures::future::join_all;
use pravega_protocol::wire::{NO_VALUE, WireCommand};
use serde_json::json;
use tokio::net::TcpListener;

use super::{calls, scripted};
use crate::support::problem::Problem;
use crate::support::{Answer, Gateway, Pravega, Stream};

/// A store that accepts connections and sends nothing, not even Hello, and a gateway that has no other store.
async fn mute(arguments: &[&str]) -> (TcpListener, Gateway, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let rule = format!("*:*={}", listener.local_addr().expect("it is bound"));
    let arguments = [&["--segment-store-rewrite", &rule], arguments].concat();
    let gateway = Gateway::start(&Pravega::of_this_run(), &arguments).await;
    let stream = Stream::create(&gateway, 1).await;
    (listener, gateway, stream)
}

#[tokio::test]
async fn store_that_never_says_hello_is_503_at_the_callers_deadline() {
    let (_store, gateway, stream) = mute(&[]).await;
    let calls = calls(&gateway, &stream).map(|call| call.header("Request-Timeout", "1s"));
    for answer in join_all(calls.map(Answer::of)).await {
        Problem::of(answer, 503, "deadline_exceeded").says("1s").changed_nothing();
    }
}

#[tokio::test]
async fn store_that_never_says_hello_is_503_at_the_configured_deadline() {
    let patient = "segment-store.connect-timeout=30s";
    let (_store, gateway, stream) = mute(&["--set", "request.timeout=5s", "--set", patient]).await;
    let asked_for_more = calls(&gateway, &stream).map(|call| call.header("Request-Timeout", "1h"));
    let calls = calls(&gateway, &stream).into_iter().chain(asked_for_more);
    for answer in join_all(calls.map(Answer::of)).await {
        Problem::of(answer, 503, "deadline_exceeded").says("5s").changed_nothing();
    }
}

#[tokio::test]
async fn store_that_never_says_hello_is_given_up_before_a_long_deadline() {
    let (_store, gateway, stream) = mute(&["--set", "segment-store.connect-timeout=300ms"]).await;
    for call in calls(&gateway, &stream) {
        let problem = Problem::of(Answer::of(call).await, 503, "store_unavailable");
        problem.says("300ms").changed_nothing();
    }
}

#[tokio::test]
async fn event_that_is_never_acknowledged_is_503_and_may_be_stored() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let post = Answer::of(gateway.post(&stream.events()).header("Request-Timeout", "1s").body("event"));
    let play = async {
        let (mut conversation, _) = store.new_writer().await;
        (conversation.receive_block().await, conversation)
    };
    let (answer, (block, _silent)) = tokio::join!(post, play);
    assert_eq!(block.payloads, ["event"]);
    Problem::of(answer, 503, "deadline_exceeded").says("1s").may_have_happened();
}

#[tokio::test]
async fn event_that_waits_for_its_writer_is_503_and_not_stored() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let post = Answer::of(gateway.post(&stream.events()).header("Request-Timeout", "1s").body("event"));
    let play = async {
        let mut conversation = store.conversation().await;
        (conversation.receive_setup().await, conversation)
    };
    let (answer, (writer, mut conversation)) = tokio::join!(post, play);
    Problem::of(answer, 503, "deadline_exceeded").changed_nothing();

    // The promise holds when the store wakes up: only later events are sent.
    conversation.send_set_up(&writer, NO_VALUE).await;
    let later = Answer::of(gateway.post(&stream.events()).body("later"));
    let play = async {
        let block = conversation.receive_block().await;
        conversation.acknowledge(&block, NO_VALUE, 13).await;
        block
    };
    let (answer, block) = tokio::join!(later, play);
    answer.expect(201);
    assert_eq!(block.payloads, ["later"]);
}

#[tokio::test]
async fn lines_that_are_never_acknowledged_are_503_with_reports_that_say_so() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let request = gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson").body("a\nb\nc\n");
    let post = Answer::of(request.header("Request-Timeout", "1s"));
    let play = async {
        let (mut conversation, _) = store.new_writer().await;
        (conversation.receive_block().await, conversation)
    };
    let (answer, _silent) = tokio::join!(post, play);
    let problem = Problem::of(answer, 503, "deadline_exceeded");
    problem.may_have_happened();
    let reports = problem.member("reports").as_array().expect("reports");
    assert_eq!(reports.iter().map(|report| report["count"].as_u64().expect("a count")).sum::<u64>(), 3);
    assert!(reports.iter().all(|report| report["status"] == json!(503)), "{reports:?}");
}

#[tokio::test]
async fn read_that_is_never_answered_is_503_without_side_effects() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let get = Answer::of(gateway.get(&stream.events()).header("Request-Timeout", "1s"));
    let play = async {
        let mut conversation = store.conversation().await;
        (conversation.receive().await, conversation)
    };
    let (answer, (question, _silent)) = tokio::join!(get, play);
    assert!(matches!(question, Some(WireCommand::GetStreamSegmentInfo(_))), "{question:?}");
    Problem::of(answer, 503, "deadline_exceeded").changed_nothing();
}
