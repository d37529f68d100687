use pravega_protocol::stream::SegmentName;

use crate::budget::Overloaded;
use crate::segment_store;

/// Why a segment could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The segment does not exist.
    #[error("segment {0} does not exist")]
    SegmentNotFound(SegmentName),
    /// The offset was truncated away.
    #[error("offset {offset} is before the head of segment {segment}, {head}")]
    Truncated {
        /// The segment.
        segment: SegmentName,
        /// The requested offset, in bytes.
        offset: i64,
        /// First offset that can be read.
        head: i64,
    },
    /// The segment does not reach the offset yet.
    #[error("offset {offset} is beyond the tail of segment {segment}, {tail}")]
    BeyondTail {
        /// The segment.
        segment: SegmentName,
        /// The requested offset, in bytes.
        offset: i64,
        /// The segment's length.
        tail: i64,
    },
    /// The bytes at the offset are not an event.
    #[error(
        "no event begins at offset {offset} of segment {segment}: events begin at the offsets that reads and appends return"
    )]
    NotABoundary {
        /// The segment.
        segment: SegmentName,
        /// The requested offset, in bytes.
        offset: i64,
    },
    /// The first event is larger than a page may be.
    #[error("the event at offset {offset} has {length} bytes; the limit of this form is {limit}")]
    EventTooLarge {
        /// Where it begins, in bytes.
        offset: i64,
        /// Bytes of its payload.
        length: usize,
        /// Largest payload in a page, in bytes.
        limit: usize,
    },
    /// The gateway has no memory left for the read.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store could not be reached.
    #[error(transparent)]
    Store(#[from] segment_store::Error),
    /// The store sent nothing for too long in the middle of an event.
    #[error("segment {segment} was not read from offset {offset} in time")]
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
        /// The reply's name.
        reply: &'static str,
    },
}
