//! The node's state, and the only way to change it.
//!
//! All segments, tables and the controller's records are one [`State`] behind one lock. A [`Step`] validates, then
//! applies [`Change`](change::Change)s; together they are one record of the log, so a step happens as a whole or not at all, also
//! when the process is killed. A restart applies the same changes again.

mod change;
mod checkpoint_format;
mod dirty;
mod error;
mod journal;
mod maintenance;
mod node;
mod recent;
mod record;
mod room;
mod segment;
mod segment_data;
mod state;
mod step;
mod undurable;

#[cfg(test)]
mod tests;

pub(crate) use crate::log::LogFailed;
pub(crate) use change::SegmentKey;
pub(crate) use error::{ChangeError, NoRoom, SegmentError, TableError};
pub(crate) use maintenance::OpenError;
pub(crate) use node::{Node, NodeLimits};
pub(crate) use room::{Purpose, Room};
pub(crate) use segment::{NewSegment, SegmentKind, StoredSegment};
pub(crate) use segment_data::Part;
pub(crate) use state::State;
pub(crate) use step::{ACCUMULATE, Appended, REPLACE, REPLACE_IF_EQUALS, Step};
pub(crate) use undurable::{Position, Undurable};
