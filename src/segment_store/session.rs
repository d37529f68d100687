//! The handle of a multiplexed connection: requests with one reply each, and flows with any number of replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_server::GaugeGuard;
use parking_lot::Mutex;
use pravega_protocol::wire::{Command, RequestId, WireCommand};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::error::{Error, Lost, LostCause};
use super::flow::Flow;
use super::handshake;
use super::task::{self, Message};
use crate::controller::{Endpoint, Life};
use crate::upstream_tls::UpstreamTls;

/// The flow of requests with one reply each. Its request ids are negative, so that none is ever the offset that a
/// store puts in the place of a refused read's request id.
pub(super) const CALLS_FLOW: u32 = 1 << 31;

/// Messages that may wait for the task. Their bytes are bounded by the gateway's budget of bytes in flight, which
/// covers every body until it is answered.
const QUEUED_MESSAGES: usize = 128;

/// Replies that may wait for a flow's owner; a flow has far fewer requests outstanding.
const QUEUED_REPLIES: usize = 1024;

/// Times of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionTimes {
    /// Longest wait for connection and Hello.
    pub connect: Duration,
    /// Silence after which a KeepAlive is sent.
    pub keep_alive: Duration,
    /// Silence after which the session counts as dead, though it was asked.
    pub dead_after: Duration,
}

/// A handle on one multiplexed connection to a segment store. Clones share the connection; it closes when the
/// last one is dropped.
#[derive(Debug, Clone)]
pub struct Session {
    messages: mpsc::Sender<Message>,
    shared: Arc<SessionShared>,
}

#[derive(Debug)]
struct SessionShared {
    endpoint: Endpoint,
    next_flow: AtomicU32,
    next_call: AtomicU32,
    end: watch::Receiver<Option<Arc<Lost>>>,
    /// Of the token that ends first among those that writers were set up with: the store closes the connection then.
    life: Mutex<Option<Life>>,
}

impl Session {
    /// Connects, through TLS if there is any, exchanges Hello and starts the task that owns the socket. `open` counts the
    /// session while it lasts.
    ///
    /// # Errors
    /// [`Error::Connect`].
    ///
    /// # Cancel safety
    /// The connection is dropped.
    pub async fn open(
        endpoint: &Endpoint,
        tls: Option<&UpstreamTls>,
        times: SessionTimes,
        open: &Gauge,
    ) -> Result<Self, Error> {
        let connection = handshake::connect(endpoint, tls, times.connect).await?;
        let (messages, inbox) = mpsc::channel(QUEUED_MESSAGES);
        let (ended, end) = watch::channel(None);
        task::spawn(connection, endpoint.clone(), times, inbox, ended, GaugeGuard::new(open));
        Ok(Self::of_task(endpoint.clone(), messages, end))
    }

    /// The handle of a task that takes these messages and reports its end.
    pub(super) fn of_task(
        endpoint: Endpoint,
        messages: mpsc::Sender<Message>,
        end: watch::Receiver<Option<Arc<Lost>>>,
    ) -> Self {
        let shared = SessionShared {
            endpoint,
            next_flow: AtomicU32::new(1),
            next_call: AtomicU32::new(0),
            end,
            life: Mutex::default(),
        };
        Self { messages, shared: Arc::new(shared) }
    }

    /// How many flows were opened on the connection so far.
    pub(super) fn flows_opened(&self) -> u32 {
        self.shared.next_flow.load(Ordering::Relaxed) - 1
    }

    /// Takes note that a writer was set up with a token, at whose end the store will close the connection.
    pub(super) fn note_token(&self, life: Option<Life>) {
        let mut first = self.shared.life.lock();
        *first = match (*first, life) {
            (Some(first), Some(life)) if first.ends <= life.ends => Some(first),
            (first, None) => first,
            (_, life) => life,
        };
    }

    /// Whether it will last long enough for another writer.
    pub(super) fn takes_writers(&self) -> bool {
        self.shared.life.lock().is_none_or(|life| Instant::now() < life.reserve_from)
    }

