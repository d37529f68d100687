//! TLS on accepted connections.
//!
//! ```text
//! PEM files ─▶ server_config ─▶ Acceptor ── accept(stream) ──▶ MaybeTlsStream
//!                                  └ plain: the stream as it is
//! ```

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tracing::debug;

/// How long a handshake may take; a healthy one takes a few round trips.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// The protocol inside TLS, which decides about ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// HTTP/2 or HTTP/1.1, chosen by ALPN.
    Http,
    /// A protocol of its own, without ALPN.
    Wire,
}

/// A PEM file, and the flag that named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFile {
    /// For example `--tls-key`.
    pub flag: &'static str,
    /// The file.
    pub path: PathBuf,
}

/// Why files cannot be used for TLS. Never shows their contents.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// The file.
        file: PemFile,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not PEM or lacks what it is read for.
    #[error("{file} {what}")]
    Content {
        /// The file.
        file: PemFile,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Each file is valid on its own, but the two do not match.
    #[error("{certificates} and {key} cannot be used together")]
    Together {
        /// The file of the certificates.
        certificates: PemFile,
        /// The file of the key.
        key: PemFile,
        /// What is wrong with the pair.
        source: Box<rustls::Error>,
    },
}

/// Reads a certificate chain, the leaf first, and its key (PKCS#8, PKCS#1 or SEC 1, not encrypted). Allows TLS 1.2
/// and 1.3, without client certificates.
///
/// # Errors
/// [`TlsError`] naming flag and file.
pub fn server_config(certificates: &PemFile, key: &PemFile, inside: Inside) -> Result<ServerConfig, TlsError> {
    let chain = certificates.read_certificates()?;
    let together = |source: rustls::Error| TlsError::Together {
        certificates: certificates.clone(),
        key: key.clone(),
        source: source.into(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring has suites for both")
        .with_no_client_auth()
        .with_single_cert(chain, key.read_key()?)
        .map_err(together)?;
    config.alpn_protocols = inside.alpn();
    Ok(config)
}

impl Inside {
    fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Wire => Vec::new(),
        }
    }
}

impl PemFile {
    /// A file named by a flag.
    pub fn new(flag: &'static str, path: impl AsRef<Path>) -> Self {
        Self { flag, path: path.as_ref().to_owned() }
    }

    fn read_certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let pem = self.read()?;
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&pem).collect();
        match chain {
            Ok(chain) if chain.is_empty() => Err(self.content("holds no certificate")),
            Ok(chain) => Ok(chain),
            Err(_) => Err(self.content("is not well-formed PEM")),
        }
    }

    fn read_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.read()?).map_err(|error| match error {
            pem::Error::NoItemsFound => self.content("holds no private key, or an encrypted one"),
            _ => self.content("is not well-formed PEM"),
        })
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        std::fs::read(&self.path).map_err(|source| TlsError::Read { file: self.clone(), source })
    }

    fn content(&self, what: &'static str) -> TlsError {
        TlsError::Content { file: self.clone(), what }
    }
}

impl Display for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flag, self.path.display())
    }
}

/// The first step of each accepted connection: a TLS handshake, or none.
#[derive(Clone)]
pub struct Acceptor(Option<TlsAcceptor>);

/// A connection after its handshake, if there is one.
pub type MaybeTlsStream<S> = Either<S, TlsStream<S>>;

impl Acceptor {
    /// Accepts connections as they are.
    pub fn plain() -> Self {
        Self(None)
    }

    /// Requires TLS from the first byte.
    pub fn tls(config: ServerConfig) -> Self {
        Self(Some(TlsAcceptor::from(Arc::new(config))))
    }

    /// Performs the handshake. `None` if it fails or takes longer than ten seconds; the connection is closed then, and
    /// the reason is logged at debug level, since any client can cause it.
    ///
    /// Await it in the connection's own task: in an accept loop, one silent client would keep out all others.
    ///
    /// # Cancel safety
    /// If dropped, the connection is closed.
    pub async fn accept<S>(&self, stream: S, peer: impl Display) -> Option<MaybeTlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(tls) = &self.0 else {
            return Some(Either::Left(stream));
        };
        match timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => Some(Either::Right(stream)),
            Ok(Err(error)) => refuse(&peer, &error),
            Err(late) => refuse(&peer, &late),
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Acceptor(tls)" } else { "Acceptor(plain)" })
    }
}

fn refuse<S>(peer: &impl Display, error: &dyn Display) -> Option<S> {
    debug!(%peer, %error, "a TLS handshake failed");
    None
}

#[cfg(test)]
mod tests;
