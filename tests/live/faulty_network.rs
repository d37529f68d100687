//! A network between gateway and store that cuts, stalls and splits.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::watch;

use crate::support::fault::Faults;
use crate::support::foreign::{java, read_by_epochs};
use crate::support::ledger::{Ledger, Told, path, payload};
use crate::support::proxy::Proxy;
use crate::support::upload::upload;
use crate::support::{Answer, Gateway, Pravega, Stream};

const CLIENTS: usize = 16;
const FAULTS: usize = 100;

/// A deadline that many stalls exceed; every fourth client has it.
const SHORT: &str = "300ms";

/// Payloads are shorter than this.
const LONGEST: usize = 3_000;

/// Segments after each of the scales that happen meanwhile; a stream never has fewer than it was made with.
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

/// Lets faults happen to posts and an upload, and something to the stream at the same time.
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
    clients.into_iter().enumerate().for_each(|(client, told)| ledger.enter(&key(client), told));
    ledger.enter("lines", lines);
    let counts = [Told::Stored, Told::MayBeStored, Told::NotStored].map(|told| ledger.count(told));
    println!("{happened:?}; stored, may be stored, not stored: {counts:?}");
    assert!(happened.cuts > 0 && happened.stalls > 0 && happened.splits > 0, "{happened:?}");
    drop(gateway);
    // Nothing that is still on its way gets in after the seal.
    stream.seal(&Gateway::ready(&[]).await).await;
    ledger.check(read_by_epochs(&stream).await);
}

fn key(client: usize) -> String {
    format!("client{client}")
}

/// Posts one event after the other until the faults are over, then a few that must be acknowledged.
async fn post(gateway: &Gateway, stream: &Stream, client: usize, is_over: watch::Receiver<bool>) -> Vec<Told> {
    let key = key(client);
    let event = |number| gateway.post(&path(stream, &key)).body(payload(&key, number, number * 997 % LONGEST));
    let mut told = Vec::new();
    while !*is_over.borrow() {
        let request = event(told.len());
        let request = if client.is_multiple_of(4) { request.header("Request-Timeout", SHORT) } else { request };
        told.push(Told::by(Answer::of(request).await));
    }
    for _ in 0..AFTERWARDS {
        Answer::of(event(told.len())).await.expect(201);
        told.push(Told::Stored);
    }
    told
}
