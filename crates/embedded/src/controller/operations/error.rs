//! The error of an operation.

use crate::controller::catalog::CutError;

/// A call that gets an error instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct OperationError {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

/// Which kind of error Pravega answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Something that the call names does not exist.
    NotFound,
    /// An argument that Pravega fails on.
    Internal,
    /// An argument that Pravega rejects without a code of its own.
    Unknown,
}

impl OperationError {
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self { kind: ErrorKind::NotFound, message: format!("{what} does not exist") }
    }

    pub(crate) fn internal(why: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Internal, message: why.into() }
    }

    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unknown, message: why.into() }
    }
}

impl From<CutError> for OperationError {
    fn from(error: CutError) -> Self {
        let kind = match error {
            CutError::Empty => ErrorKind::Internal,
            CutError::NoEpoch => ErrorKind::NotFound,
            CutError::Unknown => ErrorKind::Unknown,
        };
        Self { kind, message: error.to_string() }
    }
}
