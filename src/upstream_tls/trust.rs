//! Whom to believe that it is Pravega.

use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier as _};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, OtherError, RootCertStore};

/// What the certificates of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileOf {
    /// Authorities.
    Authorities,
    /// The embedded Pravega's own, the leaf first.
    EmbeddedNode,
}

/// Whom to believe.
#[derive(Debug)]
pub(super) enum Trust {
    /// A server that one of these authorities vouches for, under the name by which it was reached.
    Authorities { verifier: Arc<WebPkiServerVerifier>, certificates: Vec<CertificateDer<'static>> },
    /// The server with this very certificate, or with the one that the file had before. Its names do not matter: no one
    /// else has its key.
    Node { certificate: CertificateDer<'static>, before: Option<CertificateDer<'static>> },
}

impl Trust {
    /// Takes one or more certificates in PEM form.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn from_pem(pem: &[u8], file: FileOf, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|error| format!("is not well-formed PEM: {error}"))?;
        let leaf = certificates.first().ok_or("holds no certificate")?;
        match file {
            FileOf::EmbeddedNode => Ok(Self::Node { certificate: leaf.clone(), before: None }),
            FileOf::Authorities => Self::authorities(certificates, provider),
        }
    }

    fn authorities(certificates: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let unusable = |error: &dyn std::fmt::Display| format!("holds a certificate that cannot be used: {error}");
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| unusable(&error))?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider)).build();
        Ok(Self::Authorities { verifier: verifier.map_err(|error| unusable(&error))?, certificates })
    }

    /// The node goes on with the certificate from before until it has read the file, too.
    #[must_use]
    pub(super) fn after(self, trust: &Self) -> Self {
        match (self, trust) {
            (Self::Node { certificate, .. }, Self::Node { certificate: before, .. }) => {
                Self::Node { certificate, before: Some(before.clone()) }
            }
            (trust, _) => trust,
        }
    }

    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self {
            Self::Node { certificate, before } if certificate == leaf || before.as_ref() == Some(leaf) => {
                Ok(ServerCertVerified::assertion())
            }
            Self::Node { .. } => Err(CertificateError::UnknownIssuer.into()),
            Self::Authorities { verifier, certificates } => {
                match verifier.verify_server_cert(leaf, intermediates, name, &[], now) {
                    // What openssl and keytool sign by itself calls itself an authority, too. Its time is checked before
                    // that, its name is not.
                    Err(error) if is_of_an_authority(&error) && certificates.contains(leaf) => {
                        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
                        Ok(ServerCertVerified::assertion())
                    }
                    verified => verified,
                }
            }
        }
    }
}

fn is_of_an_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error else { return false };
    matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
