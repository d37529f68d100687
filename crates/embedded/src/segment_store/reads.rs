//! Reads: what lies at an offset, now or once the segment changes.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use pravega_protocol::wire::{Data, Offset, ReadSegment, RequestId, Segment, SegmentRead, WireCommand};
use tokio::sync::watch;

use super::close_reason::CloseReason;
use super::command_result::RequestContext;
use crate::node::{Node, Part, SegmentError, SegmentKey, StoredSegment, Undurable};

/// Most bytes of one reply. Source: PravegaRequestProcessor.java, `MAX_READ_SIZE`.
const MAX_READ_BYTES: usize = 2 * 1024 * 1024;

/// What the least request is taken for: the header of an event. Source: the same, `readSegment`.
const MIN_READ_BYTES: usize = 8;

/// Reads that wait for their segments to change, or for their bytes from the log.
pub(super) type WaitingReads = FuturesUnordered<BoxFuture<'static, Awaited>>;

/// A reply, and where its bytes are.
pub(super) type Located = Undurable<(SegmentRead, Vec<Part>)>;

/// A reply, and its bytes.
pub(super) type Found = Undurable<(SegmentRead, Vec<Bytes>)>;

/// What a read waited for.
#[derive(Debug)]
pub(super) enum Awaited {
    /// Its segment has changed, or is gone.
    Changed(WaitingRead),
    /// Its bytes have come from the log.
    Fetched(io::Result<Found>),
}

/// A read of one place.
#[derive(Debug)]
pub(super) struct Read {
    segment: Segment,
    offset: Offset,
    max: usize,
    request_id: RequestId,
}

/// A read of a place that has no bytes yet.
#[derive(Debug)]
pub(super) struct WaitingRead {
    read: Read,
    key: SegmentKey,
    changed: watch::Receiver<bool>,
}

/// The result of a read.
pub(super) enum ReadAnswer {
    /// Bytes.
    Bytes(Located),
    /// Another reply.
    Refused(Undurable<WireCommand>),
    /// None yet.
    Waits(WaitingRead),
}

/// What lies at a place.
enum Seen {
    Bytes { parts: Vec<Part>, ran_out: bool, is_sealed: bool },
    End,
    BeyondEnd,
    Truncated { start: u64 },
    NotYet(SegmentKey, watch::Receiver<bool>),
}

impl From<ReadSegment> for Read {
    fn from(command: ReadSegment) -> Self {
        let ReadSegment { segment, offset, suggested_length, request_id, .. } = command;
        let max = usize::try_from(suggested_length).unwrap_or(0).clamp(MIN_READ_BYTES, MAX_READ_BYTES);
        Self { segment, offset, max, request_id }
    }
}

impl Read {
    /// Reads, or waits.
    ///
    /// # Errors
    /// A mistake that ends the connection.
    pub(super) fn begin(self, node: &Node) -> Result<ReadAnswer, CloseReason> {
        let place = u64::try_from(self.offset.0).map_err(|_| CloseReason("a read at a negative offset"))?;
        let seen = node.look_at(self.segment.0.as_str(), |key, segment| see(segment, key, place, self.max));
        let (seen, place) = seen.split();
        Ok(match seen {
            None => ReadAnswer::Refused(place.with(self.refused(SegmentError::NotFound))),
            Some(Seen::Truncated { start }) => {
                ReadAnswer::Refused(place.with(self.refused(SegmentError::Truncated { start })))
            }
            Some(Seen::BeyondEnd) => return Err(CloseReason("a read beyond the end of a sealed segment")),
            Some(Seen::End) => ReadAnswer::Bytes(place.with((self.read_reply(false, true), Vec::new()))),
            Some(Seen::Bytes { parts, ran_out, is_sealed }) => {
                let reply = self.read_reply(ran_out && !is_sealed, ran_out && is_sealed);
                ReadAnswer::Bytes(place.with((reply, parts)))
            }
            Some(Seen::NotYet(key, changed)) => ReadAnswer::Waits(WaitingRead { read: self, key, changed }),
        })
    }

    /// The reply without bytes, after which a client asks again.
    pub(super) fn ask_again(self) -> WireCommand {
        self.read_reply(true, false).into()
    }

    fn read_reply(self, at_tail: bool, end_of_segment: bool) -> SegmentRead {
        let Self { segment, offset, request_id, .. } = self;
        SegmentRead { segment, offset, at_tail, end_of_segment, data: Data::default(), request_id }
    }

    fn refused(self, error: SegmentError) -> WireCommand {
        let request = RequestContext::new(self.request_id, &self.segment).at(self.offset);
        request.error_reply(error).expect("each error of a read has a reply")
    }
}

/// The bytes of a read, if all are in memory; else the read as it was.
pub(super) fn in_memory(reply: Located) -> Result<Found, Located> {
    let is_memory = |part: &Part| matches!(part, Part::Bytes(_));
    if !reply.value().1.iter().all(is_memory) {
        return Err(reply);
    }
    Ok(reply.map(|(read, parts)| (read, parts.iter().map(Part::bytes).collect())))
}

/// Reads what is not in memory.
pub(super) async fn fetch(node: Arc<Node>, reply: Located) -> Awaited {
    let ((read, parts), place) = reply.split();
    let fetched = node.fetch(parts).await;
    Awaited::Fetched(fetched.map(|parts| place.with((read, parts))))
}

impl WaitingRead {
    /// Waits for the segment to change, or to be gone.
    pub(super) async fn changed(mut self) -> Awaited {
        // an error means that it is gone, which the next look finds, too
        let _ = self.changed.changed().await;
        Awaited::Changed(self)
    }

    /// Gives up.
    pub(super) fn ask_again(self) -> WireCommand {
        self.read.ask_again()
    }

    /// Reads again, or goes on waiting.
    pub(super) fn resume(self, node: &Node) -> ReadAnswer {
        let place = u64::try_from(self.read.offset.0).expect("checked when the read began");
        let seen = node.look_at_key(self.key, |segment| see(segment, self.key, place, self.read.max));
        let was_sealed = *self.changed.borrow();
        let (seen, place) = seen.split();
        match seen {
            None if was_sealed => ReadAnswer::Refused(place.with(self.read.refused(SegmentError::Sealed))),
            None => ReadAnswer::Refused(place.with(self.read.ask_again())),
            Some(Seen::End | Seen::BeyondEnd) => {
                ReadAnswer::Refused(place.with(self.read.refused(SegmentError::Sealed)))
            }
            Some(Seen::Truncated { start }) => {
                ReadAnswer::Refused(place.with(self.read.refused(SegmentError::Truncated { start })))
            }
            Some(Seen::Bytes { parts, .. }) => {
                ReadAnswer::Bytes(place.with((self.read.read_reply(true, false), parts)))
            }
            Some(Seen::NotYet(..)) => ReadAnswer::Waits(self),
        }
    }
}

fn see(segment: &StoredSegment, key: SegmentKey, place: u64, max: usize) -> Seen {
    let (data, is_sealed) = (segment.data(), segment.is_sealed());
    let (start, length) = (data.start(), data.length());
    if place < start {
        Seen::Truncated { start }
    } else if place < length {
        Seen::Bytes { parts: data.read(place, max), ran_out: length - place < max as u64, is_sealed }
    } else if !is_sealed {
        Seen::NotYet(key, segment.subscribe())
    } else if place == length {
        Seen::End
    } else {
        Seen::BeyondEnd
    }
}
