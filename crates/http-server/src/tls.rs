//! TLS on listeners.

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

/// How long a client may take over its handshake; a healthy one takes some round trips.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// What a listener speaks inside of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// HTTP/2 or HTTP/1.1, as the client chooses by ALPN: the controller.
    Http,
    /// The wire protocol, without ALPN: the segment store.
    Wire,
}

/// A PEM file, and the flag that named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFile {
    /// Such as `--tls-key`.
    pub flag: &'static str,
    /// The file.
    pub path: PathBuf,
}

/// Why TLS cannot be had. Never shows what a file holds.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// The file.
        file: PemFile,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM or does not hold what is wanted.
    #[error("{file} {what}")]
    Content {
        /// The file.
        file: PemFile,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Each file is well by itself.
    #[error("{certificates} and {key} cannot be used together")]
    Together {
        /// Of the certificates.
        certificates: PemFile,
        /// Of the key.
        key: PemFile,
        /// Why.
        source: Box<rustls::Error>,
    },
}

/// Reads a certificate chain, the leaf first, and its key (PKCS#8, PKCS#1 or SEC 1, not encrypted). TLS 1.2 and 1.3;
/// clients show no certificate.
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
    /// Names a file.
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

/// What an accept loop hands its connections to: TLS, or nothing at all.
#[derive(Clone)]
pub struct Acceptor(Option<TlsAcceptor>);

/// A connection after its handshake, if it wants one.
pub type Accepted<S> = Either<S, TlsStream<S>>;

impl Acceptor {
    /// Takes connections as they are.
    pub fn plain() -> Self {
        Self(None)
    }

    /// Wants TLS from the first byte.
    pub fn tls(config: ServerConfig) -> Self {
        Self(Some(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands. `None` if the client fails to within ten seconds; its connection is closed then, and the reason
    /// told at debug level, since anybody can cause it.
    ///
    /// To be awaited in the connection's own task: an accept loop that awaits it lets one silent client keep out all
    /// others.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub async fn accept<S>(&self, stream: S, peer: impl Display) -> Option<Accepted<S>>
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
