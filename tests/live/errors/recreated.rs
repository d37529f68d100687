//! Streams that are sealed, deleted and recreated while a gateway has them cached.

use futures::future::join_all;
use reqwest::RequestBuilder;
use tokio::sync::watch;
use tokio::time::timeout;

use super::gateway_and_stream;
use crate::support::ledger::{Ledger, Outcome, path, payload};
use crate::support::problem::{Problem, refused};
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, PATIENCE, Stream};

const POSTERS: usize = 16;

/// Posts one event after another, each acknowledged, until the stream is sealed; returns how many there were.
async fn post_until_sealed(
    gateway: &Gateway,
    stream: &Stream,
    key: &str,
    acknowledged: &watch::Sender<usize>,
) -> usize {
    for number in 0.. {
        let answer = Answer::of(gateway.post(&path(stream, key)).body(payload(key, number, 50))).await;
        if answer.status != 201 {
            Problem::of(answer, 409, "stream_sealed").changed_nothing();
            return number;
        }
        acknowledged.send_modify(|count| *count += 1);
    }
    unreachable!("numbers have no end")
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_is_sealed_under_load_keeps_what_was_acknowledged_and_nothing_else() {
    let (gateway, stream) = gateway_and_stream(3).await;
    let acknowledged = watch::Sender::new(0);
    let keys: Vec<_> = (0..POSTERS).map(|number| format!("poster{number}")).collect();
    let posters = join_all(keys.iter().map(|key| post_until_sealed(&gateway, &stream, key, &acknowledged)));
    let sealing = async {
        acknowledged.subscribe().wait_for(|count| *count >= 10 * POSTERS).await.expect("the sender is ours");
        stream.seal(&gateway).await;
    };
    let (counts, ()) = tokio::join!(posters, sealing);
    let mut ledger = Ledger::default();
    keys.iter().zip(counts).for_each(|(key, count)| ledger.record(key, vec![Outcome::Stored; count]));
    ledger.check(stream.read_all(&gateway).await.iter().map(|event| &event.payload));
}

#[tokio::test]
async fn stream_made_anew_is_written_to_by_a_gateway_that_was_told_of_its_end() {
    // Must not depend on anything that is learned late.
    let gateway = Gateway::ready(&["--set", "controller.segments-ttl=10m"]).await;
    let stream = Stream::create(&gateway, 2).await;
    let post = || gateway.post(&stream.events()).body("event");
    stream.append(&gateway, None, "old").await;
    stream.seal(&gateway).await;
    refused(post(), 409, "stream_sealed").await;
    stream.delete(&gateway).await;
    await_status(post, 409, 404).await;
    refused(gateway.get(&format!("{}&segment=0", stream.events())), 404, "stream_not_found").await;
    stream.create_again(&gateway).await;
    await_status(post, 404, 201).await;
    assert_eq!(stored(&gateway, &stream).await, ["event"]);
}

/// Repeats a request until the answer has this status; for a moment it may have the previous one.
async fn await_status(request: impl Fn() -> RequestBuilder, before: u16, status: u16) -> Answer {
    let asking = async {
        loop {
            let answer = Answer::of(request()).await;
            if answer.status == status {
                return answer;
            }
            answer.expect(before);
        }
    };
    timeout(PATIENCE, asking).await.expect("the gateway finds out")
}

#[tokio::test]
async fn stream_made_anew_is_written_to_by_a_gateway_that_knows_the_old_one() {
    let (gateway, stream) = gateway_and_stream(2).await;
    for number in 0..10 {
        stream.append(&gateway, Some(&number.to_string()), "old").await;
    }
    let other = Gateway::ready(&[]).await;
    stream.seal(&other).await;
    stream.delete(&other).await;
    stream.create_again(&other).await;

    let keys = (0..10).map(|number| number.to_string());
    let all = join_all(keys.map(|key| {
        let (gateway, stream) = (&gateway, &stream);
        async move { stream.append(gateway, Some(&key), "new").await }
    }));
    assert_eq!(all.await.len(), 10);
    assert_eq!(stored(&gateway, &stream).await, ["new"; 10]);
}

/// The payloads of a stream of two segments, whatever their ids.
async fn stored(gateway: &Gateway, stream: &Stream) -> Vec<String> {
    let listed = await_status(|| gateway.get(&stream.events()), 404, 400).await.json();
    let mut all = Vec::new();
    for segment in listed["segments"].as_array().expect("the segments") {
        let (number, _) = segment.as_str().and_then(|id| id.split_once('.')).expect("NUMBER.#epoch.EPOCH");
        let events = stream.read_segment(gateway, number.parse().expect("a number")).await;
        all.extend(payloads(&events).iter().map(|payload| String::from_utf8_lossy(payload).into_owned()));
    }
    all
}
