//! Streams that scale while they are written to.

use futures::future::join_all;
use tokio::sync::watch;

use crate::support::foreign::{java, read_by_epochs};
use crate::support::ledger::{Ledger, Outcome, path, payload};
use crate::support::upload::upload;
use crate::support::{Answer, Gateway, Stream};

const POSTERS: usize = 16;
const UPLOADERS: usize = 2;

/// Number of segments after each of 20 scales, which split, merge, or do both.
const TARGETS: [&str; 20] =
    ["2", "4", "3", "6", "2", "5", "1", "3", "8", "4", "7", "2", "1", "4", "6", "3", "5", "2", "8", "1"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs ./scripts/test"]
async fn every_event_is_there_once_and_in_order_of_its_key_after_twenty_scales() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let (stop, stopped) = watch::channel(false);
    let posters = join_all((0..POSTERS).map(|number| {
        let key = format!("poster{number}");
        post(&gateway, &stream, key, stopped.clone())
    }));
    let uploaders = join_all((0..UPLOADERS).map(|number| {
        let key = format!("uploader{number}");
        let (request, stop) = (gateway.post(&path(&stream, &key)), stopped.clone());
        async move { (upload(request, &key, stop).await, key) }
    }));
    let scaling = async {
        java("scale", &stream, &TARGETS, "").await.success();
        stop.send_replace(true);
    };
    let (posters, uploaders, ()) = tokio::join!(posters, uploaders, scaling);

    let mut ledger = Ledger::default();
    posters.into_iter().chain(uploaders).for_each(|(outcomes, key)| ledger.record(&key, outcomes));
    assert_eq!(ledger.count(Outcome::MayBeStored) + ledger.count(Outcome::NotStored), 0, "a scale refuses no event");
    ledger.check(read_by_epochs(&stream).await);
}

/// Posts one event after another until stopped; each must be acknowledged.
async fn post(gateway: &Gateway, stream: &Stream, key: String, stop: watch::Receiver<bool>) -> (Vec<Outcome>, String) {
    let mut outcomes = Vec::new();
    while !*stop.borrow() {
        let request = gateway.post(&path(stream, &key)).body(payload(&key, outcomes.len(), 100));
        Answer::of(request).await.expect(201);
        outcomes.push(Outcome::Stored);
    }
    (outcomes, key)
}
