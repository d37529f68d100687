//! What callers see while Pravega is down, silent, moving segments or misbehaving, and that the gateway recovers.

mod absent;
mod away;
mod lost_connections;
mod passthrough;
mod reads;
mod refusals;
mod silent;

use reqwest::RequestBuilder;

use crate::support::scripted_store::ScriptedStore;
use crate::support::{Gateway, Stream};

/// A gateway whose only store is scripted by the test, and a stream in the real controller.
pub(crate) async fn scripted(arguments: &[&str]) -> (ScriptedStore, Gateway, Stream) {
    let store = ScriptedStore::start().await;
    let arguments = [&["--segment-store-rewrite", store.rule()], arguments].concat();
    let gateway = Gateway::ready(&arguments).await;
    let stream = Stream::create(&gateway, 1).await;
    (store, gateway, stream)
}

/// Every call that needs a store.
pub(crate) fn calls(gateway: &Gateway, stream: &Stream) -> [RequestBuilder; 5] {
    let segment = stream.segment(0).replace('#', "%23");
    let keep_alive = gateway.put(&format!("{}&segment=0.%23epoch.0", stream.events()));
    [
        gateway.post(&stream.events()).body("event"),
        gateway.get(&stream.events()),
        keep_alive.header("Message-Type", "KeepAlive").header("Message-Length", "0"),
        gateway.post(&format!("/v1/wire/GetStreamSegmentInfo?segment={segment}")),
        gateway.post(&format!("/v1/wire/Event?segment={segment}")).body("event"),
    ]
}
