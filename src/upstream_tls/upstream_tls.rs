//! [`UpstreamTls`]: the handle that everything that connects to Pravega shares.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use super::error::{CaFileError, HandshakeError};
use super::pem_file::PemFile;
use super::trust::FileOf;

const HTTP_2: &[u8] = b"h2";

/// TLS towards Pravega. Clones share what is trusted, and the task that keeps up with the file.
///
/// Names are always checked, except those of the embedded Pravega in this process, which is known by its certificate.
#[derive(Debug, Clone)]
pub struct UpstreamTls {
    wire: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    #[cfg(test)]
    file: Arc<PemFile>,
    _watching: Arc<AbortOnDropHandle<Infallible>>,
}

impl UpstreamTls {
    /// Believes servers that an authority in this PEM file vouches for. A certificate in the file that a server signed
    /// itself is believed as well. The file is read again when it changes. Must be called inside a runtime.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable certificate.
    pub fn trusting_authorities(path: &Path) -> Result<Self, CaFileError> {
        Self::load(path, FileOf::Authorities)
    }

    /// Believes the one server that has the first certificate of this PEM file, under whatever name it is reached. As
    /// [`trusting_authorities`](Self::trusting_authorities) otherwise.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn trusting_embedded_node(path: &Path) -> Result<Self, CaFileError> {
        Self::load(path, FileOf::EmbeddedNode)
    }

    fn load(path: &Path, of: FileOf) -> Result<Self, CaFileError> {
        let provider = Arc::new(default_provider());
        let file = Arc::new(PemFile::load(path, of, &provider)?);
        let wire = config(&provider, &file);
        let mut http2 = wire.clone();
        http2.alpn_protocols = vec![HTTP_2.to_vec()];
        let watched = Arc::clone(&file);
        let watching = tokio::spawn(async move { watched.watch().await });
        Ok(Self {
            wire: Arc::new(wire),
            http2: Arc::new(http2),
            #[cfg(test)]
            file,
            _watching: Arc::new(AbortOnDropHandle::new(watching)),
        })
    }

    /// Performs the handshake of the wire protocol, with a server that was reached as `host`.
    ///
    /// # Errors
    /// [`HandshakeError`].
    ///
    /// # Cancel safety
    /// The connection is dropped.
    pub async fn connect(&self, host: &str, socket: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
        handshake(&self.wire, host, socket).await
    }

    /// As [`connect`](Self::connect), with a server that is to speak HTTP/2.
    ///
    /// # Errors
    /// [`HandshakeError`].
    ///
    /// # Cancel safety
    /// The connection is dropped.
    pub async fn connect_http2(&self, host: &str, socket: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let stream = handshake(&self.http2, host, socket).await?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(HTTP_2) {
            return Err(HandshakeError::NoHttp2);
        }
        Ok(stream)
    }

    /// What an HTTP client needs that performs its own handshakes.
    pub(crate) fn client_config(&self) -> ClientConfig {
        ClientConfig::clone(&self.wire)
    }

    /// Reads the file at once, if it has changed.
    #[cfg(test)]
    pub(crate) async fn look(&self) {
        self.file.look().await;
    }
}

/// What an HTTP client gets that is not to speak TLS: it trusts no one.
pub(crate) fn config_without_trust() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has suites for the default versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

fn config(provider: &Arc<CryptoProvider>, file: &PemFile) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .expect("ring has suites for the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(file.verifier()) as _)
        .with_no_client_auth();
    // A resumed session shows no certificate: one from before the file changed would be believed for a day.
    config.resumption = Resumption::disabled();
    config
}

async fn handshake(
    config: &Arc<ClientConfig>,
    host: &str,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, HandshakeError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| HandshakeError::Name { host: host.to_owned() })?;
    Ok(TlsConnector::from(Arc::clone(config)).connect(name, socket).await?)
}
