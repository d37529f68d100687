//! Certificates that are renewed while the server runs.
//!
//! ```text
//! files ── read every 5 s ──▶ as before ─▶ nothing
//!             ├─▶ usable ───▶ new connections get the new ones, open connections go on
//!             └─▶ unusable ─▶ one log line, new connections get the old ones
//! ```
//! Contents are compared, not times or inodes: Kubernetes renews a mounted secret by exchanging a symbolic link to its
//! folder, and other tools write in place.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Inside;
use super::files::{Contents, ServerFiles, TlsError};

/// Looks at the files for as long as an acceptor uses them.
pub(super) struct Reloader {
    files: Arc<ServerFiles>,
    inside: Inside,
    /// What was read last, usable or not, or why it could not be read: each is reported once.
    seen: Result<Contents, String>,
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Reloader {
    pub(super) fn new(files: ServerFiles, inside: Inside) -> Result<Self, TlsError> {
        let contents = files.read()?;
        let config = files.config(&contents, inside)?;
        let current = watch::Sender::new(Arc::new(config));
        Ok(Self { files: Arc::new(files), inside, seen: Ok(contents), current })
    }

    /// The configuration for the next connection.
    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    pub(super) async fn run(mut self, every: Duration) {
        loop {
            sleep(every).await;
            let read = self.read().await;
            if read != self.seen {
                self.seen = read;
                self.apply();
            }
        }
    }

    async fn read(&self) -> Result<Contents, String> {
        let files = Arc::clone(&self.files);
        let read = spawn_blocking(move || files.read().map_err(|error| with_source(&error))).await;
        read.map_err(|error| error.to_string()).flatten()
    }

    /// A new configuration remembers no sessions of the old one, so that none of them is resumed without a look at its
    /// client's certificate by the new rules.
    fn apply(&self) {
        let seen = self.seen.as_ref().map_err(String::clone);
        let made = seen.and_then(|contents| {
            let config = self.files.config(contents, self.inside);
            config.map_err(|error| with_source(&error))
        });
        match made {
            Ok(config) => {
                self.current.send_replace(Arc::new(config));
                info!(certificates = %self.files.certificates, "TLS files have changed; new connections use them");
            }
            Err(reason) => warn!(%reason, "TLS files have changed and cannot be used; the previous ones stay in use"),
        }
    }
}

fn with_source(error: &TlsError) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
