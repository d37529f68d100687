//! The node with its servers: binding, running, stopping.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http_server::shutdown::{self, Exit, Phases, ShutdownSettings, Signal};
use http_server::tls::{Acceptor, Inside, LOOK_AT_FILES_EVERY, PemFile, ServerFiles, TlsError};
use http_server::{Listener, ServeSettings, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::controller::Controller;
use crate::controller::access::Access;
use crate::node::{Node, NodeLimits, Purpose};
use crate::segment_store::{self, StoreContext};
use crate::settings::Settings;
use crate::start_error::{DataError, StartError, UsersError};
use crate::users::{Tokens, UserFile};

/// How long an append waits for truncation to make room before it fails. Less than the time-outs of Pravega's clients.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(10);

/// Most connections of the controller: a few for each client of Pravega.
const CONTROLLER_CONNECTIONS: usize = 1024;

/// A controller does not close idle connections, and clients keep theirs for days.
const CONTROLLER_IDLE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Record of the key with which delegation tokens are signed.
const SIGNING_KEY: &str = "node/signing-key";

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
    /// Who may use it; with `None`, anyone.
    guard: Option<Guard>,
}

/// Those who may use the node, and the tokens that they show to its store.
#[derive(Debug)]
struct Guard {
    users: Arc<UserFile>,
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
    pub async fn bind(settings: &Settings) -> Result<Self, StartError> {
        let acceptors = (acceptor(settings, Inside::Wire)?, acceptor(settings, Inside::Http)?);
        let segment_store = bind("segment-store-port", settings.segment_store_port).await?;
        let controller = bind("controller-port", settings.controller_port).await?;
        let rest = bind("rest-port", settings.rest_port).await?;
        let addresses = Addresses {
            segment_store: segment_store.local_addr()?,
            controller: controller.local_addr()?,
            rest: rest.local_addr()?,
        };
        let limits = NodeLimits { max_bytes: settings.max_bytes, wait_for_room: WAIT_FOR_ROOM };
        let node = open(settings.data.clone(), limits).await?;
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
        http: ServeSettings,
        stop: CancellationToken,
        cut: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let Self { node, segment_store, controller, rest, addresses, acceptors: (wire, acceptor), guard } = self;
        let settings = ServeSettings { acceptor, connections: CONTROLLER_CONNECTIONS, idle: CONTROLLER_IDLE, ..http };
        let (access, tokens, users) = match guard {
            Some(Guard { users, tokens }) => {
                (Access::guarded(Arc::clone(&users), tokens.clone()), Some(tokens), Some(users))
            }
            None => (Access::default(), None, None),
        };
        let catalog = Controller::new(Arc::clone(&node), addresses.segment_store.into(), access);
        let router = catalog.router();
        let listeners = vec![Listener::from(controller), Listener::from(rest)];
        let maintained = Arc::clone(&node);
        let storing = segment_store::serve(segment_store, StoreContext { node, tokens, acceptor: wire }, stop.clone());
        async move {
            let served = CancellationToken::new();
            let serving = async {
                tokio::join!(serve(listeners, router, settings, stop, cut), storing);
                served.cancel();
            };
            let minding = served.run_until_cancelled(catalog.run_background());
            let watching = served.run_until_cancelled(watch(users));
            tokio::join!(serving, minding, watching, maintained.run_maintenance(served.clone()));
        }
    }

    /// Serves until a signal comes and what was in flight is finished, or the grace is over.
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub async fn serve(self, http: ServeSettings, grace: Duration, signals: impl Stream<Item = Signal>) -> Exit {
        let phases = Phases::default();
        let work = self.run(http, phases.stop.clone(), phases.cut.clone());
        // no one writes to it on behalf of others, so there is no one to wait for
        let settings = ShutdownSettings { delay: Duration::ZERO, grace };
        shutdown::run(signals, &settings, &phases, work, || 0).await
    }
}

async fn open(data: Option<PathBuf>, limits: NodeLimits) -> Result<Arc<Node>, StartError> {
    let Some(data) = data else { return Ok(Node::in_memory(limits)) };
    let opened = tokio::task::spawn_blocking(move || Node::open(&data, limits)).await;
    Ok(opened.map_err(io::Error::other)?.map_err(DataError::from)?)
}

/// Follows the file of the users, if there is one. Never ends.
async fn watch(users: Option<Arc<UserFile>>) -> Infallible {
    match users {
        Some(users) => users.watch().await,
        None => std::future::pending().await,
    }
}

/// Knows the users, where the settings name a file of them.
async fn guard(settings: &Settings, node: &Arc<Node>) -> Result<Option<Guard>, StartError> {
    let Some(file) = settings.users.clone() else { return Ok(None) };
    let loaded = tokio::task::spawn_blocking(move || UserFile::load(&file)).await.map_err(io::Error::other)?;
    let users = Arc::new(loaded.map_err(UsersError::from)?);
    let key = signing_key(node).await?;
    let tokens = Tokens::new(&key, settings.token_life).map_err(UsersError::from)?;
    Ok(Some(Guard { users, tokens }))
}

/// The key of the node's delegation tokens; clients keep tokens over a restart, so it is kept as well.
async fn signing_key(node: &Arc<Node>) -> Result<String, StartError> {
    let known = node.change(Purpose::Add, |step| match step.state().record(SIGNING_KEY) {
        Some(known) => known.clone(),
        None => {
            let drawn = Bytes::from(format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()));
            step.put(SIGNING_KEY, drawn.clone());
            drawn
        }
    });
    let key = known.await.map_err(DataError::from)?;
    Ok(String::from_utf8_lossy(&key).into_owned())
}

/// What connections pass first: TLS, where the settings say so.
fn acceptor(settings: &Settings, inside: Inside) -> Result<Acceptor, TlsError> {
    let Some(files) = &settings.tls else { return Ok(Acceptor::plain()) };
    let files = ServerFiles {
        certificates: PemFile::new("--tls-certificate", &files.certificate),
        key: PemFile::new("--tls-key", &files.key),
        client_ca: None,
    };
    Acceptor::reloading(files, inside, LOOK_AT_FILES_EVERY)
}

async fn bind(flag: &'static str, port: u16) -> Result<TcpListener, StartError> {
    let failed = |error| StartError::Port { flag, port, error };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)
}
