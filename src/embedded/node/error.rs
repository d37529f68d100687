/// Why an operation on a segment was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SegmentError {
    /// There is none of this name.
    #[error("no such segment")]
    NotFound,
    /// There is one of this name.
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
    /// An attribute has another value than the update wants.
    #[error("an attribute has another value")]
    BadAttribute,
    /// The segment that was to be merged has lost its beginning.
    #[error("the source of a merge is truncated")]
    TruncatedSource,
    /// Target and source of a merge are one segment.
    #[error("a segment can't be merged into itself")]
    MergeIntoItself,
}

/// Nothing made room for an append in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the embedded store holds as much as it may, {max_bytes} bytes (--embedded-max-bytes); truncate or delete streams"
)]
pub(crate) struct Full {
    /// What it may hold.
    pub(crate) max_bytes: u64,
}

/// The log can't be written any more; what was acknowledged is safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the embedded store can't write its log: {why}")]
pub(crate) struct LogFailed {
    /// What the system said.
    pub(crate) why: std::sync::Arc<str>,
}
