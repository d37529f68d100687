//! What a server's TLS is made of: certificates, their key, and the authority of its clients, as PEM files.

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;

use super::Inside;

/// A PEM file, and the flag that named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFile {
    /// For example `--tls-key`.
    pub flag: &'static str,
    /// The file.
    pub path: PathBuf,
}

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate chain, the leaf first.
    pub certificates: PemFile,
    /// The leaf's key: PKCS#8, PKCS#1 or SEC 1, not encrypted.
    pub key: PemFile,
    /// Certificates of authorities, one of which has to have signed the certificate that each client must show. Without
    /// this file, clients are not asked for one.
    pub client_ca: Option<PemFile>,
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

/// What the files of a server hold at one moment. Not `Debug`, since one of them is a key.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    certificates: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl ServerFiles {
    /// Reads the files and checks that they can be used together. Allows TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// [`TlsError`] naming flag and file.
    pub fn server_config(&self, inside: Inside) -> Result<ServerConfig, TlsError> {
        self.config(&self.read()?, inside)
    }

    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        let client_ca = self.client_ca.as_ref().map(PemFile::read).transpose()?;
        Ok(Contents { certificates: self.certificates.read()?, key: self.key.read()?, client_ca })
    }

    pub(super) fn config(&self, contents: &Contents, inside: Inside) -> Result<ServerConfig, TlsError> {
        let chain = self.certificates.certificates(&contents.certificates)?;
        let key = self.key.private_key(&contents.key)?;
        let together = |source: rustls::Error| TlsError::Together {
            certificates: self.certificates.clone(),
            key: self.key.clone(),
            source: source.into(),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("ring has suites for both")
            .with_client_cert_verifier(self.client_verifier(contents)?)
            .with_single_cert(chain, key)
            .map_err(together)?;
        config.alpn_protocols = inside.alpn();
        Ok(config)
    }

    fn client_verifier(&self, contents: &Contents) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let Some((file, pem)) = self.client_ca.as_ref().zip(contents.client_ca.as_deref()) else {
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let unusable = || file.content("holds a certificate that cannot be one of an authority");
        let mut authorities = RootCertStore::empty();
        for certificate in file.certificates(pem)? {
            authorities.add(certificate).map_err(|_| unusable())?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::new(default_provider()))
            .build()
            .map_err(|_| unusable())
    }
}

impl PemFile {
    /// A file named by a flag.
    pub fn new(flag: &'static str, path: impl AsRef<Path>) -> Self {
        Self { flag, path: path.as_ref().to_owned() }
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        std::fs::read(&self.path).map_err(|source| TlsError::Read { file: self.clone(), source })
    }

    fn certificates(&self, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
        match chain {
            Ok(chain) if chain.is_empty() => Err(self.content("holds no certificate")),
            Ok(chain) => Ok(chain),
            Err(_) => Err(self.content("is not well-formed PEM")),
        }
    }

    fn private_key(&self, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
            pem::Error::NoItemsFound => self.content("holds no private key, or an encrypted one"),
            _ => self.content("is not well-formed PEM"),
        })
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
