//! Streams that change their segments while they are written to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::join_all;
use serde_json::Value;
use tokio::sync::watch;

use crate::support::foreign::{java, values};
use crate::support::ledger::{Ledger, Told, path, payload};
use crate::support::upload::upload;
use crate::support::{Answer, Gateway, Stream};

const POSTERS: usize = 16;
const UPLOADERS: usize = 2;

/// Segments after each of 20 scales, which split, merge, or do both at once.
const TARGETS: [&str; 20] =
    ["2", "4", "3", "6", "2", "5", "1", "3", "8", "4", "7", "2", "1", "4", "6", "3", "5", "2", "8", "1"];

#[tokio::test(flavor = "multi_thread")]
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
    posters.into_iter().chain(uploaders).for_each(|(told, key)| ledger.enter(&key, told));
    assert_eq!(ledger.count(Told::MayBeStored) + ledger.count(Told::NotStored), 0, "a scale refuses nobody");
    ledger.check(in_order_of_epochs(values(java("batch", &stream, &[], "").await)));
}

/// Posts one event after the other, each of which must be acknowledged, until told to stop.
async fn post(gateway: &Gateway, stream: &Stream, key: String, stop: watch::Receiver<bool>) -> (Vec<Told>, String) {
    let mut told = Vec::new();
    while !*stop.borrow() {
        let request = gateway.post(&path(stream, &key)).body(payload(&key, told.len(), 100));
        Answer::of(request).await.expect(201);
        told.push(Told::Stored);
    }
    (told, key)
}

/// The payloads of all events, those of earlier epochs first: a key's events go from segment to segment like this.
fn in_order_of_epochs(mut lines: Vec<Value>) -> Vec<Vec<u8>> {
    lines.pop().expect("a summary");
    lines.sort_by_key(|event| {
        let segment = event["segment"].as_str().expect("a segment");
        let (_, epoch) = segment.rsplit_once('.').expect("NUMBER.#epoch.EPOCH");
        (epoch.parse::<u32>().expect("a number"), event["offset"].as_i64())
    });
    let payload = |event: &Value| BASE64.decode(event["base64"].as_str().expect("base64")).expect("base64");
    lines.iter().map(payload).collect()
}
