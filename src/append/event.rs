use bytes::Bytes;

use super::block::EVENT_HEADER_BYTES;
use super::machine::Item;
use super::ticket::Stub;
use crate::budget::Permit;
use crate::stream::{KeyPosition, SegmentId};

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
