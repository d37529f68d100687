//! One writer's part of a session.

use std::sync::Arc;

use bytes::Bytes;
use pravega_protocol::wire::{RequestId, WireCommand};
use tokio::sync::mpsc;

use super::error::Lost;
use super::session::Session;
use super::task::Message;
use crate::controller::Life;

/// One writer's share of a session: requests that get any number of replies.
///
/// Dropping it ends the flow; replies that are still to come are thrown away.
#[derive(Debug)]
pub struct Flow {
    // First, so that it is closed before the session may end for want of handles.
    replies: mpsc::Receiver<WireCommand>,
    session: Session,
    /// Room for one message in the session's queue.
    room: Option<mpsc::OwnedPermit<Message>>,
    id: u32,
    sequence: u32,
}

/// What a flow waited for.
#[derive(Debug)]
pub enum FlowStep {
    /// A reply came, or none will.
    Reply(Result<WireCommand, Arc<Lost>>),
    /// There is room to send.
    Room,
}

impl Flow {
    pub(super) fn new(session: Session, id: u32, replies: mpsc::Receiver<WireCommand>) -> Self {
        Self { session, room: None, id, sequence: 0, replies }
    }

    /// An id for the next request, whose replies will come here.
    pub fn next_request_id(&mut self) -> RequestId {
        self.sequence = self.sequence.wrapping_add(1);
        RequestId::of_flow(self.id, self.sequence)
    }

    /// Takes note of the token that this flow's writer was set up with.
    pub fn note_token(&self, life: Option<Life>) {
        self.session.note_token(life);
    }

    /// Whether the store will close the connection soon, as a token ends: what is sent may not be answered any more.
    pub fn is_ending(&self) -> bool {
        self.session.is_ending()
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

    /// Whether [`send_now`](Self::send_now) can be called. What this takes of the session's queue is kept until then, or
    /// until [`let_go_of_room`](Self::let_go_of_room).
    pub fn has_room(&mut self) -> bool {
        if self.room.is_none() {
            self.room = self.session.try_room();
        }
        self.room.is_some()
    }

    /// Leaves the room to others.
    pub fn let_go_of_room(&mut self) {
        self.room = None;
    }

    /// Hands whole frames to the session at once.
    ///
    /// # Panics
    /// If there was no room.
    pub fn send_now(&mut self, frames: Bytes) {
        let room = self.room.take().expect("has_room() said so");
        room.send(Message::Send { frames });
    }

    /// The next reply, or room to send if that is wanted.
    ///
    /// # Cancel safety
    /// No reply is lost; the place in line for room is.
    pub async fn step(&mut self, wants_room: bool) -> FlowStep {
        tokio::select! {
            biased;
            reply = self.replies.recv() => FlowStep::Reply(match reply {
                Some(reply) => Ok(reply),
                None => Err(self.session.lost().await),
            }),
            room = self.session.room(), if wants_room => {
                self.room = Some(room);
                FlowStep::Room
            }
        }
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
