use tonic::{Code, Status};

use crate::controller::catalog::CutError;

/// A call that gets an error instead of an answer, under the gRPC code that Pravega uses for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self { code: Code::NotFound, message: format!("{what} does not exist") }
    }

    /// An argument that Pravega stumbles over.
    pub(crate) fn internal(why: impl Into<String>) -> Self {
        Self { code: Code::Internal, message: why.into() }
    }

    /// An argument that Pravega refuses without a code of its own.
    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self { code: Code::Unknown, message: why.into() }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

impl From<CutError> for Refusal {
    fn from(error: CutError) -> Self {
        match error {
            CutError::Empty => Self::internal(error.to_string()),
            CutError::NoEpoch => Self { code: Code::NotFound, message: error.to_string() },
            CutError::Unknown => Self::unknown(error.to_string()),
        }
    }
}
