//! Attributes that every segment store knows. Source: `io.pravega.segmentstore.contracts.Attributes`.

use uuid::Uuid;

use crate::node::SegmentKind;

/// High half of the ids that belong to the store itself.
const CORE: u64 = 1 << 63;

const fn core(low: u64) -> Uuid {
    Uuid::from_u64_pair(CORE, low)
}

/// When the segment was created, in milliseconds since 1970.
pub(super) const CREATION_TIME: Uuid = core(0);
/// Events that writers claim to have appended.
pub(super) const EVENT_COUNT: Uuid = core(1);
/// What automatic scaling counts.
pub(super) const SCALE_TYPE: Uuid = core(2);
/// What automatic scaling aims at.
pub(super) const SCALE_RATE: Uuid = core(3);
/// Bytes after which long-term storage begins a new chunk; 0 is its default for streams.
pub(super) const ROLLOVER_SIZE: Uuid = core(4);
/// What the segment is for, as flags.
const SEGMENT_TYPE: Uuid = core(9);
/// Which run of its container made a transient segment.
pub(super) const CREATION_EPOCH: Uuid = core(15);
/// Bytes of a fixed-key table's keys.
pub(super) const KEY_LENGTH: Uuid = core(12);

/// The attribute that holds what a segment is for. Source: `io.pravega.segmentstore.contracts.SegmentType`.
pub(super) fn segment_type(kind: SegmentKind) -> (Uuid, i64) {
    let flags = match kind {
        SegmentKind::Stream => 0,
        SegmentKind::HashTable => 1,
        SegmentKind::FixedKeyTable(_) => 5,
        SegmentKind::Transient => 0x80,
    };
    (SEGMENT_TYPE, flags)
}
