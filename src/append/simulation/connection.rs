//! Connections as their stores see them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use pravega_protocol::stream::SegmentId;
use pravega_protocol::wire::{Frame, NO_VALUE, RequestId, WireCommand, WriterId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::segment::Host;
use crate::segment_store::LostCause;

/// A connection between the gateway and a store.
pub(super) struct Connection {
    pub(super) host: Host,
    /// Whole frames on their way to the store.
    pub(super) inbound: VecDeque<(Instant, Frame)>,
    pub(super) arriving: bool,
    pub(super) last_reply_at: Instant,
    pub(super) to_client: mpsc::Sender<FromStore>,
    /// The gateway has lost the connection; what it sent may still arrive.
    pub(super) is_lost: bool,
    /// The store has closed the connection; nothing arrives any more.
    pub(super) is_closed: bool,
    /// Replies do not arrive.
    pub(super) is_mute: bool,
    /// An AppendBlock that waits for its end.
    pub(super) block: Option<(WriterId, Bytes)>,
    pub(super) writers: BTreeMap<WriterId, WriterState>,
    /// The numbers that refusals name, by their requests.
    pub(super) refused: BTreeMap<RequestId, i64>,
}

/// What comes over a connection to the gateway.
pub(super) enum FromStore {
    Reply(WireCommand),
    End(LostCause),
}

pub(super) type ConnectionId = usize;

/// The origin of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriterAt {
    pub(super) connection: ConnectionId,
    pub(super) id: WriterId,
    /// Index of the setup.
    pub(super) set_up: u64,
}

/// What SetupAppend installed.
pub(super) struct WriterState {
    pub(super) set_up: u64,
    pub(super) segment: SegmentId,
    pub(super) last_number: i64,
    pub(super) last_acked: i64,
    pub(super) in_flight: usize,
    pub(super) refusal: Option<RefusedAppend>,
    pub(super) is_deaf: bool,
    /// Numbers of the blocks that were accepted and are not acknowledged.
    pub(super) unacknowledged: Vec<i64>,
}

/// One reply for all appends that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct RefusedAppend {
    pub(super) why: Reason,
    pub(super) number: i64,
    pub(super) request_id: RequestId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Sealed,
    Missing,
    Elsewhere,
    InvalidNumber,
    /// The store cannot, for now.
    Broken,
    /// The store does not accept the token.
    Unauthorized,
}

impl Connection {
    pub(super) fn new(host: Host, to_client: mpsc::Sender<FromStore>) -> Self {
        Self {
            host,
            inbound: VecDeque::new(),
            arriving: false,
            last_reply_at: Instant::now(),
            to_client,
            is_lost: false,
            is_closed: false,
            is_mute: false,
            block: None,
            writers: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        !self.is_lost && !self.is_closed
    }

    /// The state of this setup, unless another one or a refusal has replaced it.
    pub(super) fn writer(&mut self, at: WriterAt) -> Option<&mut WriterState> {
        self.writers.get_mut(&at.id).filter(|state| state.set_up == at.set_up)
    }
}

impl WriterState {
    pub(super) fn new(set_up: u64, segment: SegmentId, last_number: Option<i64>, is_deaf: bool) -> Self {
        let last_number = last_number.unwrap_or(NO_VALUE);
        Self {
            set_up,
            segment,
            last_number,
            last_acked: last_number,
            in_flight: 0,
            refusal: None,
            is_deaf,
            unacknowledged: Vec::new(),
        }
    }
}
