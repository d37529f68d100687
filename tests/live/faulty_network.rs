//! A network between gateway and store that cuts, stalls and splits.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::watch;

use crate::support::fault::Faults;
use crate::support::foreign::{java, read_by_epochs};
use crate::support::ledger::{Ledger, Outcome, path, payload};
use crate::support::proxy::Proxy;
use crate::support::upload::upload;
use crate::support::{Answer, Gateway, Pravega, Stream};

const CLIENTS: usize = 16;
const FAULTS: usize = 100;

/// A deadline shorter than many stalls; every fourth client uses it.
const SHORT: &str = "300ms";

/// Payloads are shorter than this.
const LONGEST: usize = 3_000;

/// Number of segments after each scale during the test; a stream never has fewer than it was created with.
const TARGETS: [&str; 5] = ["6", "4", "9", "5", "4"];

/// Events of a client after the last fault, all of which must be acknowledged.
const AFTERWARDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs ./scripts/test"]
async fn what_callers_are_told_is_true_whatever_the_network_does() {
    check(async |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs ./scripts/test"]
async fn what_callers_are_told_is_true_also_while_the_stream_scales() {
    let scale = async |stream: &Stream| {
        java("scale", stream, &TARGETS, "").await.success();
    };
    check(scale).await;
}

/// Injects faults into posts and an upload while something happens to the stream.
async fn check(happen: impl AsyncFnOnce(&Stream)) {
    let seed = rand::random();
    println!("seed {seed}");
    let faults = Arc::new(Faults::new(seed, FAULTS));
    let proxy = Proxy::start(&Pravega::of_this_run().store, faults.clone()).await;
    let gateway = Gateway::start(&Pravega::of_this_run(), &["--segment-store-rewrite", &proxy.rule()]).await;
    let stream = Stream::create(&gateway, 4).await;

    let (over, is_over) = watch::channel(false);
    let clients = join_all((0..CLIENTS).map(|client| post(&gateway, &stream, client, is_over.clone())));
    let lines = upload(gateway.post(&path(&stream, "lines")), "lines", is_over);
    let happening = async {
        let ((), happened) = tokio::join!(happen(&stream), faults.await_end());
        over.send_replace(true);
        happened
    };
    let (clients, lines, happened) = tokio::join!(clients, lines, happening);

    let mut ledger = Ledger::default();
    clients.into_iter().enumerate().for_each(|(client, outcomes)| ledger.record(&key(client), outcomes));
    ledger.record("lines", lines);
    let counts = [Outcome::Stored, Outcome::MayBeStored, Outcome::NotStored].map(|outcome| ledger.count(outcome));
    println!("{happened:?}; stored, may be stored, not stored: {counts:?}");
    assert!(happened.cuts > 0 && happened.stalls > 0 && happened.splits > 0, "{happened:?}");
    drop(gateway);
    // Nothing still in flight can be stored after the seal.
    stream.seal(&Gateway::ready(&[]).await).await;
    ledger.check(read_by_epochs(&stream).await);
}

fn key(client: usize) -> String {
    format!("client{client}")
}

/// Posts one event after another until the faults are over, then a few that must be acknowledged.
async fn post(gateway: &Gateway, stream: &Stream, client: usize, is_over: watch::Receiver<bool>) -> Vec<Outcome> {
    let key = key(client);
    let event = |number| gateway.post(&path(stream, &key)).body(payload(&key, number, number * 997 % LONGEST));
    let mut outcomes = Vec::new();
    while !*is_over.borrow() {
        let request = event(outcomes.len());
        let request = if client.is_multiple_of(4) { request.header("Request-Timeout", SHORT) } else { request };
        outcomes.push(Outcome::of(Answer::of(request).await));
    }
    for _ in 0..AFTERWARDS {
        Answer::of(event(outcomes.len())).await.expect(201);
        outcomes.push(Outcome::Stored);
    }
    outcomes
}
