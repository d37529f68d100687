//! Why a file holds no authorities, and why a handshake fails.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use rustls::CertificateError;
use thiserror::Error;

/// Why a file does not say whom to believe.
#[derive(Debug, Error)]
pub enum CaFileError {
    /// The file cannot be read.
    #[error("{setting} {path} cannot be read")]
    Read {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not PEM, holds no certificate, or one that cannot be used.
    #[error("{setting} {path} {what}")]
    Content {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Why a part of Pravega could not be reached through TLS.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum HandshakeError {
    /// The address is no name and no IP address.
    #[error("{host:?} is not a name that a certificate can be for")]
    Name {
        /// The host as given.
        host: String,
    },
    /// No authority vouches for the certificate.
    #[error("the certificate is not from an authority in upstream.ca")]
    Issuer,
    /// The certificate is for another name, has expired, or has another fault.
    #[error("the certificate is refused: {0}")]
    Certificate(CertificateError),
    /// What came is not TLS.
    #[error("the server does not speak TLS")]
    NotTls,
    /// gRPC needs HTTP/2.
    #[error("the server does not speak HTTP/2 in TLS")]
    NoHttp2,
    /// The server closed the connection instead of answering.
    #[error("the server closed the connection during the TLS handshake")]
    Closed,
    /// Anything else.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl HandshakeError {
    /// What an error says about TLS, if one of its causes does.
    pub(crate) fn among_causes(error: &(dyn StdError + 'static)) -> Option<Self> {
        let of_tls = |error: &(dyn StdError + 'static)| match error.downcast_ref::<Self>() {
            Some(known) => Some(known.clone()),
            None => error.downcast_ref().map(of_rustls),
        };
        std::iter::successors(Some(error), |error| cause(*error)).find_map(of_tls)
    }
}

/// The next cause; that of an [`io::Error`] is what it wraps.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn of_rustls(error: &rustls::Error) -> HandshakeError {
    match error {
        // The latter if an authority has the name, but not the key, of the one that signed.
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            HandshakeError::Issuer
        }
        rustls::Error::InvalidCertificate(error) => HandshakeError::Certificate(error.clone()),
        rustls::Error::InvalidMessage(_) => HandshakeError::NotTls,
        error => HandshakeError::Other(error.to_string()),
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match Self::among_causes(&error) {
            Some(of_tls) => of_tls,
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Other(error.to_string()),
        }
    }
}
