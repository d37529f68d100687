//! Accepting connections, and serving each to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_server::AcceptLoop;
use http_server::tls::Acceptor;
use prometheus_client::metrics::counter::Counter;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{connection, transients};
use crate::node::Node;
use crate::users::Tokens;

/// What the store's connections share.
#[derive(Debug)]
pub(crate) struct StoreContext {
    /// What they look at and change.
    pub(crate) node: Arc<Node>,
    /// Checks delegation tokens; with `None`, anyone may do everything.
    pub(crate) tokens: Option<Tokens>,
    /// What new connections pass first.
    pub(crate) acceptor: Acceptor,
}

/// Serves connections until `stop`, then ends them: each still sends what is due, and reads nothing more.
///
/// # Cancel safety
/// Awaits connections; dropped, it ends them like `stop`, but in the background.
pub(crate) async fn serve(listener: TcpListener, context: StoreContext, stop: CancellationToken) {
    let context = Arc::new(context);
    transients::remove_leftovers(&context.node).await;
    let stop = stop.child_token();
    let _dropped = stop.clone().drop_guard();
    let connections = TaskTracker::new();
    let sweeping = transients::sweep(Arc::clone(&context.node));
    tokio::select! {
        () = stop.cancelled() => {}
        never = accept(listener, &context, &connections, &stop) => match never {},
        () = sweeping => {}
    }
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: TcpListener,
    context: &Arc<StoreContext>,
    connections: &TaskTracker,
    stop: &CancellationToken,
) -> Infallible {
    let mut accepting = AcceptLoop::new(listener, Counter::default());
    loop {
        let (socket, peer) = accepting.next().await;
        connections.spawn(converse(socket, peer, Arc::clone(context), stop.clone()));
    }
}

async fn converse(socket: TcpStream, peer: SocketAddr, context: Arc<StoreContext>, stop: CancellationToken) {
    match context.acceptor.accept(socket, peer).await {
        Some(Either::Left(socket)) => {
            let (reader, writer) = socket.into_split();
            connection::run(reader, writer, context, stop).await;
        }
        Some(Either::Right(stream)) => {
            let (reader, writer) = tokio::io::split(stream);
            connection::run(reader, writer, context, stop).await;
        }
        None => {}
    }
}
