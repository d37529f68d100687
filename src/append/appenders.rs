use std::time::Duration;

use moka::sync::Cache;
use pravega_protocol::stream::ScopedStream;

use super::machine::Limits;
use super::stream::StreamAppender;
use crate::config;
use crate::segment_store::SegmentStore;
use crate::telemetry::metrics::Metrics;

/// A stream's writers are let go when nobody wrote for this long. Each new writer leaves an attribute on its segment
/// for good, so that the time is long.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Streams whose writers are kept at the same time.
const MOST_STREAMS: u64 = 10_000;

/// The appenders of all streams that are in use. Clones share them.
#[derive(Debug, Clone)]
pub struct Appenders {
    streams: Cache<ScopedStream, StreamAppender>,
    store: SegmentStore,
    limits: Limits,
    metrics: Metrics,
}

impl Appenders {
    /// Makes the collection; nothing is connected yet.
    pub fn new(store: SegmentStore, settings: &config::Append, metrics: Metrics) -> Self {
        let streams = Cache::builder().max_capacity(MOST_STREAMS).time_to_idle(IDLE).build();
        let limits = Limits {
            max_block_bytes: settings.max_block.as_usize(),
            max_in_flight_blocks: settings.max_in_flight_blocks,
        };
        Self { streams, store, limits, metrics }
    }

    /// The appender of a stream; whether there is such a stream shows when it is used.
    pub fn stream(&self, stream: &ScopedStream) -> StreamAppender {
        self.streams.get_with_by_ref(stream, || {
            StreamAppender::new(stream.clone(), self.store.clone(), self.limits, self.metrics.clone())
        })
    }
}