    /// Whether the writers on it should move to another one.
    pub(super) fn is_ending(&self) -> bool {
        self.shared.life.lock().is_some_and(|life| Instant::now() >= life.farewell_from)
    }

    /// Whether the connection is open, as far as is known.
    pub fn is_open(&self) -> bool {
        self.shared.end.borrow().is_none() && !self.messages.is_closed()
    }

    /// Sends one request and waits for its reply, however long that takes.
    ///
    /// # Errors
    /// [`Error::Lost`] if the session ends first.
    ///
    /// # Cancel safety
    /// The request may have been sent; its reply is thrown away.
    pub async fn call<C: Command>(&self, request: impl FnOnce(RequestId) -> C) -> Result<WireCommand, Error> {
        let sequence = self.shared.next_call.fetch_add(1, Ordering::Relaxed);
        let request_id = RequestId::of_flow(CALLS_FLOW, sequence);
        let request = request(request_id).into();
        let (reply, answer) = oneshot::channel();
        let message = Message::call(request_id, &request, reply);
        if self.messages.send(message).await.is_err() {
            return Err(self.lost().await.into());
        }
        match answer.await {
            Ok(reply) => reply,
            Err(_) => Err(self.lost().await.into()),
        }
    }

    /// Opens a flow, whose replies are found by the high half of their request ids.
    ///
    /// # Errors
    /// [`Lost`] if the session has ended.
    ///
    /// # Cancel safety
    /// No flow is left behind.
    pub async fn open_flow(&self) -> Result<Flow, Arc<Lost>> {
        let id = self.shared.next_flow.fetch_add(1, Ordering::Relaxed) % CALLS_FLOW;
        let (sink, replies) = mpsc::channel(QUEUED_REPLIES);
        let flow = Flow::new(self.clone(), id, replies);
        match self.messages.send(Message::OpenFlow { id, sink }).await {
            Ok(()) => Ok(flow),
            Err(_) => Err(self.lost().await),
        }
    }

    pub(super) async fn send(&self, frames: Bytes) -> Result<(), Arc<Lost>> {
        match self.messages.send(Message::Send { frames }).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.lost().await),
        }
    }

    /// Room for one message, if there is any at once.
    pub(super) fn try_room(&self) -> Option<mpsc::OwnedPermit<Message>> {
        self.messages.clone().try_reserve_owned().ok()
    }

    /// Waits for room for one message: for ever once the session has ended.
    ///
    /// # Cancel safety
    /// The place in line is lost, nothing else.
    pub(super) async fn room(&self) -> mpsc::OwnedPermit<Message> {
        match self.messages.clone().reserve_owned().await {
            Ok(room) => room,
            Err(_) => std::future::pending().await,
        }
    }

    /// A full queue only delays the end: the task also sweeps flows whose owner is gone.
    pub(super) fn end_flow(&self, id: u32) {
        let _ = self.messages.try_send(Message::EndFlow { id });
    }

    /// Why the session ended, once it has.
    pub(super) async fn lost(&self) -> Arc<Lost> {
        let mut end = self.shared.end.clone();
        let lost = match end.wait_for(Option::is_some).await {
            Ok(lost) => lost.clone(),
            Err(_) => None,
        };
        lost.unwrap_or_else(|| {
            let endpoint = self.shared.endpoint.clone();
            Arc::new(Lost { endpoint, cause: LostCause::Dropped, heard: Instant::now() })
        })
    }

    /// When the store was last heard; of a session that has not ended, or is just ending, that is now.
    pub fn last_heard(&self) -> Instant {
        self.shared.end.borrow().as_ref().map_or_else(Instant::now, |lost| lost.heard)
    }
}

impl Message {
    fn call(request_id: RequestId, request: &WireCommand, reply: oneshot::Sender<Result<WireCommand, Error>>) -> Self {
        let read_offset = match request {
            WireCommand::ReadSegment(read) => Some(read.offset),
            _ => None,
        };
        let frame = request.frame();
        let mut out = BytesMut::with_capacity(frame.encoded_len());
        frame.encode(&mut out);
        Self::Call { request_id, read_offset, frame: out.freeze(), reply }
    }
}
