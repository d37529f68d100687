//! What the gateway refuses: at once, with the contract's status and code.

mod append;
mod batch;
mod guards;
mod http;
mod names;
mod raw;
mod read;
mod recreated;
mod sealed;
mod wire;

use crate::support::{Gateway, Stream};

/// A gateway with default settings and a stream of its own.
pub(crate) async fn gateway_and_stream(segments: u32) -> (Gateway, Stream) {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, segments).await;
    (gateway, stream)
}
