//! Connections that are leased to one caller at a time, for messages that the gateway does not understand.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http_server::GaugeGuard;
use parking_lot::Mutex;
use pravega_protocol::wire::{Frame, FrameError};
use prometheus_client::metrics::gauge::Gauge;
use socket2::SockRef;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::either::Either;

use super::error::Error;
use super::handshake::{self, Connection, Socket};
use crate::controller::Endpoint;
use crate::upstream_tls::UpstreamTls;

/// Connections that wait to be leased again; more are closed when they come back.
const IDLE_CONNECTIONS: usize = 4;

/// Connections to one store, each for one caller at a time.
#[derive(Debug)]
pub struct ExclusivePool {
    free: Arc<Semaphore>,
    /// Places for those who may keep theirs for long; the others are for everyone else.
    patient: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<CountedConnection>>>,
    tls: Option<UpstreamTls>,
    open: Gauge,
}

#[derive(Debug)]
struct CountedConnection {
    frames: Connection,
    _counted: GaugeGuard,
}

/// A connection that no one else uses. Dropping it closes the connection, unless it was given back.
#[derive(Debug)]
pub struct Lease {
    connection: CountedConnection,
    idle: Arc<Mutex<Vec<CountedConnection>>>,
    _places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

/// How long a lease may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseKind {
    /// As long as a store takes to answer.
    Short,
    /// As long as a read waits at a segment's tail. At most half of the connections are leased so.
    Patient,
}

impl ExclusivePool {
    /// Leases at most `most` connections at a time, through TLS if there is any; `open` counts them, idle ones too.
    pub fn new(most: usize, tls: Option<UpstreamTls>, open: Gauge) -> Self {
        let (free, patient) = (Arc::new(Semaphore::new(most)), Arc::new(Semaphore::new(most.div_ceil(2))));
        Self { free, patient, idle: Arc::default(), tls, open }
    }

    /// Waits for a place, then takes an idle connection or opens one.
    ///
    /// # Errors
    /// [`Error::Connect`].
    ///
    /// # Cancel safety
    /// The place in the queue is lost, nothing else.
    pub async fn lease(&self, endpoint: &Endpoint, kind: LeaseKind, connect_timeout: Duration) -> Result<Lease, Error> {
        let patient = match kind {
            LeaseKind::Short => None,
            LeaseKind::Patient => Some(acquire(&self.patient).await),
        };
        let place = acquire(&self.free).await;
        let connection = match self.take_idle() {
            Some(connection) => connection,
            None => {
                let frames = handshake::connect(endpoint, self.tls.as_ref(), connect_timeout).await?;
                CountedConnection { frames, _counted: GaugeGuard::new(&self.open) }
            }
        };
        Ok(Lease { connection, idle: self.idle.clone(), _places: (place, patient) })
    }

    fn take_idle(&self) -> Option<CountedConnection> {
        let mut idle = self.idle.lock();
        std::iter::from_fn(|| idle.pop()).find(|connection| is_quiet(connection.frames.get_ref()))
    }
}

async fn acquire(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    places.clone().acquire_owned().await.expect("the semaphore is never closed")
}

/// An idle connection has nothing to say: one that does was closed by the store. The socket itself is checked, because
/// the runtime may not know yet.
fn is_quiet(socket: &Socket) -> bool {
    let (tcp, is_read) = match socket {
        Either::Left(tcp) => (tcp, true),
        Either::Right(stream) => {
            let (tcp, session) = stream.get_ref();
            (tcp, session.wants_read())
        }
    };
    let peeked = SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]);
    is_read && peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl Lease {
    /// Sends one frame.
    ///
    /// # Errors
    /// [`FrameError`] if the frame is too large or the connection failed.
    ///
    /// # Cancel safety
    /// Part of the frame may have been sent: the lease is only good to be dropped.
    pub async fn send(&mut self, frame: Frame) -> Result<(), FrameError> {
        self.connection.frames.send(frame).await
    }

    /// The next frame; `None` once the store has closed.
    ///
    /// # Errors
    /// [`FrameError`] if the framing broke or the connection failed.
    ///
    /// # Cancel safety
    /// No frame is lost.
    pub async fn receive(&mut self) -> Result<Option<Frame>, FrameError> {
        match self.connection.frames.next().await {
            Some(Err(FrameError::Io(error))) if handshake::is_unannounced_end(&error) => Ok(None),
            next => next.transpose(),
        }
    }

    /// Keeps the connection for the next caller. Only for one on which everything was answered and no writer was
    /// set up.
    pub fn give_back(self) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(self.connection);
        }
    }
}
