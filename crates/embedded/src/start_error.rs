//! Why a node does not start. Each text says everything, so none of these has a source that repeats a part of it; TLS
//! files are the exception, whose error leaves its cause to the chain.

use std::io;

use http_server::tls::TlsError;

use crate::node::{ChangeError, OpenError};
use crate::users::{EmptyKey, LoadError};

/// Why the embedded Pravega cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be bound.
    #[error("--{flag} {port}: {error}")]
    Port {
        /// The flag that gives the port.
        flag: &'static str,
        /// The port.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
    /// The directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The user file or the signing key cannot be used.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system does not deliver signals, or does not report an address.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a node's directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataError(DataErrorKind);

#[derive(Debug, thiserror::Error)]
enum DataErrorKind {
    #[error("{0}")]
    Open(OpenError),
    #[error("{0}")]
    Change(ChangeError),
}

impl From<OpenError> for DataError {
    fn from(error: OpenError) -> Self {
        Self(DataErrorKind::Open(error))
    }
}

impl From<ChangeError> for DataError {
    fn from(error: ChangeError) -> Self {
        Self(DataErrorKind::Change(error))
    }
}

/// Why the users of a node cannot be known.
#[derive(Debug, thiserror::Error)]
#[error("--users: {0}")]
pub struct UsersError(UsersErrorKind);

#[derive(Debug, thiserror::Error)]
enum UsersErrorKind {
    #[error("{0}")]
    File(LoadError),
    #[error("{0}")]
    Key(EmptyKey),
}

impl From<LoadError> for UsersError {
    fn from(error: LoadError) -> Self {
        Self(UsersErrorKind::File(error))
    }
}

impl From<EmptyKey> for UsersError {
    fn from(error: EmptyKey) -> Self {
        Self(UsersErrorKind::Key(error))
    }
}
