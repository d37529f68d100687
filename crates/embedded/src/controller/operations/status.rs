//! How calls end that are answered, in words of the controller's own; `grpc` and `rest` translate them.
//!
//! A call that gets an error instead of an answer ends with an [`OperationError`](super::OperationError).

/// A scope was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScopeCreation {
    Created,
    Exists,
    InvalidName,
}

/// A scope was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScopeDeletion {
    Deleted,
    NotFound,
    /// It holds something, or it is Pravega's own.
    NotEmpty,
}

/// A stream was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamCreation {
    Created,
    Exists,
    ScopeNotFound,
    InvalidName,
    /// There is no configuration, or one without segments.
    InvalidConfig,
}

/// A stream was to be reconfigured, truncated or sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamUpdate {
    Updated,
    NotFound,
    Sealed,
    /// The configuration has no segments, or the stream cut does not fit.
    Invalid,
}

/// A stream was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamDeletion {
    Deleted,
    NotFound,
    NotSealed,
}

/// Why a stream was not scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScaleError {
    #[error("a segment is not active, or fewer segments would be left than the policy allows")]
    PreconditionFailed,
    #[error("the stream is missing or sealed, or the key ranges do not fit")]
    Invalid,
}

/// How far a scale is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScaleProgress {
    InProgress,
    Done,
    /// The stream never had this epoch, or does not exist.
    UnknownEpoch,
}

/// A transaction was to be kept open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ping {
    Extended,
    Committed,
    Aborted,
    LeaseTooLarge,
    /// The transaction has reached its greatest age.
    MaxAgeExceeded,
    NotFound,
}

/// A transaction was to be committed or aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionEnd {
    /// It has ended as asked, now or earlier.
    Done,
    /// It is not known, ended otherwise, or does not fit its segments any more.
    Failed,
}

/// The state of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionState {
    Open,
    Committed,
    Aborted,
    NotFound,
}

/// A writer's time was to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeNote {
    Noted,
    /// The writer was further in time.
    InvalidTime,
    /// The writer was further in the stream.
    InvalidPosition,
}

/// A writer was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriterRemoval {
    Removed,
    NotFound,
}

/// Why a reader group was not created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroupCreationError {
    #[error("the scope does not exist")]
    ScopeNotFound,
    #[error("the name is invalid")]
    InvalidName,
}

/// Why a reader group was not reconfigured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroupUpdateError {
    #[error("the reader group does not exist")]
    NotFound,
    /// The generation or the id is another one.
    #[error("the configuration is not based on the current one")]
    InvalidConfig,
}

/// A reader group was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupDeletion {
    Deleted,
    NotFound,
}

/// A reader group was to release a part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutRelease {
    Released,
    StreamNotFound,
    SubscriberNotFound,
    GenerationMismatch,
    InvalidCut,
    /// The stream cut cannot be compared.
    Failed,
}

/// A key-value table was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableCreation {
    Created,
    Exists,
    ScopeNotFound,
    InvalidName,
}

/// A key-value table was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableDeletion {
    Deleted,
    NotFound,
}
