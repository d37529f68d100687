//! Other clients read what was appended through the gateway: every event, in order per routing key.

use serde_json::json;

use crate::support::events::{Keyed, MAX_EVENT, assert_same_by_key, kinds, numbered, random};
use crate::support::foreign::Foreign;
use crate::support::{Answer, Gateway, Stream};

const KEYS: [&str; 6] = ["a", "b", "sensor-7", "é", "日本語", "😀"];

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn java_and_python_read_what_was_posted_to_one_segment() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let mut written = post_every_way(&gateway, &stream).await;
    written.push(post_largest(&gateway, &stream).await);
    check(&stream, &written).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn java_and_python_read_what_was_posted_to_four_segments() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    let mut written = post_every_way(&gateway, &stream).await;
    written.push(post_largest(&gateway, &stream).await);
    check(&stream, &written).await;
    let used = stream.read_all(&gateway).await;
    let used: std::collections::BTreeSet<_> = used.iter().map(|event| &event.segment).collect();
    assert!(used.len() > 1, "the keys are spread: {used:?}");
}

/// Posts the largest event allowed.
async fn post_largest(gateway: &Gateway, stream: &Stream) -> Keyed {
    let largest = Keyed::new("largest", random(MAX_EVENT));
    stream.append(gateway, Some(&largest.key), largest.payload.clone()).await;
    largest
}

async fn check(stream: &Stream, written: &[Keyed]) {
    for client in [Foreign::Java, Foreign::Python] {
        assert_same_by_key(&client.read(stream, written.len()).await, written);
    }
}

/// Posts single events and a batch; returns what was posted.
async fn post_every_way(gateway: &Gateway, stream: &Stream) -> Vec<Keyed> {
    let mut written = numbered(&KEYS, 5);
    written.extend(kinds("kinds"));
    for event in &written {
        stream.append(gateway, Some(&event.key), event.payload.clone()).await;
    }
    let lines = (0..300).map(|number| {
        let key = KEYS[number % KEYS.len()];
        Keyed::new(key, json!({ "key": key, "number": number }).to_string())
    });
    let lines: Vec<_> = lines.collect();
    let body = lines.iter().flat_map(|line| [&*line.payload, b"\n"].concat()).collect::<Vec<u8>>();
    let path = format!("{}&key-from=/key", stream.events());
    let request = gateway.post(&path).header("Content-Type", "application/x-ndjson").body(body);
    let summary = Answer::of(request).await.expect(200).json();
    assert_eq!(summary["events"], lines.len());
    written.extend(lines);
    written
}
