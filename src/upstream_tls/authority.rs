//! Certificates of tests: authorities, and servers that show what these signed.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::UpstreamTls;

/// An authority of its own key.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A server's certificate and key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    key: KeyPair,
}

/// A file of authorities that a test may change.
pub(crate) struct CaFile(NamedTempFile);

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("names")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("a certificate"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Vouches for a server of these names.
    pub(crate) fn vouch_for(&self, names: &[&str]) -> Identity {
        self.sign(&params(names))
    }

    /// Vouched for one until 2020.
    pub(crate) fn vouch_for_expired(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Identity { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key }
    }
}

impl Identity {
    /// As `openssl req -x509` makes it: signed by itself, and an authority, too.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let (mut params, key) = (params(names), key());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key }
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Does a server's part of the handshake.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: S) -> std::io::Result<TlsStream<S>> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has suites for them")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .expect("they belong together");
        TlsAcceptor::from(Arc::new(config)).accept(socket).await
    }
}

impl CaFile {
    pub(crate) fn of(authority: &Authority) -> Self {
        let file = Self(NamedTempFile::new().expect("a file"));
        file.write(&authority.pem());
        file
    }

    pub(crate) fn write(&self, pem: &str) {
        std::fs::write(self.0.path(), pem).expect("room");
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) fn tls(&self) -> UpstreamTls {
        UpstreamTls::trusting_authorities(self.path()).expect("authorities")
    }
}
