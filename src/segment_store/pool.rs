//! The sessions and leased connections of every store that is in use.
//!
//! ```text
//! Pool ─ by endpoint ─▶ Store ─┬─ appends: SessionSlots ─ in turns ─▶ SessionSlot ─▶ Session, opened when needed
//!                              ├─ reads:   SessionSlots
//!                              └─ exclusive: ExclusivePool ─▶ Lease
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use super::connect::{Connect, Tcp};
use super::error::{ConnectError, Error};
use super::exclusive::{ExclusivePool, Lease, LeaseKind};
use super::session::{Session, SessionTimes};
use crate::config;
use crate::controller::Endpoint;
use crate::retry::{Backoff, HEALTHY_FOR};
use crate::telemetry::labels::{SessionKind, SessionLabels};
use crate::telemetry::metrics::Metrics;
use crate::upstream_tls::UpstreamTls;

/// Flows on one connection: a store keeps what it knows of each writer until the connection ends. Source:
/// FlowHandler.java of Pravega's client, which retires a connection after 2,000 writers.
const MOST_FLOWS: u32 = 2000;

/// What a session is used for; appends and reads never share one, since a store that is pushed too hard by appends
/// stops reading their socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Blocks of events.
    Append,
    /// Reads and questions.
    Read,
}

/// Sessions and exclusive connections with every store that is in use.
#[derive(Debug)]
pub struct Pool {
    settings: config::SegmentStore,
    connect: Box<dyn Connect>,
    tls: Option<UpstreamTls>,
    metrics: Metrics,
    stores: Mutex<HashMap<Endpoint, Arc<Store>>>,
}

#[derive(Debug)]
struct Store {
    appends: SessionSlots,
    reads: SessionSlots,
    exclusive: ExclusivePool,
    health: StoreHealth,
}

/// When a store was last heard, on whatever connection.
#[derive(Debug, Default)]
struct StoreHealth(Mutex<Option<Instant>>);

impl StoreHealth {
    fn heard(&self, at: Instant) {
        let mut last = self.0.lock();
        *last = (*last).max(Some(at));
    }

    fn is_good(&self) -> bool {
        let last = self.0.lock();
        last.is_some_and(|at| at.elapsed() < HEALTHY_FOR)
    }
}

impl Store {
    /// An open session counts, however long nothing was said.
    fn is_healthy(&self) -> bool {
        self.health.is_good() || self.appends.is_open() || self.reads.is_open()
    }
}

/// A fixed number of sessions, opened when they are first needed and taken in turns.
#[derive(Debug)]
struct SessionSlots {
    slots: Vec<SessionSlot>,
    turn: AtomicUsize,
    counts: Counts,
}

/// The metrics of the sessions of one kind.
#[derive(Debug)]
struct Counts {
    open: Gauge,
    reopened: Counter,
}

#[derive(Debug, Default)]
struct SessionSlot(tokio::sync::Mutex<SlotState>);

#[derive(Debug, Default)]
struct SlotState {
    session: Option<Session>,
    was_open: bool,
    failed: Option<Failed>,
    backoff: Backoff,
}

#[derive(Debug)]
struct Failed {
    at: Instant,
    retry_at: Instant,
    error: Arc<ConnectError>,
}

impl Pool {
    /// Makes an empty pool; nothing is connected yet. With `tls`, every connection is TLS from its first byte.
    pub fn new(settings: config::SegmentStore, tls: Option<UpstreamTls>, metrics: Metrics) -> Self {
        let connect = Box::new(Tcp(tls.clone()));
        Self { settings, connect, tls, metrics, stores: Mutex::default() }
    }

    /// A pool whose sessions come about in another way.
    #[cfg(test)]
    pub(crate) fn with_connect(settings: config::SegmentStore, connect: Box<dyn Connect>, metrics: Metrics) -> Self {
        Self { settings, connect, tls: None, metrics, stores: Mutex::default() }
    }

    /// A session with a store, opened if there is none. Tries once; callers that ask during an
    /// attempt, or right after it failed, share the failure.
    ///
    /// # Errors
    /// [`Error::Connect`].
    ///
    /// # Cancel safety
    /// A half-opened session is dropped; the next caller starts again.
    pub async fn session(&self, endpoint: &Endpoint, purpose: Purpose) -> Result<Session, Error> {
        let store = self.store(endpoint);
        let slots = match purpose {
            Purpose::Append => &store.appends,
            Purpose::Read => &store.reads,
        };
        let connect = || self.connect.connect(endpoint, self.times(), &slots.counts.open);
        slots.next().session(connect, &store.health, &slots.counts).await
    }

