//! The file that says whom to believe, read again when it changes.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use tokio::time::sleep;

use super::error::CaFileError;
use super::trust::{FileOf, Trust};
use super::verifier::Verifier;

/// A PEM file, and the verifier that goes by it.
#[derive(Debug)]
pub(super) struct PemFile {
    path: PathBuf,
    of: FileOf,
    provider: Arc<CryptoProvider>,
    verifier: Arc<Verifier>,
    /// What was read last, usable or not; `None` if it could not be read.
    seen: Mutex<Option<Vec<u8>>>,
}

impl FileOf {
    /// Pause between two looks at the file. The node may have read its own already.
    fn look_every(self) -> Duration {
        match self {
            Self::Authorities => Duration::from_secs(5),
            Self::EmbeddedNode => Duration::from_secs(1),
        }
    }

    /// What operators know the file by.
    fn setting(self) -> &'static str {
        match self {
            Self::Authorities => "upstream.ca (--upstream-ca)",
            Self::EmbeddedNode => "embedded.tls-certificate",
        }
    }
}

impl PemFile {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or holds no usable certificate.
    pub(super) fn load(path: &Path, of: FileOf, provider: &Arc<CryptoProvider>) -> Result<Self, CaFileError> {
        let pem = std::fs::read(path).map_err(|source| unreadable(path, of, source))?;
        let trust = Trust::from_pem(&pem, of, provider).map_err(|what| unusable(path, of, what))?;
        Ok(Self {
            path: path.to_owned(),
            of,
            provider: Arc::clone(provider),
            verifier: Arc::new(Verifier::new(trust, provider.signature_verification_algorithms)),
            seen: Mutex::new(Some(pem)),
        })
    }

    /// Goes by the file as it was when it was last usable.
    pub(super) fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    /// Looks at the file every few seconds. Never ends.
    ///
    /// # Cancel safety
    /// As [`look`](Self::look).
    pub(super) async fn watch(&self) -> Infallible {
        loop {
            sleep(self.of.look_every()).await;
            self.look().await;
        }
    }

    /// Trusts whom the file names now. One that cannot be used is logged once, and changes nothing.
    ///
    /// # Cancel safety
    /// Dropped, nothing has changed.
    pub(super) async fn look(&self) {
        let read = tokio::fs::read(&self.path).await;
        if self.seen.lock().as_ref() == read.as_ref().ok() {
            return;
        }
        match self.take(read) {
            Ok(()) => tracing::info!(path = %self.path.display(), "trusting the certificates that the file has now"),
            Err(error) => {
                let reason = std::error::Error::source(&error).map(tracing::field::display);
                tracing::warn!(%error, reason, "still trusting the certificates that the file had before");
            }
        }
    }

    fn take(&self, read: io::Result<Vec<u8>>) -> Result<(), CaFileError> {
        *self.seen.lock() = read.as_ref().ok().cloned();
        let pem = read.map_err(|source| unreadable(&self.path, self.of, source))?;
        let trust = Trust::from_pem(&pem, self.of, &self.provider);
        self.verifier.replace(trust.map_err(|what| unusable(&self.path, self.of, what))?);
        Ok(())
    }
}

fn unreadable(path: &Path, of: FileOf, source: io::Error) -> CaFileError {
    CaFileError::Read { setting: of.setting(), path: path.to_owned(), source }
}

fn unusable(path: &Path, of: FileOf, what: String) -> CaFileError {
    CaFileError::Content { setting: of.setting(), path: path.to_owned(), what }
}
