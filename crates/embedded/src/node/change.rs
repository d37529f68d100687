//! What steps consist of, and what the log therefore holds: see [`record`](super::record) before you change it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::segment::SegmentKind;
use super::segment_data::Stretch;

/// One segment of the node's life; a name that is used again gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SegmentKey(pub(crate) u64);

/// Attributes with the values they have from now on; the smallest i64 removes one.
pub(crate) type AttributeValues = Vec<(Uuid, i64)>;

/// One change of the state, validated already: applying it cannot fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// A segment begins; its key is the next free one.
    SegmentCreated { name: String, kind: SegmentKind, attributes: AttributeValues, at: i64 },
    /// The change's body, of `len` bytes, is appended.
    Appended { segment: SegmentKey, len: u32, attributes: AttributeValues, at: i64 },
    /// Attributes change and nothing else.
    AttributesSet { segment: SegmentKey, attributes: AttributeValues, at: i64 },
    /// The head moves forward.
    Truncated { segment: SegmentKey, offset: u64, at: i64 },
    /// No more appends.
    Sealed { segment: SegmentKey, at: i64 },
    /// The segment is gone.
    Deleted { segment: SegmentKey },
    /// All bytes of `source` move to the end of `target`, and `source` is gone.
    Merged { target: SegmentKey, source: SegmentKey, attributes: AttributeValues, at: i64 },
    /// The records of a table's change are in the change's body, of `len` bytes.
    TableChanged { segment: SegmentKey, len: u32, at: i64 },
    /// Neighbouring stretches of a segment lie together in the change's body from now on.
    Relocated { segment: SegmentKey, stretches: Vec<Stretch>, len: u32 },
    /// A record of the controller is set.
    RecordPut { key: String, value: Bytes },
    /// A record of the controller is gone.
    RecordRemoved { key: String },
}

impl Change {
    /// Bytes of its body.
    pub(super) fn body_len(&self) -> u32 {
        match self {
            Self::Appended { len, .. } | Self::TableChanged { len, .. } | Self::Relocated { len, .. } => *len,
            _ => 0,
        }
    }
}
