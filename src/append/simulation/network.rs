//! Connections that need no sockets.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::{Connection, ConnectionId, FromStore};
use super::segment::Host;
use super::world::{State, World};
use crate::controller::Endpoint;
use crate::segment_store::{Connect, ConnectError, ConnectProblem, Error, Peer, Session, SessionTimes};

/// Replies that may be on their way to the gateway's end of a connection.
const REPLIES: usize = 4096;

pub(super) struct SimulatedNetwork(pub(super) Arc<World>);

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedNetwork")
    }
}

impl Connect for SimulatedNetwork {
    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        _: SessionTimes,
        _: &'a Gauge,
    ) -> BoxFuture<'a, Result<Session, Error>> {
        self.open(endpoint).boxed()
    }
}

impl SimulatedNetwork {
    async fn open(&self, endpoint: &Endpoint) -> Result<Session, Error> {
        let delay = self.0.with(State::hop);
        sleep(delay).await;
        let host = Host::from(endpoint.port);
        let (to_client, from_store) = mpsc::channel(REPLIES);
        let opened = self.0.with(|state| state.open(host, to_client));
        let Some((connection, queued_messages)) = opened else {
            let problem = ConnectProblem::Io(io::ErrorKind::ConnectionRefused.into());
            return Err(Arc::new(ConnectError { endpoint: endpoint.clone(), problem }).into());
        };
        let (session, peer) = Session::with_peer(endpoint, queued_messages);
        tokio::spawn(carry(self.0.clone(), connection, peer, from_store));
        Ok(session)
    }
}

impl State {
    fn open(&mut self, host: Host, to_client: mpsc::Sender<FromStore>) -> Option<(ConnectionId, usize)> {
        let is_away = self.away_until[host] > Instant::now();
        let connection = self.connections.len();
        self.trace.note(|| format!("c{connection} to store {host}{}", if is_away { " is refused" } else { "" }));
        if is_away {
            return None;
        }
        self.connections.push(Connection::new(host, to_client));
        Some((connection, self.odds.queued_messages))
    }

    /// How long the socket takes no more.
    fn pause(&mut self) -> Duration {
        if self.dice.chance(self.odds.blocked_send) {
            self.witness.is_disturbed = true;
            return self.dice.millis(1000..=40_000);
        }
        if self.dice.chance(0.1) { self.dice.millis(0..=30) } else { Duration::ZERO }
    }
}

/// Carries frames and replies until one end is gone.
async fn carry(world: Arc<World>, connection: ConnectionId, mut peer: Peer, mut from_store: mpsc::Receiver<FromStore>) {
    let mut full_until = Instant::now();
    loop {
        let is_full = full_until > Instant::now();
        tokio::select! {
            biased;
            message = from_store.recv() => match message {
                Some(FromStore::Reply(reply)) => peer.say(reply),
                Some(FromStore::End(cause)) => return peer.end(cause),
                None => return,
            },
            () = sleep_until(full_until), if is_full => {}
            frames = peer.hear(), if !is_full => match frames {
                Some(frames) => full_until = world.with(|state| {
                    state.sent(connection, frames);
                    Instant::now() + state.pause()
                }),
                None => {
                    return world.with(|state| {
                        state.connections[connection].is_lost = true;
                        state.left_waiting += peer.waiting();
                    });
                }
            },
        }
    }
}
