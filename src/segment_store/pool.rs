use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use super::error::{ConnectError, Error};
use super::exclusive::{ExclusivePool, Lease};
use super::session::{Session, SessionTimes};
use crate::config;
use crate::controller::Endpoint;
use crate::retry::{Backoff, HEALTHY_FOR};
use crate::telemetry::metrics::{Metrics, SessionKind, SessionLabels};

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
    metrics: Metrics,
    stores: Mutex<HashMap<Endpoint, Arc<Store>>>,
}

#[derive(Debug)]
struct Store {
    appends: Slots,
    reads: Slots,
    exclusive: ExclusivePool,
}

/// A fixed number of sessions, opened when they are first needed and taken in turns.
#[derive(Debug)]
struct Slots {
    slots: Vec<Slot>,
    turn: AtomicUsize,
    counts: Counts,
}

/// What is told about the sessions of one kind.
#[derive(Debug)]
struct Counts {
    open: Gauge,
    reopened: Counter,
}

#[derive(Debug, Default)]
struct Slot(tokio::sync::Mutex<SlotState>);

#[derive(Debug, Default)]
struct SlotState {
    session: Option<Session>,
    healthy_at: Option<Instant>,
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
    /// Makes an empty pool; nothing is connected yet.
    pub fn new(settings: config::SegmentStore, metrics: Metrics) -> Self {
        Self { settings, metrics, stores: Mutex::default() }
    }

    /// A session with a store, opened if there is none.
    ///
    /// A store that refuses, and did not answer within the last 30 s, fails at once; one that did is tried again
    /// until the caller gives up.
    ///
    /// # Errors
    /// [`Error::Connect`].
    ///
    /// # Cancel safety
    /// A half-opened session is dropped; the next caller begins anew.
    pub async fn session(&self, endpoint: &Endpoint, purpose: Purpose) -> Result<Session, Error> {
        let store = self.store(endpoint);
        let slots = match purpose {
            Purpose::Append => &store.appends,
            Purpose::Read => &store.reads,
        };
        slots.next().session(endpoint, self.times(), &slots.counts).await
    }

    /// A connection of the caller's own, after waiting for one to be free.
    ///
    /// # Errors
    /// [`Error::Connect`].
    ///
    /// # Cancel safety
    /// The place in the queue is lost, nothing else.
    pub async fn lease(&self, endpoint: &Endpoint) -> Result<Lease, Error> {
        let store = self.store(endpoint);
        store.exclusive.lease(endpoint, self.settings.connect_timeout).await
    }

    /// Whether any session is open.
    pub fn is_connected(&self) -> bool {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.values().any(|store| store.appends.is_open() || store.reads.is_open())
    }

    fn store(&self, endpoint: &Endpoint) -> Arc<Store> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(endpoint) {
            return store.clone();
        }
        let store = Arc::new(Store {
            appends: Slots::new(self.settings.append_sessions, self.counts(SessionKind::Append)),
            reads: Slots::new(self.settings.read_sessions, self.counts(SessionKind::Read)),
            exclusive: ExclusivePool::new(
                self.settings.exclusive_connections,
                self.counts(SessionKind::Exclusive).open,
            ),
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

impl Slots {
    fn new(count: usize, counts: Counts) -> Self {
        Self { slots: (0..count).map(|_| Slot::default()).collect(), turn: AtomicUsize::new(0), counts }
    }

    fn next(&self) -> &Slot {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.slots[turn % self.slots.len()]
    }

    fn is_open(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.0.try_lock().is_ok_and(|state| state.session.as_ref().is_some_and(Session::is_open)))
    }
}

impl Slot {
    /// Callers queue up behind the one that connects, and share its session or its failure.
    async fn session(&self, endpoint: &Endpoint, times: SessionTimes, counts: &Counts) -> Result<Session, Error> {
        let asked_at = Instant::now();
        let mut state = self.0.lock().await;
        if let Some(session) = state.open_session() {
            return Ok(session);
        }
        loop {
            if let Some(failed) = &state.failed {
                if !state.was_healthy() && (failed.at >= asked_at || Instant::now() < failed.retry_at) {
                    return Err(failed.error.clone().into());
                }
                tokio::time::sleep_until(failed.retry_at).await;
            }
            match Session::open(endpoint, times, &counts.open).await {
                Ok(session) => {
                    if state.healthy_at.is_some() {
                        counts.reopened.inc();
                    }
                    state.opened(session.clone());
                    return Ok(session);
                }
                Err(Error::Connect(error)) if !state.was_healthy() => {
                    state.failed(error.clone());
                    return Err(error.into());
                }
                Err(Error::Connect(error)) => state.failed(error),
                Err(other) => return Err(other),
            }
        }
    }
}

impl SlotState {
    fn open_session(&mut self) -> Option<Session> {
        if let Some(session) = self.session.as_ref().filter(|session| session.is_open()) {
            return Some(session.clone());
        }
        if let Some(session) = self.session.take() {
            self.healthy_at = session.ended_at();
        }
        None
    }

    fn was_healthy(&self) -> bool {
        self.healthy_at.is_some_and(|at| at.elapsed() < HEALTHY_FOR)
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
