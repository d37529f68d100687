//! An embedded Pravega: one node that speaks the segment store's and the controller's real protocols on real TCP
//! ports, so that anything written for Pravega can use it. For development, tests and the edge; scale comes from a
//! real cluster.
//!
//! ```text
//! TCP ─▶ store (wire commands) ─────────┐
//! TCP ─▶ controller (gRPC, REST) ───────┴─▶ node: one state, changed in atomic steps ─▶ log
//! ```
//!
//! Both servers turn a request into one step of the node. What a step changes is one record of the log; nothing is
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

use bytes::Bytes;
use futures::Stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::listen::Listener;
use crate::api::serve::{ServeSettings, serve};
use crate::config::{self, Config};
use crate::shutdown::{self, Exit, Phases, Signal};
use crate::tls::{self, Acceptor, Inside, PemFile, TlsError};

use controller::Controller;
use controller::access::Access;
use node::{Node, NodeLimits, Purpose};
use store::StoreContext;
use users::{Tokens, Users};

/// How long an append waits for truncation to make room before it fails. Less than the time-outs of Pravega's clients.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(10);

/// Record of the key with which delegation tokens are signed.
const SIGNING_KEY: &str = "node/signing-key";

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
    /// The users are wanted and cannot be known.
    #[error("--users: {0}")]
    Users(String),
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

/// Makes a line of a user file: the user, the password hashed, and entries `RESOURCE,PERMISSION`. Takes a core for 0.1 s.
///
/// # Errors
/// What is wrong with the name or an entry.
pub fn user_line(user: &str, password: &str, entries: &[String]) -> Result<String, String> {
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    users::user_line(user, password, &entries).map_err(|error| error.to_string())
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
    /// Who may use it; `None` lets everybody.
    guard: Option<Guard>,
}

/// Those who may use the node, and the tokens that they show to its store.
#[derive(Debug)]
struct Guard {
    users: Users,
    tokens: Tokens,
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
        let guard = guard(settings, &node).await?;
        Ok(Self { node, segment_store, controller, rest, addresses, acceptors, guard })
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
        let Self { node, segment_store, controller, rest, addresses, acceptors: (wire, http), guard } = self;
        let settings = ServeSettings::embedded(limits, http);
        let (access, tokens) = match guard {
            Some(Guard { users, tokens }) => (Access::guarded(users, tokens.clone()), Some(tokens)),
            None => (Access::default(), None),
        };
        let catalog = Controller::new(Arc::clone(&node), addresses.segment_store.into(), access);
        let router = catalog.router();
        let listeners = vec![Listener::from(controller), Listener::from(rest)];
        let keeping = Arc::clone(&node);
        let storing = store::serve(segment_store, StoreContext { node, tokens, acceptor: wire }, stop.clone());
        async move {
            let served = CancellationToken::new();
            let serving = async {
                tokio::join!(serve(listeners, router, settings, stop, cut), storing);
                served.cancel();
            };
            let minding = served.run_until_cancelled(catalog.keep());
            tokio::join!(serving, minding, keeping.keep(served.clone()));
        }
    }

    /// Serves until a signal comes and what was in flight is finished, or the grace is over.
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub async fn serve(self, config: &Config, signals: impl Stream<Item = Signal>) -> Exit {
        let phases = Phases::default();
        let work = self.run(&config.limits, phases.stop.clone(), phases.cut.clone());
        // nobody writes to it on behalf of others, so there is nobody to wait for
        let settings = config::Shutdown { delay: Duration::ZERO, ..config.shutdown.clone() };
        shutdown::run(signals, &settings, &phases, work, || 0).await
    }
}

async fn open(data: Option<&str>, limits: NodeLimits) -> Result<Arc<Node>, StartError> {
    let Some(data) = data.map(PathBuf::from) else { return Ok(Node::in_memory(limits)) };
    let opened = tokio::task::spawn_blocking(move || Node::open(&data, limits)).await;
    opened.map_err(io::Error::other)?.map_err(|error| StartError::Data(error.to_string()))
}

/// Knows the users, where the settings name a file of them.
async fn guard(settings: &config::Embedded, node: &Arc<Node>) -> Result<Option<Guard>, StartError> {
    let Some(file) = settings.users.clone() else { return Ok(None) };
    let loaded = tokio::task::spawn_blocking(move || Users::load(file.as_ref())).await.map_err(io::Error::other)?;
    let users = loaded.map_err(|error| StartError::Users(error.to_string()))?;
    let life = Some(settings.token_life).filter(|life| !life.is_zero());
    let key = signing_key(node).await?;
    let tokens = Tokens::new(&key, life).map_err(|error| StartError::Users(error.to_string()))?;
    Ok(Some(Guard { users, tokens }))
}

/// The key of the node's delegation tokens; clients keep tokens over a restart, so it is kept as well.
async fn signing_key(node: &Arc<Node>) -> Result<String, StartError> {
    let known = node.change(Purpose::Add, |step| match step.record(SIGNING_KEY) {
        Some(known) => known.clone(),
        None => {
            let drawn = Bytes::from(format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()));
            step.put(SIGNING_KEY, drawn.clone());
            drawn
        }
    });
    let key = known.await.map_err(|error| StartError::Data(error.to_string()))?;
    Ok(String::from_utf8_lossy(&key).into_owned())
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
