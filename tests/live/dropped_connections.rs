//! A message that makes the store hang up does not affect other callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use uuid::Uuid;

use crate::support::metrics::sample;
use crate::support::stream::payloads;
use crate::support::wire::path;
use crate::support::{Answer, Gateway, Stream};

/// A code that the protocol never assigned.
const UNKNOWN_TYPE: &str = "6";

const POSTERS: usize = 32;
const READERS: usize = 4;

#[tokio::test]
async fn message_that_the_store_hangs_up_on_is_502_and_disturbs_nobody() {
    let gateway = Arc::new(Gateway::ready(&[]).await);
    let stream = Arc::new(Stream::create(&gateway, 4).await);
    let done = Arc::new(AtomicBool::new(false));
    let posters = (0..POSTERS).map(|poster| tokio::spawn(post(gateway.clone(), stream.clone(), poster, done.clone())));
    let posters: Vec<_> = posters.collect();
    let readers =
        (0..READERS).map(|segment| tokio::spawn(read(gateway.clone(), stream.clone(), segment, done.clone())));
    let readers: Vec<_> = readers.collect();

    for _ in 0..25 {
        send_unknown_type(&gateway, &stream).await;
        send_too_low_a_number(&gateway, &stream).await;
    }

    done.store(true, Ordering::Relaxed);
    let mut posted: Vec<_> = join_all(posters).await.into_iter().flat_map(|task| task.expect("it passed")).collect();
    let reads: usize = join_all(readers).await.into_iter().map(|task| task.expect("it passed")).sum();
    assert!(posted.len() >= POSTERS && reads >= READERS, "{} posts, {reads} reads", posted.len());
    for kind in ["append", "read"] {
        let reconnects = sample(&gateway, &format!("pravega_gateway_store_reconnects_total{{kind=\"{kind}\"}}")).await;
        assert_eq!(reconnects, 0.0, "no shared session was lost");
    }
    let stored = stream.read_all(&gateway).await;
    let mut stored: Vec<_> = payloads(&stored).into_iter().filter(|payload| payload.starts_with(b"poster")).collect();
    stored.sort_unstable();
    posted.sort_unstable();
    assert_eq!(stored, posted.iter().map(String::as_bytes).collect::<Vec<_>>(), "each once");
}

async fn send_unknown_type(gateway: &Gateway, stream: &Stream) {
    let request = gateway.put(&format!("{}&segment=0", stream.events()));
    let request = request.header("Message-Type", UNKNOWN_TYPE).header("Message-Length", "4").body("oops");
    expect_outcome_unknown(&Answer::of(request).await);
}

/// Two appends by fields, the second with a lower number than the first.
async fn send_too_low_a_number(gateway: &Gateway, stream: &Stream) {
    let path = format!("{}&writerId={}", path("Event", stream, 0), Uuid::new_v4());
    let numbered = |number: u32| gateway.post(&format!("{path}&eventNumber={number}")).body("numbered");
    Answer::of(numbered(5)).await.expect(200);
    expect_outcome_unknown(&Answer::of(numbered(3)).await);
}

fn expect_outcome_unknown(answer: &Answer) {
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!((&problem["code"], &problem["sideEffects"]), (&"outcome_unknown".into(), &"possible".into()));
}

/// Posts one event after another, each of which must be acknowledged; returns them.
async fn post(gateway: Arc<Gateway>, stream: Arc<Stream>, poster: usize, done: Arc<AtomicBool>) -> Vec<String> {
    let mut posted = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let payload = format!("poster {poster} event {}", posted.len());
        stream.append(&gateway, Some(&poster.to_string()), payload.as_str()).await;
        posted.push(payload);
    }
    posted
}

/// Reads a segment repeatedly; returns how often.
async fn read(gateway: Arc<Gateway>, stream: Arc<Stream>, segment: usize, done: Arc<AtomicBool>) -> usize {
    let mut reads = 0;
    while !done.load(Ordering::Relaxed) {
        let path = format!("{}&segment={segment}&count=50", stream.events());
        Answer::of(gateway.get(&path)).await.expect(200);
        reads += 1;
    }
    reads
}
