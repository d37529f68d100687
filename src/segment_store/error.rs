//! Why a segment store could not be reached, or why no answer came.

use std::io;
use std::sync::Arc;

use pravega_protocol::wire::{FrameError, ShowError};
use tokio::time::Instant;

use crate::controller::{self, Endpoint};
use crate::telemetry::labels::StoreError;
use crate::upstream_tls::HandshakeError;

/// Why a segment store could not be asked, or did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No session could be opened; nothing was sent.
    #[error(transparent)]
    Connect(#[from] Arc<ConnectError>),
    /// The session ended while the answer was outstanding, or before the request was taken.
    #[error("session with segment store {} ended: {}", .0.endpoint, .0.cause)]
    Lost(Arc<Lost>),
    /// The controller could not say where the segment is.
    #[error(transparent)]
    Controller(#[from] controller::Error),
    /// The reply is not what its layout says.
    #[error(transparent)]
    Undecodable(#[from] ShowError),
}

/// Why no session could be opened.
#[derive(Debug, thiserror::Error)]
#[error("segment store {endpoint} {problem}")]
pub struct ConnectError {
    /// Where.
    pub endpoint: Endpoint,
    /// Why.
    pub problem: ConnectProblem,
}

/// What went wrong while a session was opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectProblem {
    /// The connection was refused or failed.
    #[error("cannot be reached: {0}")]
    Io(#[from] io::Error),
    /// TLS failed: most often, the certificate is not believed.
    #[error("cannot be reached through TLS: {0}")]
    Tls(#[from] HandshakeError),
    /// Neither connection nor Hello came in time.
    #[error("did not answer within {0:?}")]
    TimedOut(std::time::Duration),
    /// The store closed, or sent something else than its Hello.
    #[error("did not answer with Hello")]
    NoHello,
    /// The store speaks other versions of the protocol.
    #[error("speaks wire versions {low} to {high}, this gateway {ours}")]
    Incompatible {
        /// Newest version of the store.
        high: i32,
        /// Oldest version of the store.
        low: i32,
        /// Newest version of the gateway.
        ours: i32,
    },
    /// What came is no sequence of frames.
    #[error("broke the framing: {0}")]
    Frame(#[from] FrameError),
}

/// The end of a session, reported alike to everything that waited on it.
#[derive(Debug)]
pub struct Lost {
    /// With whom.
    pub endpoint: Endpoint,
    /// Why.
    pub cause: LostCause,
    /// When the store was last heard.
    pub heard: Instant,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum LostCause {
    /// The store closed the connection.
    #[error("the store closed the connection")]
    Closed,
    /// What came is no sequence of frames, or the connection failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Nothing came although a KeepAlive was sent.
    #[error("the store was silent for {0:?}")]
    Silent(std::time::Duration),
    /// A reply that a writer waits for does not match its layout, so that its writer is unknown.
    #[error("the store sent an undecodable {0}")]
    Undecodable(&'static str),
    /// A flow got more replies than it has requests.
    #[error("the store sent more replies than there were requests")]
    Unasked,
    /// The gateway closed it.
    #[error("the gateway closed the session")]
    Dropped,
}

impl From<Arc<Lost>> for Error {
    fn from(lost: Arc<Lost>) -> Self {
        Self::Lost(lost)
    }
}

impl LostCause {
    fn of_store(&self) -> StoreError {
        match self {
            Self::Silent(_) => StoreError::TimedOut,
            Self::Undecodable(_) | Self::Frame(FrameError::TooLarge { .. }) => StoreError::Undecodable,
            Self::Closed | Self::Frame(_) | Self::Unasked | Self::Dropped => StoreError::Lost,
        }
    }
}

impl ConnectProblem {
    fn of_store(&self) -> StoreError {
        match self {
            Self::Io(_) => StoreError::Refused,
            Self::Tls(_) => StoreError::Tls,
            Self::TimedOut(_) => StoreError::TimedOut,
            Self::NoHello | Self::Incompatible { .. } | Self::Frame(_) => StoreError::Undecodable,
        }
    }
}

impl Error {
    /// What the store is to be blamed for; `None` where the controller could not say which store it is.
    pub fn of_store(&self) -> Option<StoreError> {
        match self {
            Self::Connect(error) => Some(error.problem.of_store()),
            Self::Lost(lost) => Some(lost.cause.of_store()),
            Self::Undecodable(_) => Some(StoreError::Undecodable),
            Self::Controller(_) => None,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Lost(_) => true,
            Self::Controller(error) => error.is_retryable(),
            Self::Undecodable(_) => false,
        }
    }
}
