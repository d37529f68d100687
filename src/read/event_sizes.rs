use moka::sync::Cache;
use pravega_protocol::stream::SegmentName;

/// Segments whose events' size is remembered.
const MOST_SEGMENTS: u64 = 10_000;

/// What an event is taken to need where nothing is known.
const UNKNOWN_BYTES: usize = 1024;

/// What events of a segment usually take, so that a read of a few asks for no more than it will give. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct EventSizes(Cache<SegmentName, usize>);

impl Default for EventSizes {
    fn default() -> Self {
        Self(Cache::new(MOST_SEGMENTS))
    }
}

impl EventSizes {
    /// Bytes of an event with its header, of the page that was read last.
    pub(super) fn usual(&self, segment: &SegmentName) -> usize {
        self.0.get(segment).unwrap_or(UNKNOWN_BYTES)
    }

    pub(super) fn seen(&self, segment: &SegmentName, bytes: usize) {
        self.0.insert(segment.clone(), bytes);
    }
}
