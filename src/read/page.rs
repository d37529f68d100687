//! Pages: whole neighbouring events of a segment, cut out of replies of any size.

use bytes::{Bytes, BytesMut};
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::event::{Deframed, EVENT_HEADER_BYTES, deframe};

use super::error::Error;
use super::reader::{SegmentReader, SegmentState};
use crate::budget::Permit;

/// Bounds of a page. The first event is returned whole, also if it exceeds `bytes`.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    /// Events in a page, at least 1.
    pub events: usize,
    /// Bytes of events including their headers.
    pub bytes: usize,
    /// Largest payload of the first event, in bytes.
    pub max_event: usize,
}

/// One event of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where the event begins.
    pub offset: i64,
    /// Where the next event begins.
    pub next_offset: i64,
    /// The user's bytes.
    pub payload: Bytes,
}

/// Neighbouring events of a segment.
#[derive(Debug, Clone)]
pub struct Page {
    /// The events, in the order of their offsets.
    pub events: Vec<Event>,
    /// Where the next page begins.
    pub next_offset: i64,
    /// Whether the page reaches the segment's tail.
    pub up_to_date: bool,
    /// Whether the segment ends there for good.
    pub closed: bool,
}

impl SegmentReader {
    /// Reads whole events from an offset on, up to the limits or the tail; never waits for new events. `permit` grows
    /// to what is held.
    ///
    /// # Errors
    /// [`Error`]; bytes that are not an event are [`Error::NotABoundary`] if they come first, else the page ends there.
    ///
    /// # Cancel safety
    /// Awaits the budget and reads, which change nothing.
    pub async fn page(
        &self,
        segment: &SegmentName,
        state: SegmentState,
        offset: i64,
        limits: PageLimits,
        permit: &mut Permit,
    ) -> Result<Page, Error> {
        let mut filling = Filling { events: Vec::new(), buffer: Bytes::new(), at: offset, taken: 0 };
        let reached = loop {
            let room = usize::try_from(state.tail - filling.at).unwrap_or(0);
            if room == 0 || filling.events.len() == limits.events {
                break true;
            }
            match deframe(&mut filling.buffer, room) {
                Deframed::Event(payload) => {
                    if filling.is_too_much(payload.len(), limits)? {
                        break false;
                    }
                    filling.push(payload);
                }
                Deframed::Partial(whole) if filling.is_too_much(whole - EVENT_HEADER_BYTES, limits)? => break false,
                Deframed::Partial(whole) => {
                    let wanted = filling.wanted(whole, limits).min(room);
                    permit.grow_to(filling.taken + wanted).await?;
                    let from = filling.at + filling.buffer.len() as i64;
                    let more = self.bytes(segment, from, wanted - filling.buffer.len()).await?;
                    filling.extend(more);
                }
                Deframed::Garbage if filling.events.is_empty() => {
                    return Err(Error::NotABoundary { segment: segment.clone(), offset });
                }
                Deframed::Garbage => break false,
            }
        };
        self.metrics.read_events.inc_by(filling.events.len() as u64);
        self.metrics.read_bytes.inc_by(filling.payload_bytes() as u64);
        assert!(filling.taken <= permit.bytes(), "a page's events are paid for by its permit");
        let up_to_date = reached && filling.at == state.tail;
        Ok(Page { events: filling.events, next_offset: filling.at, up_to_date, closed: up_to_date && state.sealed })
    }
}

/// A page while it is read.
struct Filling {
    events: Vec<Event>,
    /// Bytes from `at` on that are not cut into events yet.
    buffer: Bytes,
    at: i64,
    /// Bytes of the page's events, including their headers.
    taken: usize,
}

impl Filling {
    /// Whether the next event does not fit in the page.
    fn is_too_much(&self, payload_len: usize, limits: PageLimits) -> Result<bool, Error> {
        if !self.events.is_empty() {
            return Ok(self.taken + EVENT_HEADER_BYTES + payload_len > limits.bytes);
        }
        if payload_len > limits.max_event {
            return Err(Error::EventTooLarge { offset: self.at, length: payload_len, limit: limits.max_event });
        }
        Ok(false)
    }

    /// Bytes to have in the buffer: the rest of the page, and at least the incomplete event.
    fn wanted(&self, whole: usize, limits: PageLimits) -> usize {
        whole.max(limits.bytes.saturating_sub(self.taken))
    }

    fn push(&mut self, payload: Bytes) {
        let len = EVENT_HEADER_BYTES + payload.len();
        let next_offset = self.at + len as i64;
        assert!(next_offset > self.at, "offsets rise");
        self.events.push(Event { offset: self.at, next_offset, payload });
        self.at = next_offset;
        self.taken += len;
    }

    fn payload_bytes(&self) -> usize {
        self.taken - EVENT_HEADER_BYTES * self.events.len()
    }

    fn extend(&mut self, more: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = more;
        } else {
            let mut joined = BytesMut::with_capacity(self.buffer.len() + more.len());
            joined.extend_from_slice(&self.buffer);
            joined.extend_from_slice(&more);
            self.buffer = joined.freeze();
        }
    }
}
