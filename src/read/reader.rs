//! Asks a segment's store for its state and its bytes.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::{GetStreamSegmentInfo, Offset, ReadSegment, SegmentRead, WireCommand};

use super::error::Error;
use super::event_sizes::EventSizes;
use crate::budget::Permit;
use crate::controller::Grant;
use crate::retry::Backoff;
use crate::segment_store::{SegmentStore, wire_name};
use crate::telemetry::metrics::Metrics;

/// Most bytes that a store returns in one reply. Source: PravegaRequestProcessor.java, `MAX_READ_SIZE`.
pub const MAX_READ_BYTES: usize = 2 * 1024 * 1024;

/// Where a segment begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentState {
    /// First offset that can be read.
    pub head: i64,
    /// Length of the segment, where the next append goes.
    pub tail: i64,
    /// Whether the segment takes no more appends.
    pub sealed: bool,
}

/// Reads segments by name. Clones share the connections.
#[derive(Debug, Clone)]
pub struct SegmentReader {
    store: SegmentStore,
    pub(super) sizes: EventSizes,
    pub(super) metrics: Metrics,
}

impl SegmentReader {
    /// A reader of any segment that counts what it reads in `metrics`.
    pub fn new(store: SegmentStore, metrics: Metrics) -> Self {
        Self { store, sizes: EventSizes::default(), metrics }
    }

    /// The same, for another caller.
    #[must_use]
    pub fn with_grant(&self, grant: &Grant) -> Self {
        Self { store: self.store.with_grant(grant), ..self.clone() }
    }

    /// Asks where a segment begins and ends.
    ///
    /// # Errors
    /// [`Error::SegmentNotFound`], [`Error::Store`], [`Error::Refused`].
    ///
    /// # Cancel safety
    /// Awaits only the store, and changes nothing.
    pub async fn state(&self, segment: &SegmentName) -> Result<SegmentState, Error> {
        let question = |request_id, delegation_token| GetStreamSegmentInfo {
            request_id,
            segment_name: wire_name(segment),
            delegation_token,
        };
        match self.store.call(segment, question).await? {
            WireCommand::StreamSegmentInfo(info) if info.exists => {
                Ok(SegmentState { head: info.start_offset.0, tail: info.write_offset.0, sealed: info.is_sealed })
            }
            WireCommand::StreamSegmentInfo(_) => Err(Error::SegmentNotFound(segment.clone())),
            other => Err(refusal(segment, 0, other)),
        }
    }

    /// Checks that an offset is between head and tail.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::BeyondTail`].
    pub fn check(segment: &SegmentName, state: SegmentState, offset: i64) -> Result<(), Error> {
        let SegmentState { head, tail, .. } = state;
        if offset < head {
            return Err(Error::Truncated { segment: segment.clone(), offset, head });
        }
        if offset > tail {
            return Err(Error::BeyondTail { segment: segment.clone(), offset, tail });
        }
        Ok(())
    }

    /// Reads bytes from an offset on: at least one, at most `most`, and no more than the store returns in one reply. At
    /// the tail, the store answers only once there is something to read.
    ///
    /// # Errors
    /// [`Error`]
    ///
    /// # Cancel safety
    /// Awaits only the store, which may keep the read until it has an answer; that is discarded.
    pub async fn bytes(&self, segment: &SegmentName, offset: i64, most: usize) -> Result<Bytes, Error> {
        let length = i32::try_from(most.min(MAX_READ_BYTES)).expect("2 MiB fit an i32");
        let request = |request_id, delegation_token| ReadSegment {
            segment: wire_name(segment),
            offset: Offset(offset),
            suggested_length: length,
            delegation_token,
            request_id,
        };
        let mut backoff = Backoff::default();
        loop {
            match self.store.call(segment, request).await? {
                WireCommand::SegmentRead(SegmentRead { data, .. }) if !data.0.0.is_empty() => {
                    // The store rounds requests below 8 bytes up.
                    let bytes = data.0.0;
                    let len = bytes.len().min(most);
                    return Ok(bytes.slice(..len));
                }
                // The store dropped the waiting read, as it does for idle segments.
                WireCommand::SegmentRead(SegmentRead { end_of_segment: false, .. }) => {
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                other => return Err(refusal(segment, offset, other)),
            }
        }
    }

    /// Waits at the tail until there is something to read, or the store says something else, or cannot be reached any more.
    ///
    /// # Errors
    /// [`Error`]
    ///
    /// # Cancel safety
    /// As [`bytes`](Self::bytes).
    pub(super) async fn park(self, segment: &SegmentName, tail: i64) -> Result<(), Error> {
        let request = |request_id, delegation_token| ReadSegment {
            segment: wire_name(segment),
            offset: Offset(tail),
            suggested_length: 1,
            delegation_token,
            request_id,
        };
        match self.store.call_once(segment, request).await? {
            WireCommand::SegmentRead(_) => Ok(()),
            other => Err(refusal(segment, tail, other)),
        }
    }

    /// Streams the payload of one event in pieces, each of which must arrive within `patience`. `permit` should hold
    /// [`MAX_READ_BYTES`], the largest piece.
    pub fn stream(
        self,
        segment: SegmentName,
        offset: i64,
        length: usize,
        patience: Duration,
        permit: Permit,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::try_unfold((self, offset, length, permit), move |(reader, offset, left, permit)| {
            let segment = segment.clone();
            async move {
                if left == 0 {
                    return Ok(None);
                }
                let piece = tokio::time::timeout(patience, reader.bytes(&segment, offset, left)).await;
                let bytes = piece.map_err(|_| Error::Stalled { segment, offset })??;
                let (offset, left) = (offset + bytes.len() as i64, left - bytes.len());
                reader.metrics.read_events.inc_by(u64::from(left == 0));
                reader.metrics.read_bytes.inc_by(bytes.len() as u64);
                Ok(Some((bytes, (reader, offset, left, permit))))
            }
        })
    }
}

fn refusal(segment: &SegmentName, offset: i64, reply: WireCommand) -> Error {
    let segment = segment.clone();
    match reply {
        WireCommand::NoSuchSegment(_) => Error::SegmentNotFound(segment),
        WireCommand::SegmentIsTruncated(reply) => Error::Truncated { segment, offset, head: reply.start_offset.0 },
        other => Error::Refused { segment, reply: other.command_type().info().name },
    }
}
