//! The node of `pravega-embedded`, started from the gateway's settings.

use futures::Stream;
use http_server::shutdown::{Exit, Signal};
use pravega_embedded::{Settings, TlsFiles};
use tokio_util::sync::CancellationToken;

pub use pravega_embedded::{Addresses, StartError, UserLineError, user_line};

use crate::api::server_settings;
use crate::config::{self, Config};

/// A node that is bound and about to serve.
#[derive(Debug)]
pub struct Embedded {
    node: pravega_embedded::Embedded,
    limits: config::Limits,
}

impl Embedded {
    /// Binds the node's ports. Nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// [`StartError`] naming the flag.
    ///
    /// # Cancel safety
    /// Awaits the system only; dropped, the ports are free again.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let node = pravega_embedded::Embedded::bind(&settings(&config.embedded)).await?;
        Ok(Self { node, limits: config.limits.clone() })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.node.addresses()
    }

    /// Serves until `stop` is cancelled and what came in before it is answered, or until `cut` is.
    ///
    /// # Cancel safety
    /// Dropped, it accepts no more; open connections still end by `stop` or `cut`.
    pub fn run(self, stop: CancellationToken, cut: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        self.node.run(server_settings::private(&self.limits), stop, cut)
    }

    /// Serves without a gateway until a signal comes and what was in flight is finished, or the grace is over.
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub async fn serve(self, shutdown: &config::Shutdown, signals: impl Stream<Item = Signal>) -> Exit {
        self.node.serve(server_settings::private(&self.limits), shutdown.grace, signals).await
    }
}

/// Whether this build has a node to start.
///
/// # Errors
/// Where it leaves the node out.
pub fn check() -> Result<(), StartError> {
    Ok(())
}

fn settings(config: &config::Embedded) -> Settings {
    let tls = match (&config.tls_certificate, &config.tls_key) {
        (None, None) => None,
        // a missing one is named by the error of reading it
        (certificate, key) => Some(TlsFiles {
            certificate: certificate.clone().unwrap_or_default(),
            key: key.clone().unwrap_or_default(),
        }),
    };
    Settings {
        data: config.data.clone(),
        max_bytes: config.max_bytes.as_u64(),
        segment_store_port: config.segment_store_port,
        controller_port: config.controller_port,
        rest_port: config.rest_port,
        users: config.users.clone(),
        token_life: Some(config.token_life).filter(|life| !life.is_zero()),
        tls,
    }
}
