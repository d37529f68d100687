//! The other end of a session that has no socket: what a simulation plays in the place of a segment store.

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use pravega_protocol::wire::{Frame, FrameCodec, WireCommand};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::codec::Decoder as _;

use super::error::{Lost, LostCause};
use super::session::Session;
use super::task::{Message, SessionState};
use crate::controller::Endpoint;

/// Stands where a session's task and socket stand otherwise.
pub(crate) struct Peer {
    endpoint: Endpoint,
    inbox: mpsc::Receiver<Message>,
    ended: watch::Sender<Option<Arc<Lost>>>,
    state: SessionState,
    incoming: BytesMut,
    codec: FrameCodec,
}

impl Session {
    /// A session with a store that is played; this many messages may wait for it.
    pub(crate) fn with_peer(endpoint: &Endpoint, queued_messages: usize) -> (Self, Peer) {
        let (messages, inbox) = mpsc::channel(queued_messages);
        let (ended, end) = watch::channel(None);
        let peer = Peer {
            endpoint: endpoint.clone(),
            inbox,
            ended,
            state: SessionState::default(),
            incoming: BytesMut::new(),
            codec: FrameCodec::store(),
        };
        (Self::of_task(endpoint.clone(), messages, end), peer)
    }
}

impl Peer {
    /// The frames that the gateway wrote since; `None` once it has let go of the session.
    ///
    /// # Cancel safety
    /// No frame is lost.
    pub(crate) async fn hear(&mut self) -> Option<Vec<Frame>> {
        let message = self.inbox.recv().await?;
        self.state.take_all(message, &mut self.inbox);
        while self.state.outbox.has_remaining() {
            let written = self.state.outbox.chunk();
            self.incoming.extend_from_slice(written);
            let count = written.len();
            self.state.outbox.advance(count);
        }
        let next = || self.codec.decode(&mut self.incoming).expect("the gateway writes whole frames of allowed sizes");
        Some(std::iter::from_fn(next).collect())
    }

    /// Delivers a reply to the request that waits for it.
    pub(crate) fn say(&mut self, reply: WireCommand) {
        let request_id = reply.request_id().expect("replies to requests name them");
        self.state.deliver_to(request_id, reply).expect("flows have room for the replies to their requests");
    }

    /// How many wait for a reply: none, once the gateway has let go of the session.
    pub(crate) fn waiting(&self) -> usize {
        self.state.waiting()
    }

    /// Ends the session; flows learn of it in their order, where a map and a watch would notify them in any.
    pub(crate) fn end(mut self, cause: LostCause) {
        self.ended.send_replace(Some(Arc::new(Lost { endpoint: self.endpoint, cause, heard: Instant::now() })));
        let mut flows: Vec<_> = self.state.flows.drain().collect();
        flows.sort_by_key(|(id, _)| *id);
        flows.into_iter().for_each(drop);
    }
}
