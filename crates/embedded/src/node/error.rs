//! Why operations, changes and looks fail.

use std::sync::Arc;

use crate::log::{LogFailed, ReserveError};
use crate::table::TableRejection;

/// Why an operation on a segment was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SegmentError {
    /// No segment has this name.
    #[error("no such segment")]
    NotFound,
    /// A segment has this name.
    #[error("the segment exists already")]
    Exists,
    /// It takes no more appends.
    #[error("the segment is sealed")]
    Sealed,
    /// The offset lies before the head, or where it may not be truncated.
    #[error("the segment begins at {start}")]
    Truncated {
        /// Its head.
        start: u64,
    },
    /// The append's condition named another length.
    #[error("the segment ends at {length}")]
    BadOffset {
        /// Its length.
        length: u64,
    },
    /// An attribute has another value than the update expects.
    #[error("an attribute has another value")]
    BadAttribute,
    /// The segment that was to be merged has lost its beginning.
    #[error("the source of a merge is truncated")]
    TruncatedSource,
    /// Target and source of a merge are one segment.
    #[error("a segment can't be merged into itself")]
    MergeIntoItself,
}

/// Why an operation on a table was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableError {
    /// Its segment is not there, or sealed.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The segment holds no table.
    #[error("the segment is not a table")]
    NoTable,
    /// The table does not take it.
    #[error("{0}")]
    Rejected(TableRejection),
}

impl From<TableRejection> for TableError {
    fn from(rejection: TableRejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Why a change is not kept, or a look not durable.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ChangeError {
    /// Nothing was changed.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// It was made and can't be written down: a restart may show it or not.
    #[error(transparent)]
    Log(#[from] LogFailed),
    /// Nothing was changed.
    #[error(transparent)]
    Broken(#[from] NodeBroken),
}

/// An earlier step panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the embedded node is broken since one of its steps panicked: restart it, and it is as it was before that step"
)]
pub(crate) struct NodeBroken;

/// There is no room for a change; nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NoRoom {
    /// Nothing made room in memory in time.
    #[error(
        "the embedded store is full: {max_bytes} bytes are the limit (--embedded-max-bytes); truncate or delete streams"
    )]
    Memory {
        /// What it may hold.
        max_bytes: u64,
    },
    /// The disk is full, or the log has ended.
    #[error("the embedded store: {0}")]
    Log(#[from] Arc<ReserveError>),
}
