use pravega_protocol::stream::SegmentName;

use crate::budget::Overloaded;
use crate::segment_store;

/// Why a segment could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such segment.
    #[error("segment {0} does not exist")]
    SegmentNotFound(SegmentName),
    /// What was there is truncated away.
    #[error("offset {offset} lies before the head of segment {segment}, {head}")]
    Truncated {
        /// The segment.
        segment: SegmentName,
        /// What was asked for, in bytes.
        offset: i64,
        /// The first offset that can be read.
        head: i64,
    },
    /// Nothing is there yet.
    #[error("offset {offset} lies beyond the tail of segment {segment}, {tail}")]
    BeyondTail {
        /// The segment.
        segment: SegmentName,
        /// What was asked for, in bytes.
        offset: i64,
        /// The segment's length.
        tail: i64,
    },
    /// The bytes at the offset are no event.
    #[error(
        "no event begins at offset {offset} of segment {segment}: events begin at the offsets that reads and appends name"
    )]
    NotABoundary {
        /// The segment.
        segment: SegmentName,
        /// What was asked for, in bytes.
        offset: i64,
    },
    /// The first event is larger than a page may be.
    #[error("the event at offset {offset} has {length} bytes; the limit of this form is {limit}")]
    EventTooLarge {
        /// Where it begins, in bytes.
        offset: i64,
        /// Bytes of its payload.
        length: usize,
        /// Most bytes of payload in a page.
        limit: usize,
    },
    /// The gateway has no memory to spare.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] segment_store::Error),
    /// Nothing came for too long in the midst of an event.
    #[error("segment {segment} gave nothing from offset {offset} on in time")]
    Stalled {
        /// The segment.
        segment: SegmentName,
        /// Where the next bytes begin.
        offset: i64,
    },
    /// The store answered with an error.
    #[error("segment store answered {reply} for segment {segment}")]
    Refused {
        /// The segment.
        segment: SegmentName,
        /// Name of the reply.
        reply: &'static str,
    },
}
