//! Streams that change their segments while they are written to.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use futures::future::join_all;
use serde_json::json;
use tokio::sync::watch;

use crate::support::foreign::{Foreign, java};
use crate::support::{Answer, Gateway, Stream};

const KEYS: usize = 8;

/// Events that an upload sends at a time, every few milliseconds.
const BURST: usize = 20;

/// Uploads lines `KEY:NUMBER` with one routing key until told to stop; tells how many were acknowledged.
async fn upload(gateway: &Gateway, stream: &Stream, key: usize, stop: watch::Receiver<bool>) -> usize {
    let pieces = futures::stream::unfold(0, move |next| {
        let stop = stop.clone();
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            let lines = (next..next + BURST).map(|number| format!("{key}:{number}\n")).collect::<String>();
            (!*stop.borrow()).then_some((Ok::<_, std::io::Error>(lines), next + BURST))
        }
    });
    let request = gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson");
    let request = request.header("Routing-Key", format!("key-{key}")).body(reqwest::Body::wrap_stream(pieces.boxed()));
    let answer = Answer::of(request).await.expect(200).json();
    usize::try_from(answer["events"].as_u64().expect("a number")).expect("few")
}

/// Two segments are sealed by one scale, split and merged, with uploads in flight on both.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_there_once_and_in_order_of_its_key_after_scaling() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 2).await;
    let (stop, stopped) = watch::channel(false);
    let uploads = join_all((0..KEYS).map(|key| upload(&gateway, &stream, key, stopped.clone())));
    let scaling = async {
        for segments in ["3", "5", "2"] {
            java("scale", &stream, &[segments], "").await.success();
        }
        stop.send_replace(true);
    };
    let (counts, ()) = tokio::join!(uploads, scaling);
    let mut read: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for payload in Foreign::Java.read(&stream, counts.iter().sum()).await {
        let text = String::from_utf8(payload).expect("we wrote text");
        let (key, number) = text.split_once(':').expect("we wrote KEY:NUMBER");
        read.entry(key.parse().expect("a key")).or_default().push(number.parse().expect("a number"));
    }
    for (key, count) in counts.into_iter().enumerate() {
        assert!(count > 0, "upload {key} wrote nothing");
        assert!(read[&key] == (0..count).collect::<Vec<_>>(), "key {key}: {} read of {count}", json!(read[&key].len()));
    }
}
