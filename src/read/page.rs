//! Pages: whole neighbouring events of a segment, cut out of replies of any size.

use bytes::{Bytes, BytesMut};
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::event::{Deframed, EVENT_HEADER_BYTES, deframe};

use super::error::Error;
use super::reader::{SegmentReader, SegmentState};
use crate::budget::Permit;

/// Least that is worth asking a store for.
const LEAST_READ_BYTES: usize = 4 * 1024;

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
    /// to what is held, and asks for no more than the events are likely to take.
    ///
    /// # Errors
    /// [`Error`] if it comes first; else the page ends before it, and the next one meets it. Bytes that are not an event
    /// are [`Error::NotABoundary`].
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
        let usual = self.sizes.usual(segment);
        let mut filling = Filling { events: Vec::new(), buffer: Bytes::new(), at: offset, taken: 0, usual };
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
                    match self.more(segment, &filling, wanted, permit).await {
                        Ok(more) => filling.extend(more),
                        Err(error) if filling.events.is_empty() => return Err(error),
                        Err(error) => {
                            tracing::debug!(segment = %segment, %error, "a page ends early");
                            break false;
                        }
                    }
                }
                Deframed::Garbage if filling.events.is_empty() => {
                    return Err(Error::NotABoundary { segment: segment.clone(), offset });
                }
                Deframed::Garbage => break false,
            }
        };
        self.metrics.read_events.inc_by(filling.events.len() as u64);
        self.metrics.read_bytes.inc_by(filling.payload_bytes() as u64);
        assert!(filling.held() <= permit.bytes(), "a page's events are paid for by its permit");
        permit.shrink_to(filling.finish());
        if let Some(size) = filling.usual_size() {
            self.sizes.seen(segment, size);
        }
        let up_to_date = reached && filling.at == state.tail;
        Ok(Page { events: filling.events, next_offset: filling.at, up_to_date, closed: up_to_date && state.sealed })
    }
}

impl SegmentReader {
    /// The bytes that follow those in the buffer, up to `wanted` in all.
    async fn more(
        &self,
        segment: &SegmentName,
        filling: &Filling,
        wanted: usize,
        permit: &mut Permit,
    ) -> Result<Bytes, Error> {
        permit.grow_to(filling.taken + wanted).await?;
        let from = filling.at + filling.buffer.len() as i64;
        self.bytes(segment, from, wanted - filling.buffer.len()).await
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
    /// What an event of this segment usually takes, as far as is known before the first.
    usual: usize,
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

    /// Bytes to have in the buffer: what the events that are still to come will probably take, within the page, and at
    /// least the incomplete event.
    fn wanted(&self, whole: usize, limits: PageLimits) -> usize {
        let events_left = limits.events - self.events.len();
        let usual = self.usual_size().unwrap_or(self.usual);
        // Somewhat more, so that a page rarely takes another read for its last events.
        let likely = events_left.saturating_mul(usual + usual / 8).max(LEAST_READ_BYTES);
        whole.max(likely.min(limits.bytes.saturating_sub(self.taken)))
    }

    /// Bytes that an event of this page takes on average.
    fn usual_size(&self) -> Option<usize> {
        (!self.events.is_empty()).then(|| self.taken.div_ceil(self.events.len()))
    }

    /// Bytes that are in memory.
    fn held(&self) -> usize {
        self.taken + self.buffer.len()
    }

    /// Lets go of bytes behind the last event if they are many: they share memory with those before them. Returns how
    /// many bytes stay in memory.
    fn finish(&mut self) -> usize {
        let rest = std::mem::take(&mut self.buffer).len();
        if rest <= self.taken / 2 {
            return self.taken + rest;
        }
        for event in &mut self.events {
            event.payload = Bytes::copy_from_slice(&event.payload);
        }
        self.taken
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
