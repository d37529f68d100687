//! TLS on accepted connections.
//!
//! ```text
//! PEM files ─▶ ServerFiles ─▶ Acceptor ── accept(stream) ──▶ MaybeTlsStream
//!     └──── reload, every 5 s ───▲ └ plain: the stream as it is
//! ```

mod files;
mod reload;

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

pub use files::{PemFile, ServerFiles, TlsError};
use reload::Reloader;

/// How long a handshake may take; a healthy one takes a few round trips.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How often an [`Acceptor`] should look whether its files have changed: soon enough for whoever renews them by hand, and
/// too rarely to cost anything.
pub const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(5);

/// The protocol inside TLS, which decides about ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// HTTP/2 or HTTP/1.1, chosen by ALPN.
    Http,
    /// A protocol of its own, without ALPN.
    Wire,
}

impl Inside {
    fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Wire => Vec::new(),
        }
    }
}

/// The first step of each accepted connection: a TLS handshake, or none.
#[derive(Clone)]
pub struct Acceptor(Option<Tls>);

#[derive(Clone)]
struct Tls {
    config: watch::Receiver<Arc<ServerConfig>>,
    _reloading: Option<Arc<AbortOnDropHandle<()>>>,
}

/// A connection after its handshake, if there is one. Its [`TlsStream`] knows the certificate that the client has shown.
pub type MaybeTlsStream<S> = Either<S, TlsStream<S>>;

impl Acceptor {
    /// Accepts connections as they are.
    pub fn plain() -> Self {
        Self(None)
    }

    /// Requires TLS from the first byte.
    pub fn tls(config: ServerConfig) -> Self {
        let (_, config) = watch::channel(Arc::new(config));
        Self(Some(Tls { config, _reloading: None }))
    }

    /// Requires TLS as the files say, and looks at them this often: once they have changed, new connections use what they
    /// hold by then, and open ones go on as they are. Files that cannot be used, or not together, are logged once and
    /// change nothing until they are replaced.
    ///
    /// The task that looks ends with the last clone.
    ///
    /// # Errors
    /// [`TlsError`] naming flag and file, if they cannot be used from the beginning.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn reloading(files: ServerFiles, inside: Inside, every: Duration) -> Result<Self, TlsError> {
        let reloader = Reloader::new(files, inside)?;
        let config = reloader.current();
        let reloading = AbortOnDropHandle::new(tokio::spawn(reloader.run(every)));
        Ok(Self(Some(Tls { config, _reloading: Some(Arc::new(reloading)) })))
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
        let config = Arc::clone(&tls.config.borrow());
        match timeout(HANDSHAKE_TIME, TlsAcceptor::from(config).accept(stream)).await {
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
pub(crate) mod test_files;
#[cfg(test)]
mod tests;
