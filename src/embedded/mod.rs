//! An embedded Pravega: one node that speaks the segment store's and the controller's real protocols on real TCP
//! ports, so that anything written for Pravega can use it. For development, tests and the edge; scale comes from a
//! real cluster.
//!
//! ```text
//! TCP ─▶ store (wire commands) ─────────┐
//! TCP ─▶ controller (gRPC, REST) ───────┴─▶ node: one state, changed in atomic steps ─▶ log
//! ```
//!
//! Both servers turn a request into one step of the [`node`]. What a step changes is one record of the log; nothing is
//! told to a client before that record is durable.

mod checkpoint;
mod controller;
mod log;
mod node;
#[cfg(test)]
mod other_process;
mod store;
mod table;
mod users;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::listen::Listener;
use crate::api::serve::{ServeSettings, serve};
use crate::config::{self, Config};
use crate::shutdown::{self, Exit, Phases};
use crate::tls::{self, Acceptor, Inside, PemFile, TlsError};

use node::{Node, NodeLimits};
use store::StoreContext;

/// How long an append waits for truncation to make room before it fails. Less than the time-outs of Pravega's clients.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(10);

/// Why the embedded Pravega cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be bound.
    #[error("--{flag} {port}: {source}")]
    Port {
        /// The flag that gives the port.
        flag: &'static str,
        /// The port.
        port: usize,
        /// What the system said.
        source: io::Error,
    },
    /// The directory cannot be used.
    #[error("{0}")]
    Data(String),
    /// TLS is wanted and cannot be had.
    #[error("{0}")]
    Tls(String),
    /// The system does not deliver signals, or does not tell an address.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        Self::Tls(format!("{error}{}", cause.unwrap_or_default()))
    }
}

/// Where the embedded Pravega listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Wire commands.
    pub segment_store: SocketAddr,
    /// gRPC and REST.
    pub controller: SocketAddr,
    /// The same again.
    pub rest: SocketAddr,
}

/// An embedded Pravega that is bound and about to serve.
#[derive(Debug)]
pub struct Embedded {
    node: Arc<Node>,
    segment_store: TcpListener,
    controller: TcpListener,
    rest: TcpListener,
    addresses: Addresses,
    /// Of the segment store, and of the controller.
    acceptors: (Acceptor, Acceptor),
}

impl Embedded {
    /// Binds the ports. Nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// [`StartError`] naming the flag.
    ///
    /// # Cancel safety
    /// Awaits the system only; dropped, the ports are free again.
    pub async fn bind(settings: &config::Embedded) -> Result<Self, StartError> {
        let acceptors = (acceptor(settings, Inside::Wire)?, acceptor(settings, Inside::Http)?);
        let segment_store = bind("segment-store-port", settings.segment_store_port).await?;
        let controller = bind("controller-port", settings.controller_port).await?;
        let rest = bind("rest-port", settings.rest_port).await?;
        let addresses = Addresses {
            segment_store: segment_store.local_addr()?,
            controller: controller.local_addr()?,
            rest: rest.local_addr()?,
        };
        let limits = NodeLimits { max_bytes: settings.max_bytes.as_u64(), wait_for_room: WAIT_FOR_ROOM };
        let node = open(settings.data.as_deref(), limits).await?;
        Ok(Self { node, segment_store, controller, rest, addresses, acceptors })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until `stop` is cancelled and what came in before it is answered, or until `cut` is.
    ///
    /// # Cancel safety
    /// Dropped, it accepts no more; open connections still end by `stop` or `cut`.
    pub fn run(
        self,
        limits: &config::Limits,
        stop: CancellationToken,
        cut: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let Self { node, segment_store, controller, rest, addresses: _, acceptors: (wire, http) } = self;
        let settings = ServeSettings::embedded(limits, http);
        let router = axum::Router::new();
        let listeners = vec![Listener::from(controller), Listener::from(rest)];
        let keeping = Arc::clone(&node);
        let storing = store::serve(segment_store, StoreContext { node, tokens: None, acceptor: wire }, stop.clone());
        async move {
            let served = CancellationToken::new();
            let serving = async {
                tokio::join!(serve(listeners, router, settings, stop, cut), storing);
                served.cancel();
            };
            tokio::join!(serving, keeping.keep(served.clone()));
        }
    }

    /// Serves until a signal comes and what was in flight is finished, or the grace is over.
    ///
    /// # Errors
    /// If signals cannot be listened to.
    pub async fn serve(self, config: &Config) -> io::Result<Exit> {
        let phases = Phases::default();
        let signals = shutdown::signals()?;
        let work = self.run(&config.limits, phases.stop.clone(), phases.cut.clone());
        // nobody writes to it on behalf of others, so there is nobody to wait for
        let settings = config::Shutdown { delay: Duration::ZERO, ..config.shutdown.clone() };
        Ok(shutdown::run(signals, &settings, &phases, work, || 0).await)
    }
}

async fn open(data: Option<&str>, limits: NodeLimits) -> Result<Arc<Node>, StartError> {
    let Some(data) = data.map(PathBuf::from) else { return Ok(Node::in_memory(limits)) };
    let opened = tokio::task::spawn_blocking(move || Node::open(&data, limits)).await;
    opened.map_err(io::Error::other)?.map_err(|error| StartError::Data(error.to_string()))
}

/// What connections pass first: TLS, where the settings say so.
fn acceptor(settings: &config::Embedded, inside: Inside) -> Result<Acceptor, TlsError> {
    let (certificate, key) = match (&settings.tls_certificate, &settings.tls_key) {
        (None, None) => return Ok(Acceptor::plain()),
        (certificate, key) => (certificate.as_deref().unwrap_or_default(), key.as_deref().unwrap_or_default()),
    };
    let (certificate, key) = (PemFile::new("--tls-certificate", certificate), PemFile::new("--tls-key", key));
    tls::server_config(&certificate, &key, inside).map(Acceptor::tls)
}

async fn bind(flag: &'static str, port: usize) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Port { flag, port, source };
    let port = u16::try_from(port).map_err(|_| failed(io::ErrorKind::InvalidInput.into()))?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)
}
