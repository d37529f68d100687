//! A routing key leads to the same segment, whichever client writes with it.

use crate::support::foreign::Foreign;
use crate::support::process::gateway_cli;
use crate::support::{Gateway, Pravega, Stream};

/// Keys on which clients disagree if one of them does not hash UTF-16 as Java does.
const KEYS: [&str; 7] = ["a", "sensor-42", "é", "日本語", "😀", "mixed é 😀 text", ""];

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn key_lies_in_one_segment_whether_java_or_the_gateway_wrote() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    let payloads: Vec<String> = (0..4).flat_map(|round| KEYS.map(|key| format!("{key}|{round}"))).collect();
    let (first, last) = payloads.split_at(2 * KEYS.len());

    let by_java: Vec<_> = first.iter().map(|payload| (Some(key_of(payload)), payload.as_bytes())).collect();
    Foreign::Java.write(&stream, &by_java).await;
    for payload in last {
        stream.append(&gateway, Some(key_of(payload)), payload.as_str()).await;
    }

    let stored = stream.read_all(&gateway).await;
    assert_eq!(stored.len(), payloads.len());
    for key in KEYS {
        let of_key: Vec<_> = stored.iter().filter(|event| key_of(text(&event.payload)) == key).collect();
        let rounds: Vec<_> = of_key.iter().map(|event| text(&event.payload).to_owned()).collect();
        assert_eq!(rounds, [0, 1, 2, 3].map(|round| format!("{key}|{round}")), "in order");
        assert!(of_key.iter().all(|event| event.segment == of_key[0].segment), "{key:?}: {of_key:?}");
    }
}

#[tokio::test]
async fn route_names_the_segment_that_a_post_lands_in() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    let controller = Pravega::of_this_run().controller;
    let place = ["--scope", &stream.scope, "--stream", &stream.name, "--controller", &controller];
    for key in KEYS {
        let routed = gateway_cli(&[&["route", key][..], &place].concat(), "").await.lines();
        let (_, routed) = routed[0].split_once(' ').expect("position and segment");
        assert_eq!(stream.append(&gateway, Some(key), key.len().to_string()).await, routed, "{key:?}");
    }
    let keys: String = KEYS.map(|key| serde_json::json!(key).to_string() + "\n").concat();
    let lines = gateway_cli(&[&["route", "--stdin"][..], &place].concat(), keys).await.lines();
    for (key, line) in KEYS.iter().zip(&lines) {
        let routed: serde_json::Value = serde_json::from_str(line).expect("JSON lines");
        assert_eq!(routed["segment"], stream.append(&gateway, Some(key), "again").await, "{key:?}");
    }
}

fn key_of(payload: &str) -> &str {
    payload.rsplit_once('|').expect("key and round").0
}

fn text(payload: &[u8]) -> &str {
    std::str::from_utf8(payload).expect("text")
}
