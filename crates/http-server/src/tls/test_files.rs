//! Certificates for tests, as files, and clients that trust them.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, DnType, IsCa, KeyPair,
    generate_simple_self_signed,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use super::*;

/// A certificate for localhost and its key, in `chain.pem` and `key.pem`.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Files {
    pub(crate) fn make() -> Self {
        let folder = TempDir::new().expect("a folder");
        let certificate = write_pair(|name| folder.path().join(name));
        Self { folder, certificate }
    }

    /// Replaces both files.
    pub(crate) fn renew(&mut self) {
        self.certificate = write_pair(|name| self.folder.path().join(name));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    pub(crate) fn chain(&self, name: &str) -> PemFile {
        PemFile::new("--tls-certificate", self.folder.path().join(name))
    }

    pub(crate) fn key(&self, name: &str) -> PemFile {
        PemFile::new("--tls-key", self.folder.path().join(name))
    }

    pub(crate) fn client_ca(&self) -> PemFile {
        PemFile::new("--tls-client-ca", self.folder.path().join("client-ca.pem"))
    }

    pub(crate) fn server(&self) -> ServerFiles {
        ServerFiles { certificates: self.chain("chain.pem"), key: self.key("key.pem"), client_ca: None }
    }

    /// The same, where clients must show a certificate that this authority has signed.
    pub(crate) fn server_for_clients_of(&self, authority: &Authority) -> ServerFiles {
        self.write("client-ca.pem", &authority.0.pem());
        ServerFiles { client_ca: Some(self.client_ca()), ..self.server() }
    }

    pub(crate) fn acceptor(&self, inside: Inside) -> Acceptor {
        Acceptor::tls(self.server().server_config(inside).expect("a pair of files"))
    }

    pub(crate) fn client(&self, version: &'static SupportedProtocolVersion, alpn: &[&[u8]]) -> TlsConnector {
        self.client_with(version, alpn, None)
    }

    /// A client that trusts the certificate as it is now, and may have one of its own.
    pub(crate) fn client_with(
        &self,
        version: &'static SupportedProtocolVersion,
        alpn: &[&[u8]],
        own: Option<Identity>,
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .expect("ring has suites for it")
            .with_root_certificates(roots);
        let mut config = match own {
            Some((chain, key)) => builder.with_client_auth_cert(vec![chain], key).expect("a pair"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

fn write_pair(path: impl Fn(&str) -> PathBuf) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(path("chain.pem"), cert.pem()).expect("written");
    fs::write(path("key.pem"), signing_key.serialize_pem()).expect("written");
    cert.der().clone()
}

/// A certificate and its key.
pub(crate) type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// Signs certificates of clients.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn make(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = named(name).signed_by(&key, &self.0).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("just made");
        (certificate.der().clone(), key)
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
