//! What can go wrong when the controller is asked.

use std::sync::Arc;

use pravega_protocol::stream::{Scope, ScopedStream};
use thiserror::Error;
use tonic::Code;

/// Why the controller did not give what it was asked for. Cheap to clone: all callers that wait for one answer get
/// the same.
#[derive(Debug, Clone, Error)]
pub enum Error {
    /// No connection, or it broke before the answer.
    #[error("controller {address} cannot be reached: {cause}")]
    Unavailable {
        /// The address tried last.
        address: Arc<str>,
        /// Whether the host refused the connection.
        refused: bool,
        /// What happened, from the outermost cause to the innermost.
        cause: Arc<str>,
    },
    /// The controller took the call and did not answer it in time.
    #[error("controller {address} did not answer {call} in time")]
    Timeout {
        /// The address tried last.
        address: Arc<str>,
        /// The gRPC method.
        call: &'static str,
    },
    /// There is no such scope.
    #[error("scope {0} does not exist")]
    ScopeNotFound(Scope),
    /// The scope may exist, the stream does not.
    #[error("stream {0} does not exist")]
    StreamNotFound(ScopedStream),
    /// The controller demands credentials, or did not accept those given.
    #[error("controller did not accept the credentials for {call}")]
    Unauthenticated {
        /// The gRPC method.
        call: &'static str,
    },
    /// The credentials do not allow the call.
    #[error("controller does not allow {call}")]
    Forbidden {
        /// The gRPC method.
        call: &'static str,
    },
    /// The controller answered with another error.
    #[error("controller refused {call}: {message} ({code:?})")]
    Rejected {
        /// The gRPC method.
        call: &'static str,
        /// The gRPC status.
        code: Code,
        /// The controller's words.
        message: Arc<str>,
    },
    /// The answer makes no sense.
    #[error("controller answered {call} with {what}")]
    Protocol {
        /// The gRPC method.
        call: &'static str,
        /// What is wrong with the answer.
        what: Arc<str>,
    },
}

/// Whose doing an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The caller asked for what is not there or not allowed.
    Caller,
    /// The controller, or the way to it.
    Controller,
}

impl Error {
    /// Whose doing it is.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::ScopeNotFound(_)
            | Self::StreamNotFound(_)
            | Self::Unauthenticated { .. }
            | Self::Forbidden { .. } => Origin::Caller,
            Self::Unavailable { .. } | Self::Timeout { .. } | Self::Rejected { .. } | Self::Protocol { .. } => {
                Origin::Controller
            }
        }
    }

    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Timeout { .. } => true,
            Self::Rejected { code, .. } => is_transient(*code),
            Self::ScopeNotFound(_)
            | Self::StreamNotFound(_)
            | Self::Unauthenticated { .. }
            | Self::Forbidden { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// Whether a controller said so, as opposed to none having been reached.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Unavailable { .. } | Self::Timeout { .. })
    }

    /// Whether the credentials are what is wrong: with others the answer may be another.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Unauthenticated { .. } | Self::Forbidden { .. })
    }

    /// Whether scope or stream is missing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::ScopeNotFound(_) | Self::StreamNotFound(_))
    }
}

/// The statuses that Pravega's Java client retries; `NOT_FOUND`, bad arguments and rights are final.
fn is_transient(code: Code) -> bool {
    match code {
        Code::Aborted
        | Code::Cancelled
        | Code::DataLoss
        | Code::DeadlineExceeded
        | Code::FailedPrecondition
        | Code::Internal
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::Unknown => true,
        Code::Ok
        | Code::AlreadyExists
        | Code::InvalidArgument
        | Code::NotFound
        | Code::OutOfRange
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented => false,
    }
}
