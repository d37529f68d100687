//! Why a control request got no answer.

use reqwest::Url;
use thiserror::Error;

use crate::controller::error::Origin;
use crate::controller::grpc::{is_refused, reason};
use crate::upstream_tls::HandshakeError;

/// Why a control request got no answer from the controller.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RestError {
    /// No connection, or it broke before the answer.
    #[error("controller REST interface {base} cannot be reached: {cause}")]
    Unavailable {
        /// Where it was last found.
        base: String,
        /// Whether the host refused the connection.
        refused: bool,
        /// Whether the connection was made, so that the request may have arrived.
        connected: bool,
        /// What happened, from the outermost cause to the innermost.
        cause: String,
    },
    /// None of the places where the REST interface may be answered a ping.
    #[error("controller REST interface not found, tried {}{}", tried.join(", "), of_tls(tls_error.as_ref()))]
    NotFoundAnywhere {
        /// The places.
        tried: Vec<String>,
        /// What was wrong with TLS at the first of them where something was.
        tls_error: Option<HandshakeError>,
    },
    /// The connection could not be made in time.
    #[error("controller REST interface {base} did not accept a connection in time")]
    Timeout {
        /// Where it was last found.
        base: String,
    },
    /// The path is not one that is passed on, or servers disagree on what it means.
    #[error("path {path:?} {problem}")]
    PathInvalid {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

fn of_tls(error: Option<&HandshakeError>) -> String {
    error.map(|error| format!(": {error}")).unwrap_or_default()
}

impl RestError {
    pub(super) fn from_send(base: &Url, error: reqwest::Error) -> Self {
        let base = base.to_string();
        if error.is_timeout() && error.is_connect() {
            return Self::Timeout { base };
        }
        let (refused, connected) = (is_refused(&error), !error.is_connect());
        // The URL holds the caller's query, which must not be logged.
        let cause = reason(&error.without_url());
        Self::Unavailable { base, refused, connected, cause }
    }

    /// Whose doing it is.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::PathInvalid { .. } => Origin::Caller,
            Self::Unavailable { .. } | Self::NotFoundAnywhere { .. } | Self::Timeout { .. } => Origin::Controller,
        }
    }

    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.origin() == Origin::Controller
    }

    /// Whether the controller may have acted on the request.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Unavailable { connected, .. } => *connected,
            Self::NotFoundAnywhere { .. } | Self::Timeout { .. } | Self::PathInvalid { .. } => false,
        }
    }
}
