//! Segments, and what the two stores see of them.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use pravega_protocol::stream::SegmentId;
use pravega_protocol::wire::event::{Deframed, EVENT_HEADER_BYTES, deframe, put_event};
use pravega_protocol::wire::{NO_VALUE, RequestId, WriterId};
use tokio::time::Instant;

use super::connection::WriterAt;

/// One of the two stores.
pub(super) type Host = usize;

/// A segment: what is committed, and what is accepted and will be committed.
pub(super) struct SimulatedSegment {
    pub(super) owner: Host,
    /// When the owner has recovered the segment.
    pub(super) ready_at: Instant,
    pub(super) stale: Option<Stale>,
    /// Last accepted number of each writer, which appends are compared with.
    pub(super) accepted: Numbers,
    /// Last committed number of each writer, which AppendSetup reports.
    pub(super) committed: Numbers,
    pub(super) pipeline: VecDeque<Operation>,
    pub(super) committing: bool,
    pub(super) stalled_until: Instant,
    pub(super) is_sealing: bool,
    pub(super) is_sealed: bool,
    pub(super) is_deleted: bool,
    /// Whether a store sealed it though no one asked the controller.
    pub(super) is_sealed_alone: bool,
    pub(super) stored: Vec<Stored>,
    /// What readers get.
    pub(super) data: BytesMut,
}

pub(super) type Numbers = BTreeMap<WriterId, i64>;

/// What a store keeps reporting about a segment that another one owns.
pub(super) struct Stale {
    pub(super) host: Host,
    pub(super) until: Instant,
    pub(super) committed: Numbers,
    pub(super) is_sealed: bool,
    pub(super) length: usize,
}

pub(super) enum Operation {
    Append(Append),
    Seal,
}

pub(super) struct Append {
    pub(super) writer: WriterAt,
    pub(super) number: i64,
    pub(super) request_id: RequestId,
    pub(super) payloads: Vec<Bytes>,
}

/// An event in a segment.
pub(super) struct Stored {
    /// Index of the event's record.
    pub(super) event: usize,
    pub(super) offset: i64,
    pub(super) next_offset: i64,
}

impl Stored {
    /// The event's payload in its segment's bytes.
    pub(super) fn payload_in<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        &data[self.offset as usize + EVENT_HEADER_BYTES..self.next_offset as usize]
    }
}

impl SimulatedSegment {
    pub(super) fn new(owner: Host) -> Self {
        let now = Instant::now();
        Self {
            owner,
            ready_at: now,
            stale: None,
            accepted: Numbers::new(),
            committed: Numbers::new(),
            pipeline: VecDeque::new(),
            committing: false,
            stalled_until: now,
            is_sealing: false,
            is_sealed: false,
            is_deleted: false,
            is_sealed_alone: false,
            stored: Vec::new(),
            data: BytesMut::new(),
        }
    }

    /// Whether an append may follow the one with this number. The store compares and sets, nothing more.
    pub(super) fn accepts_after(&self, writer: WriterId, follows: i64) -> bool {
        self.accepted.get(&writer).copied().unwrap_or(NO_VALUE) == follows
    }

    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(append) => {
                self.committed.insert(append.writer.id, append.number);
                append.payloads.iter().for_each(|payload| self.store(payload));
            }
            Operation::Seal => self.is_sealed = true,
        }
    }

    fn store(&mut self, payload: &Bytes) {
        let offset = self.length();
        put_event(payload, &mut self.data);
        self.stored.push(Stored { event: event_of(payload), offset, next_offset: self.length() });
    }

    pub(super) fn length(&self) -> i64 {
        self.data.len() as i64
    }

    /// How this store sees the segment.
    pub(super) fn seen_from(&self, host: Host) -> Sight {
        let now = Instant::now();
        match &self.stale {
            _ if self.is_deleted => Sight::Missing,
            Some(stale) if stale.host == host && now < stale.until => Sight::Stale,
            _ if self.owner == host && now >= self.ready_at => Sight::Here,
            _ => Sight::Elsewhere,
        }
    }
}

/// A segment as one store sees it.
pub(super) struct Seen<'a> {
    pub(super) known: &'a SimulatedSegment,
    /// What a store knows that has lost the segment.
    pub(super) stale: Option<&'a Stale>,
}

impl<'a> Seen<'a> {
    pub(super) fn is_sealed(&self) -> bool {
        self.stale.map_or(self.known.is_sealed, |stale| stale.is_sealed)
    }

    pub(super) fn data(&self) -> &'a [u8] {
        let length = self.stale.map_or(self.known.data.len(), |stale| stale.length);
        &self.known.data[..length]
    }
}

pub(super) enum Sight {
    Here,
    Stale,
    Elsewhere,
    Missing,
}

/// A payload begins with the index of its event's record.
pub(super) fn event_of(payload: &[u8]) -> usize {
    let index = payload.first_chunk().expect("payloads begin with four bytes");
    u32::from_be_bytes(*index) as usize
}

/// Splits bytes into events as readers do; `None` if they are not a sequence of events.
pub(super) fn events_in(mut data: Bytes) -> Option<Vec<Bytes>> {
    let mut events = Vec::new();
    while !data.is_empty() {
        let room = data.len();
        let Deframed::Event(payload) = deframe(&mut data, room) else { return None };
        events.push(payload);
    }
    Some(events)
}

/// A segment's name in traces.
pub(super) fn short(segment: SegmentId) -> String {
    format!("#{}.{}", segment.number(), segment.epoch())
}
