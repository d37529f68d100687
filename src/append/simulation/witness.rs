//! What someone saw who watched all wires. The gateway sees less, and must not claim more.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pravega_protocol::wire::{Frame, RequestId, WireCommand, WriterId};

use super::connection::ConnectionId;
use super::segment::{event_of, events_in};

/// One writer's set-up on a connection: each has a flow of its own.
type Flow = (ConnectionId, u32);

#[derive(Debug, Default)]
pub(super) struct Witness {
    /// How often each event left the gateway.
    attempts: BTreeMap<usize, Vec<Attempt>>,
    /// The data of each connection's AppendBlock that waits for its end.
    begun: BTreeMap<ConnectionId, Bytes>,
    /// Lowest number that a refusal named which the gateway got.
    refused_from: BTreeMap<Flow, i64>,
    /// Flows on which an append was refused, whether or not the gateway heard of it.
    refused: BTreeSet<Flow>,
    /// Blocks that an acknowledgement covered together with others.
    coalesced: BTreeSet<(Flow, i64)>,
    set_up: BTreeSet<WriterId>,
    /// Flows on which an acknowledgement was sent.
    acknowledged: BTreeSet<Flow>,
    /// Whether anything came between the gateway and an acknowledgement.
    pub(super) is_disturbed: bool,
    /// Whether a connection was lost, perhaps with frames that never left.
    has_lost: bool,
}

/// An event on its way.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    flow: Flow,
    /// Number of the block's last event.
    number: i64,
}

impl Witness {
    /// Frames leave the gateway; they may never arrive.
    pub(super) fn sees(&mut self, connection: ConnectionId, frames: &[Frame]) {
        for frame in frames {
            match frame.to_command() {
                Ok((WireCommand::AppendBlock(block), _)) => {
                    self.begun.insert(connection, block.data.0);
                }
                Ok((WireCommand::AppendBlockEnd(end), _)) => {
                    let data = self.begun.remove(&connection).unwrap_or_default();
                    let attempt =
                        Attempt { flow: flow_of(connection, end.request_id), number: end.last_event_number.0 };
                    for payload in events_in(data).unwrap_or_default() {
                        self.attempts.entry(event_of(&payload)).or_default().push(attempt);
                    }
                }
                _ => {}
            }
        }
    }

    /// Acknowledgements of a set-up may not arrive, and another one may stand for some of an earlier one.
    pub(super) fn sees_set_up(&mut self, writer: WriterId, is_deaf: bool) {
        let is_first = self.set_up.insert(writer);
        self.is_disturbed |= is_deaf || !is_first;
    }

    pub(super) fn sees_lost(&mut self) {
        (self.is_disturbed, self.has_lost) = (true, true);
    }

    pub(super) fn sees_refused(&mut self, connection: ConnectionId, request_id: RequestId) {
        self.refused.insert(flow_of(connection, request_id));
    }

    /// The gateway gets the refusal of the block that ends at this number.
    pub(super) fn sees_told(&mut self, connection: ConnectionId, request_id: RequestId, number: i64) {
        let from = self.refused_from.entry(flow_of(connection, request_id)).or_insert(number);
        *from = (*from).min(number);
    }

    /// One acknowledgement covers these blocks.
    pub(super) fn sees_acknowledged(&mut self, connection: ConnectionId, request_id: RequestId, blocks: &[i64]) {
        let flow = flow_of(connection, request_id);
        self.acknowledged.insert(flow);
        if blocks.len() > 1 {
            self.coalesced.extend(blocks.iter().map(|number| (flow, *number)));
        }
    }

    pub(super) fn was_acknowledged(&self, connection: ConnectionId, request_id: RequestId) -> bool {
        self.acknowledged.contains(&flow_of(connection, request_id))
    }

    fn attempts(&self, event: usize) -> &[Attempt] {
        self.attempts.get(&event).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_never_sent(&self, event: usize) -> bool {
        self.attempts(event).is_empty() && !self.is_disturbed
    }

    /// Whether the gateway could know that the event is not stored: it never left, or the only time that it did, the
    /// gateway got a refusal of its block or of one before.
    pub(super) fn is_known_unwritten(&self, event: usize) -> bool {
        match self.attempts(event) {
            [] => self.is_never_sent(event),
            [only] => !self.has_lost && self.refused_from.get(&only.flow).is_some_and(|from| *from <= only.number),
            _ => false,
        }
    }

    /// Whether the gateway got an acknowledgement of the event's block alone.
    pub(super) fn is_place_known(&self, event: usize) -> bool {
        let [only] = self.attempts(event) else { return false };
        !self.is_disturbed && !self.refused.contains(&only.flow) && !self.coalesced.contains(&(only.flow, only.number))
    }
}

fn flow_of(connection: ConnectionId, request_id: RequestId) -> Flow {
    (connection, request_id.flow())
}
