//! Appends whose parameters come from the settings.

use crate::support::problem::refused;
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

/// A gateway with a webhook `lines` into a stream of two segments, keyed by each line's `/id`.
async fn gateway_with_webhook() -> (Gateway, Stream) {
    let first = Gateway::ready(&[]).await;
    let stream = Stream::create(&first, 2).await;
    let webhook = format!("webhooks=lines=scope={}&stream={}&key-from=/id", stream.scope, stream.name);
    (Gateway::ready(&["--set", &webhook]).await, stream)
}

#[tokio::test]
async fn webhook_appends_by_its_setting_whatever_query_the_sender_adds() {
    let (gateway, stream) = gateway_with_webhook().await;
    let request = gateway.post("/v1/webhooks/lines?timeout=30s&stream=other");
    let request = request.header("Content-Type", "application/x-ndjson").body("{\"id\":\"a\"}\n{\"id\":\"a\"}\n");
    let answer = Answer::of(request).await.expect(200).json();
    assert_eq!((&answer["events"], answer["segments"].as_array().map(Vec::len)), (&2.into(), Some(1)));
    assert_eq!(payloads(&stream.read_all(&gateway).await), [b"{\"id\":\"a\"}"; 2]);
}

#[tokio::test]
async fn webhook_refuses_as_an_append_does() {
    let (gateway, stream) = gateway_with_webhook().await;
    refused(gateway.post("/v1/webhooks/lines").body("{}"), 400, "body_invalid").await.says("key-from");
    refused(gateway.post("/v1/webhooks/nothing").body("{}"), 404, "path_unknown").await.says("nothing");
    refused(gateway.get("/v1/webhooks/lines"), 405, "method_not_allowed").await;
    assert!(stream.read_all(&gateway).await.is_empty());
}
