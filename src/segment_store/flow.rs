//! One writer's part of a session.

use std::sync::Arc;

use bytes::Bytes;
use pravega_protocol::wire::{RequestId, WireCommand};
use tokio::sync::mpsc;

use super::error::Lost;
use super::session::Session;

/// One writer's share of a session: requests that get any number of replies.
///
/// Dropping it ends the flow; replies that are still to come are thrown away.
#[derive(Debug)]
pub struct Flow {
    // First, so that it is closed before the session may end for want of handles.
    replies: mpsc::Receiver<WireCommand>,
    session: Session,
    id: u32,
    sequence: u32,
}

impl Flow {
    pub(super) fn new(session: Session, id: u32, replies: mpsc::Receiver<WireCommand>) -> Self {
        Self { session, id, sequence: 0, replies }
    }

    /// An id for the next request, whose replies will come here.
    pub fn next_request_id(&mut self) -> RequestId {
        self.sequence = self.sequence.wrapping_add(1);
        RequestId::of_flow(self.id, self.sequence)
    }

    /// Hands whole frames to the session, which writes them in order.
    ///
    /// # Errors
    /// [`Lost`] if the session has ended.
    ///
    /// # Cancel safety
    /// Either all of the bytes are handed over or none.
    pub async fn send(&self, frames: Bytes) -> Result<(), Arc<Lost>> {
        self.session.send(frames).await
    }

    /// The next reply.
    ///
    /// # Errors
    /// [`Lost`] once the session has ended and all replies were taken.
    ///
    /// # Cancel safety
    /// No reply is lost.
    pub async fn receive(&mut self) -> Result<WireCommand, Arc<Lost>> {
        match self.replies.recv().await {
            Some(reply) => Ok(reply),
            None => Err(self.session.lost().await),
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.session.end_flow(self.id);
    }
}
