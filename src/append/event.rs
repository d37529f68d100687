use std::collections::VecDeque;

use bytes::Bytes;
use pravega_protocol::stream::{KeyPosition, SegmentId};
use pravega_protocol::wire::event::EVENT_HEADER_BYTES;

use super::block_queue::QueuedEvent;
use super::error::Error;
use super::recovery::begin_sending;
use super::ticket::TicketSender;
use crate::budget::Permit;
use crate::controller::Grant;

/// Bytes that an event takes beside its payload until it is answered: its place in queues and blocks, its ticket,
/// allocator overhead. Counted from the types, rounded up.
pub const EVENT_OVERHEAD_BYTES: usize = 320;

/// Which segment an event goes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The segment that holds this position of the key space, also after the stream has scaled.
    Position(KeyPosition),
    /// This segment and no other.
    Segment(SegmentId),
}

impl Target {
    /// The segment that is named.
    pub(super) fn segment(self) -> Option<SegmentId> {
        match self {
            Self::Position(_) => None,
            Self::Segment(segment) => Some(segment),
        }
    }
}

/// An event to append.
#[derive(Debug)]
pub struct NewEvent {
    /// Where the event goes.
    pub target: Target,
    /// Whose event it is: what it takes to get it there is asked of Pravega with this caller's credentials.
    pub caller: Grant,
    /// The user's bytes.
    pub payload: Bytes,
    /// Stands for the payload, and is held until the event is answered.
    pub permit: Permit,
}

/// An event on its way to a segment.
#[derive(Debug)]
pub(super) struct PendingEvent {
    pub(super) event: NewEvent,
    pub(super) ticket: TicketSender,
}

impl PendingEvent {
    pub(super) fn new(event: NewEvent, ticket: TicketSender) -> Self {
        debug_assert!(event.permit.covers(event.payload.len()), "a queued payload is paid for by its permit");
        Self { event, ticket }
    }
}

/// Events that reach a segment's writer together, so that they share a block as far as its limits allow.
#[derive(Debug)]
pub(super) enum Submission {
    One(PendingEvent),
    Several(Vec<PendingEvent>),
}

impl IntoIterator for Submission {
    type Item = PendingEvent;
    type IntoIter = std::iter::Chain<std::option::IntoIter<PendingEvent>, std::vec::IntoIter<PendingEvent>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, several) = match self {
            Self::One(event) => (Some(event), Vec::new()),
            Self::Several(events) => (None, events),
        };
        one.into_iter().chain(several)
    }
}

impl QueuedEvent for PendingEvent {
    fn framed_len(&self) -> usize {
        EVENT_HEADER_BYTES + self.event.payload.len()
    }

    fn begin(&self) -> bool {
        begin_sending(&self.ticket)
    }

    fn unsend(&self) {
        self.ticket.unsend();
    }

    fn is_withdrawn(&self) -> bool {
        self.ticket.is_withdrawn()
    }
}

/// Separates events for a named segment, which go there or fail, from those that may go to another one.
pub(super) fn split_named(events: VecDeque<PendingEvent>) -> (VecDeque<PendingEvent>, VecDeque<PendingEvent>) {
    events.into_iter().partition(|event| matches!(event.event.target, Target::Segment(_)))
}

pub(super) fn fail(events: impl IntoIterator<Item = PendingEvent>, error: &Error) {
    events.into_iter().for_each(|event| event.ticket.resolve(Err(error.clone())));
}