    /// A connection of the caller's own, after waiting for one to be free.
    ///
    /// # Errors
    /// [`Error::Connect`].
    ///
    /// # Cancel safety
    /// The place in the queue is lost, nothing else.
    pub async fn lease(&self, endpoint: &Endpoint, kind: LeaseKind) -> Result<Lease, Error> {
        let store = self.store(endpoint);
        let lease = store.exclusive.lease(endpoint, kind, self.settings.connect_timeout).await;
        lease.inspect(|_| store.health.heard(Instant::now()))
    }

    /// Whether a store was heard from lately, so that it is worth waiting for.
    pub fn was_healthy(&self, endpoint: &Endpoint) -> bool {
        self.store(endpoint).is_healthy()
    }

    fn store(&self, endpoint: &Endpoint) -> Arc<Store> {
        let mut stores = self.stores.lock();
        if let Some(store) = stores.get(endpoint) {
            return store.clone();
        }
        let store = Arc::new(Store {
            appends: SessionSlots::new(self.settings.append_sessions, self.counts(SessionKind::Append)),
            reads: SessionSlots::new(self.settings.read_sessions, self.counts(SessionKind::Read)),
            exclusive: ExclusivePool::new(
                self.settings.exclusive_connections,
                self.tls.clone(),
                self.counts(SessionKind::Exclusive).open,
            ),
            health: StoreHealth::default(),
        });
        stores.insert(endpoint.clone(), store.clone());
        store
    }

    fn counts(&self, kind: SessionKind) -> Counts {
        let labels = SessionLabels { kind };
        Counts {
            open: self.metrics.store_sessions.get_or_create(&labels).clone(),
            reopened: self.metrics.store_reconnects.get_or_create(&labels).clone(),
        }
    }

    fn times(&self) -> SessionTimes {
        SessionTimes {
            connect: self.settings.connect_timeout,
            keep_alive: self.settings.keep_alive,
            dead_after: self.settings.dead_after,
        }
    }
}

impl SessionSlots {
    fn new(count: usize, counts: Counts) -> Self {
        Self { slots: (0..count).map(|_| SessionSlot::default()).collect(), turn: AtomicUsize::new(0), counts }
    }

    fn next(&self) -> &SessionSlot {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.slots[turn % self.slots.len()]
    }

    /// Whether a session is open, as far as is known without waiting.
    fn is_open(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.0.try_lock().is_ok_and(|state| state.session.as_ref().is_some_and(Session::is_open)))
    }
}

impl SessionSlot {
    /// Callers queue up behind the one that connects, and share its session or its failure.
    async fn session<'a>(
        &self,
        connect: impl FnOnce() -> BoxFuture<'a, Result<Session, Error>>,
        health: &StoreHealth,
        counts: &Counts,
    ) -> Result<Session, Error> {
        let asked_at = Instant::now();
        let mut state = self.0.lock().await;
        if let Some(session) = state.open_session(health) {
            return Ok(session);
        }
        if let Some(failed) = state.failed.as_ref().filter(|failed| failed.is_shared(asked_at)) {
            return Err(failed.error.clone().into());
        }
        match connect().await {
            Ok(session) => {
                health.heard(Instant::now());
                if std::mem::replace(&mut state.was_open, true) {
                    counts.reopened.inc();
                }
                state.opened(session.clone());
                Ok(session)
            }
            Err(error) => {
                if let Error::Connect(error) = &error {
                    state.failed(error.clone());
                }
                Err(error)
            }
        }
    }
}

impl Failed {
    /// Whether the failure answers someone who asked at that time.
    fn is_shared(&self, asked_at: Instant) -> bool {
        self.at >= asked_at || Instant::now() < self.retry_at
    }
}

impl SlotState {
    /// A session that has been used up, or is about to end with a token, is left to those who still use it.
    fn open_session(&mut self, health: &StoreHealth) -> Option<Session> {
        let session = self.session.take()?;
        if session.flows_opened() >= MOST_FLOWS || !session.takes_writers() {
            // Replaced on purpose, so that the next one is no replacement of a lost one.
            self.was_open = false;
        } else if session.is_open() {
            self.session = Some(session.clone());
            return Some(session);
        }
        health.heard(session.last_heard());
        None
    }

    fn opened(&mut self, session: Session) {
        self.session = Some(session);
        self.failed = None;
        self.backoff.reset();
    }

    fn failed(&mut self, error: Arc<ConnectError>) {
        let at = Instant::now();
        self.failed = Some(Failed { at, retry_at: at + self.backoff.next_delay(), error });
    }
}
