//! Commands that need room before they are handled.

use std::sync::Arc;

use pravega_protocol::wire::{RequestId, Segment, UpdateTableEntries, WireCommand, sniff};

use super::tables::{removal_bytes, update_bytes};
use super::writers::Append;
use crate::node::{NoRoom, Node, Purpose, Room};

/// More than an attribute, or a segment that is merged, takes in a record.
const CHANGE_BYTES: usize = 64;

/// What waits for room.
#[derive(Debug)]
pub(super) enum Deferred {
    Append(Append),
    Table(UpdateTableEntries),
    /// One that needs room on a disk only.
    Change(Box<WireCommand>, Needs),
}

/// How much room a change takes on a disk, but for a few bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    bytes: usize,
    purpose: Purpose,
}

impl Deferred {
    /// Waits for the room. Cancel safe.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub(super) async fn room(&self, node: &Arc<Node>) -> Result<Room, NoRoom> {
        match self {
            Self::Append(append) => node.room_for(append.data.len()).await,
            Self::Table(update) => node.room_for(update_bytes(update)).await,
            Self::Change(_, needs) => node.room_to_change(needs.bytes, needs.purpose).await,
        }
    }
}

impl Needs {
    /// What a command needs; `None` if it changes nothing, or finds its room itself.
    pub(super) fn of(command: &WireCommand) -> Option<Self> {
        let (bytes, purpose) = match command {
            WireCommand::CreateSegment(_)
            | WireCommand::CreateTransientSegment(_)
            | WireCommand::CreateTableSegment(_)
            | WireCommand::UpdateSegmentPolicy(_)
            | WireCommand::UpdateSegmentAttribute(_) => (0, Purpose::Add),
            WireCommand::MergeSegments(merge) => (merge.attribute_updates.len() * CHANGE_BYTES, Purpose::Add),
            WireCommand::MergeSegmentsBatch(merge) => (merge.source_segment_ids.len() * CHANGE_BYTES, Purpose::Add),
            // streams are sealed before they are deleted
            WireCommand::SealSegment(_)
            | WireCommand::TruncateSegment(_)
            | WireCommand::DeleteSegment(_)
            | WireCommand::DeleteTableSegment(_) => (0, Purpose::Free),
            WireCommand::RemoveTableKeys(removal) => (removal_bytes(removal), Purpose::Free),
            _ => return None,
        };
        Some(Self { bytes, purpose })
    }

    /// The room, if it is there now.
    pub(super) fn try_room(self, node: &Arc<Node>) -> Option<Room> {
        node.try_room_to_change(self.bytes, self.purpose)
    }
}

/// What a reply to a command repeats of it.
pub(super) fn named_by(command: &WireCommand) -> (RequestId, Segment) {
    let places = sniff(command.command_type(), &command.payload());
    let segment = places.ok().and_then(|places| places.segment).unwrap_or_default();
    (command.request_id().unwrap_or(RequestId(0)), Segment(segment))
}
