use bytes::Bytes;
use pravega_protocol::stream::{KeyPosition, SegmentId};
use pravega_protocol::wire::event::EVENT_HEADER_BYTES;

use super::machine::Item;
use super::ticket::Stub;
use crate::budget::Permit;

/// What an event takes beside its payload until it is answered: its place in queues and blocks, its ticket, the pieces
/// of the allocator. Counted from the types, rounded up.
pub const EVENT_OVERHEAD_BYTES: usize = 320;

/// Which segment an event goes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The one that holds this position, whatever becomes of the stream's segments.
    Position(KeyPosition),
    /// This one or none.
    Segment(SegmentId),
}

/// An event to append, with the budget that its bytes take until it is answered.
#[derive(Debug)]
pub struct NewEvent {
    /// Where it goes.
    pub target: Target,
    /// The user's bytes.
    pub payload: Bytes,
    /// Held until the event is answered.
    pub permit: Permit,
}

/// An event on its way.
#[derive(Debug)]
pub(super) struct PendingEvent {
    pub(super) event: NewEvent,
    pub(super) stub: Stub,
}

/// Events that go to a segment's task at once, so that they share a block where its limits allow it.
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

impl Item for PendingEvent {
    fn framed_len(&self) -> usize {
        EVENT_HEADER_BYTES + self.event.payload.len()
    }

    fn begin(&self) -> bool {
        self.stub.begin()
    }

    fn is_withdrawn(&self) -> bool {
        self.stub.is_withdrawn()
    }
}
