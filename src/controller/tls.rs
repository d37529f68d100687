//! Whom to believe that it is the controller.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// The certificate authorities that vouch for a controller reached through TLS.
#[derive(Debug, Clone)]
pub struct Roots {
    pem: Arc<[u8]>,
    store: Arc<RootCertStore>,
}

/// Why a file does not hold certificate authorities.
#[derive(Debug, Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("controller CA file {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not PEM, holds no certificate, or one that cannot be used.
    #[error("controller CA certificates cannot be used: {what}")]
    Pem {
        /// What is wrong.
        what: String,
    },
}

impl Roots {
    /// Reads a PEM file of one or more certificates.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable certificate.
    pub fn from_pem_file(path: &Path) -> Result<Self, RootsError> {
        let pem = std::fs::read(path).map_err(|source| RootsError::Read { path: path.to_owned(), source })?;
        Self::from_pem(&pem)
    }

    /// Takes one or more certificates in PEM form.
    ///
    /// # Errors
    /// When there is no usable certificate in it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let unusable = |what: String| RootsError::Pem { what };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            store.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(unusable("there is no certificate in it".to_owned()));
        }
        Ok(Self { pem: pem.into(), store: Arc::new(store) })
    }

    pub(super) fn pem(&self) -> &[u8] {
        &self.pem
    }
}

/// The TLS side of the REST client; without roots it trusts no one, which is right for plain HTTP.
pub(super) fn client_config(roots: Option<&Roots>) -> ClientConfig {
    let store = roots.map_or_else(|| Arc::new(RootCertStore::empty()), |roots| Arc::clone(&roots.store));
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has suites for the default versions")
        .with_root_certificates(store)
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        for pem in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(Roots::from_pem(pem.as_bytes()), Err(RootsError::Pem { .. })), "{pem:?}");
        }
        let error = Roots::from_pem_file(Path::new("/nonexistent/ca.pem")).expect_err("no such file");
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    }

    #[test]
    fn every_certificate_of_a_file_counts() {
        let one = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate").cert.pem();
        let roots = Roots::from_pem(format!("{}{}", one(), one()).as_bytes()).expect("two certificates");
        assert_eq!(roots.store.len(), 2);
    }
}
