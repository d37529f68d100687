use std::borrow::Cow;

/// Why a table refused a request; nothing was changed. Each is a reply of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableRejection {
    /// `TableKeyDoesNotExist`.
    #[error("a key that must have a version does not exist")]
    KeyDoesNotExist,
    /// `TableKeyBadVersion`.
    #[error("a key has another version")]
    BadVersion,
    /// `SegmentIsTruncated`, whose `startOffset` is the length.
    #[error("the table's segment has {length} bytes")]
    Truncated {
        /// Length of the table's segment.
        length: i64,
    },
    /// `ErrorMessage` with code 0 and this text.
    #[error("{0}")]
    IllegalArgument(Cow<'static, str>),
    /// `OperationUnsupported` with this name of the operation.
    #[error("{0} is not supported on tables with fixed keys")]
    Unsupported(&'static str),
    /// `TableSegmentNotEmpty`.
    #[error("the table is not empty")]
    NotEmpty,
    /// The connection is closed without a reply; the text is for the log.
    #[error("{0}")]
    ClosesConnection(&'static str),
}

impl TableRejection {
    pub(super) fn illegal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::IllegalArgument(message.into())
    }

    /// How the store words a key, asked for or given, of another length than the table's.
    pub(super) fn illegal_length(expected: u32, given: usize) -> Self {
        Self::illegal(format!("Expected Attribute Id length {expected}, given {given}."))
    }
}
