//! More bytes in flight than the budget allows.

use super::await_available;
use crate::support::problem::Problem;
use crate::support::raw_client::RawClient;
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

const MIB: usize = 1024 * 1024;

/// What an announced body takes before it comes.
const FIRST_BYTES: usize = 256;

/// A gateway with a budget of 1 MiB, and a stream of one event.
async fn small_gateway() -> (Gateway, Stream) {
    let everything = ["--set", "limits.bytes-in-flight=1MiB", "--set", "limits.caller-share=100%"];
    let gateway = Gateway::ready(&everything).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "before").await;
    (gateway, stream)
}

/// A body that lacks only its last byte, and takes the whole budget but that.
async fn hold_everything(gateway: &Gateway, stream: &Stream) -> RawClient {
    let length = format!("Content-Length: {MIB}");
    let mut client = RawClient::begin(gateway, "POST", &stream.events(), &[&length]).await;
    client.send(vec![b'x'; MIB - 1]).await;
    await_available(gateway, 1.0).await;
    client
}

#[tokio::test]
async fn body_that_is_announced_takes_only_what_has_come() {
    let (gateway, stream) = small_gateway().await;
    let split = format!("{}&split=/items", stream.events());
    let announced = format!("Content-Length: {MIB}");
    let mut silent = Vec::new();
    for (method, path, headers) in [
        ("POST", split.as_str(), &[announced.as_str()][..]),
        ("PUT", "/v1/events", &[&announced, "Content-Type: application/vnd.pravega.wire"]),
        ("POST", &stream.events(), &[&announced]),
    ] {
        silent.push(RawClient::begin(&gateway, method, path, headers).await);
    }
    silent[0].send("[").await;
    await_available(&gateway, (MIB - 3 * FIRST_BYTES) as f64).await;
    stream.append(&gateway, None, vec![b'x'; MIB / 2]).await;
    let answer = Answer::of(gateway.post(&split).body("{\"items\":[1,2]}")).await.expect(200).json();
    assert_eq!(answer["events"], 2);
}

#[tokio::test]
async fn requests_beyond_the_budget_are_503_that_say_when_to_come_again() {
    let (gateway, stream) = small_gateway().await;
    let slow = hold_everything(&gateway, &stream).await;
    let by_fields = format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"));
    let calls = [
        gateway.post(&stream.events()).body("event"),
        gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson").body("event\n"),
        gateway.post(&by_fields).body("event"),
        gateway.get(&stream.events()),
    ];
    for call in calls {
        let problem = Problem::of(Answer::of(call).await, 503, "overloaded");
        problem.changed_nothing().says("limits.bytes-in-flight");
        assert_eq!(*problem.member("retryable"), true);
    }
    drop(slow);
    await_available(&gateway, MIB as f64).await;
    stream.append(&gateway, None, "after").await;
    assert_eq!(payloads(&stream.read_all(&gateway).await), [&b"before"[..], b"after"]);
}

#[tokio::test]
async fn body_larger_than_the_whole_budget_is_413_at_once() {
    let (gateway, stream) = small_gateway().await;
    let request = gateway.post(&stream.events()).body(vec![b'x'; MIB + 1]);
    let problem = Problem::of(Answer::of(request).await, 413, "body_too_large");
    problem.changed_nothing().says("limits.bytes-in-flight");
    Answer::of(gateway.post(&stream.events()).body(vec![b'x'; MIB])).await.expect(201);
}

#[tokio::test]
async fn request_that_waits_for_the_budget_goes_on_when_there_is_room() {
    let gateway = Gateway::ready(&["--set", "limits.bytes-in-flight=1MiB", "--set", "limits.budget-wait=1m"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let mut slow = hold_everything(&gateway, &stream).await;
    let waiting = Answer::of(gateway.post(&stream.events()).body("waited"));
    let finishing = async {
        slow.send("x").await;
        slow.answer().await.expect(201)
    };
    let (waited, first) = tokio::join!(waiting, finishing);
    assert_eq!(first.json()["offset"], 0);
    assert_eq!(waited.expect(201).json()["offset"], MIB + 8);
}

#[tokio::test]
async fn page_is_lowered_to_what_the_budget_holds() {
    let (gateway, stream) = small_gateway().await;
    for _ in 0..3 {
        stream.append(&gateway, None, vec![b'x'; MIB / 2]).await;
    }
    let lengths: Vec<_> = stream.read_all(&gateway).await.iter().map(|event| event.payload.len()).collect();
    assert_eq!(lengths, ["before".len(), MIB / 2, MIB / 2, MIB / 2]);
}
