//! What is counted of appends.

use serde_json::json;

use crate::support::metrics::sample;
use crate::support::{Answer, Gateway, Stream};

#[tokio::test]
async fn block_that_a_seal_refused_is_not_counted() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "counted").await;
    let seal = gateway.put(&format!("/v1/scopes/{}/streams/{}/state", stream.scope, stream.name));
    let seal = seal.header("Content-Type", "application/json").body(json!({ "streamState": "SEALED" }).to_string());
    Answer::of(seal).await.expect(200);
    Answer::of(gateway.post(&stream.events()).body("refused")).await.expect(409);
    for counter in ["append_events", "append_blocks"] {
        let value = sample(&gateway, &format!("pravega_gateway_{counter}_total")).await;
        assert!((value - 1.0).abs() < f64::EPSILON, "{counter}: {value}");
    }
}
