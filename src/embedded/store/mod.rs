//! The segment store's server: wire commands on TCP connections, each turned into one step of the node.
//!
//! ```text
//! socket ─▶ connection ─▶ conversation ─▶ appends, reads, segments, merges, tables ─▶ node
//!    ▲                                                        │
//!    └──── outbox ◀─ (durable?) ─ replies ◀───────────────────┘
//! ```
//!
//! A connection has one task, which handles its commands one after the other, in the order they came. Their replies
//! leave in that order too, many in one write, once the log holds what they tell. Clients rely on what a real store
//! does beside its replies: which mistakes it answers and which ones end the connection.

mod appends;
mod attributes;
mod connection;
mod conversation;
mod merges;
mod reads;
mod refused;
mod replies;
mod room;
mod segments;
mod tables;
mod transients;
mod writers;

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::node::Node;
use super::users::Tokens;
use crate::tls::Acceptor;

/// Pause after the system refused a connection, for want of file handles most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the store's connections share.
#[derive(Debug)]
pub(crate) struct StoreContext {
    /// What they look at and change.
    pub(crate) node: Arc<Node>,
    /// Checks delegation tokens; `None` lets everybody do everything.
    pub(crate) tokens: Option<Tokens>,
    /// What new connections pass first.
    pub(crate) acceptor: Acceptor,
}

/// Serves connections until `stop`, then ends them: each still tells what is due, and nothing more is read.
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
        () = accept(&listener, &context, &connections, &stop) => {}
        () = sweeping => {}
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: &TcpListener,
    context: &Arc<StoreContext>,
    connections: &TaskTracker,
    stop: &CancellationToken,
) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                connections.spawn(converse(socket, peer, Arc::clone(context), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the embedded store can't accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(socket: TcpStream, peer: SocketAddr, context: Arc<StoreContext>, stop: CancellationToken) {
    // a peer that is gone already is found out by the first read
    let _ = socket.set_nodelay(true);
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
