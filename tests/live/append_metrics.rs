//! The metrics of appends and reads.

use serde_json::json;

use crate::support::metrics::{count, store_errors};
use crate::support::{Answer, Gateway, Stream};

/// The value of one of the gateway's counters.
async fn counted(gateway: &Gateway, counter: &str) -> u64 {
    count(gateway, &format!("pravega_gateway_{counter}")).await
}

#[tokio::test]
async fn block_that_a_seal_refused_is_not_counted() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "counted").await;
    let seal = gateway.put(&format!("/v1/scopes/{}/streams/{}/state", stream.scope, stream.name));
    let seal = seal.header("Content-Type", "application/json").body(json!({ "streamState": "SEALED" }).to_string());
    Answer::of(seal).await.expect(200);
    Answer::of(gateway.post(&stream.events()).body("refused")).await.expect(409);
    for counter in ["append_events_total", "append_blocks_total", "append_handovers_total"] {
        assert_eq!(counted(&gateway, counter).await, 1, "{counter}");
    }
    assert_eq!(store_errors(&gateway, "SegmentIsSealed").await, 1);
}

#[tokio::test]
async fn blocks_are_measured_by_events_and_bytes() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let lines = gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson");
    Answer::of(lines.body("one\nthree\n")).await.expect(200);
    let blocks = counted(&gateway, "append_blocks_total").await;
    assert!((1..=2).contains(&blocks), "{blocks}");
    let text = gateway.metrics().await;
    for (name, expected) in [
        ("append_block_events_sum", "2.0".to_owned()),
        ("append_block_bytes_sum", format!("{}.0", 8 + 3 + 8 + 5)),
        ("append_block_events_count", blocks.to_string()),
        ("append_block_bytes_count", blocks.to_string()),
        ("append_bytes_total", "8".to_owned()),
        ("append_set_ups_total", "1".to_owned()),
        ("append_resent_blocks_total", "0".to_owned()),
    ] {
        assert!(text.contains(&format!("pravega_gateway_{name} {expected}\n")), "{name} {expected}\n{text}");
    }
}

#[tokio::test]
async fn events_that_are_read_are_counted_in_pages_and_streamed() {
    let gateway = Gateway::ready(&["--set", "read.max-event=1KiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "first").await;
    stream.append(&gateway, None, vec![b'x'; 2000]).await;
    Answer::of(gateway.get(&(stream.events() + "&count=1"))).await.expect(200);
    assert_eq!((counted(&gateway, "read_events_total").await, counted(&gateway, "read_bytes_total").await), (1, 5));
    let bare = gateway.get(&format!("{}&offset=13&count=1", stream.events()));
    Answer::of(bare.header("Accept", "application/octet-stream")).await.expect(200);
    assert_eq!((counted(&gateway, "read_events_total").await, counted(&gateway, "read_bytes_total").await), (2, 2005));
}
