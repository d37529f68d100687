//! Stores that accept a connection or a request and never answer.

use std::time::Duration;

use futures::future::join_all;
use pravega_protocol::wire::{NO_VALUE, WireCommand};
use serde_json::json;
use tokio::net::TcpListener;

use super::{calls, scripted};
use crate::support::metrics::sample;
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

#[tokio::test]
async fn events_for_a_store_that_is_silent_hold_a_part_of_the_budget_and_no_more() {
    let settings = ["--set", "limits.bytes-in-flight=1MiB", "--set", "limits.caller-share=100%"];
    let (mut store, gateway, stream) = scripted(&settings).await;
    let post = || gateway.post(&stream.events()).header("Request-Timeout", "20s").body(vec![b'x'; 100 * 1024]);
    let first = tokio::spawn(Answer::of(post()));
    let (mut conversation, _) = store.new_writer().await;
    let block = conversation.receive_block().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let second = tokio::spawn(Answer::of(post()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let problem = Problem::of(Answer::of(post()).await, 503, "store_unavailable");
    problem.says("does not answer").changed_nothing();
    assert!(sample(&gateway, "pravega_gateway_budget_available_bytes").await > 700.0 * 1024.0);

    conversation.acknowledge(&block, NO_VALUE, 102_408).await;
    first.await.expect("it does not panic").expect(201);
    let next = conversation.receive_block().await;
    conversation.acknowledge(&next, block.last_number, 2 * 102_408).await;
    second.await.expect("it does not panic").expect(201);
}

#[tokio::test]
async fn event_whose_request_was_answered_gives_its_bytes_back_though_the_store_is_silent() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let before = sample(&gateway, "pravega_gateway_budget_available_bytes").await;
    let post = gateway.post(&stream.events()).header("Request-Timeout", "1s").body(vec![b'x'; 100 * 1024]);
    let play = async {
        let (mut conversation, _) = store.new_writer().await;
        conversation.receive_block().await;
        conversation
    };
    let (answer, _silent) = tokio::join!(Answer::of(post), play);
    Problem::of(answer, 503, "deadline_exceeded").may_have_happened();
    let looking = async {
        while sample(&gateway, "pravega_gateway_budget_available_bytes").await < before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), looking).await.expect("long before the session is given up");
}
