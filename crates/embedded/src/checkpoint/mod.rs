//! What the node knows, apart from the log: opaque keys and values, as they were when the log was applied up to a
//! position. A restart loads them, and replays only the log's records behind.
//!
//! ```text
//! DIR/checkpoint.redb    table "entries": key ─▶ value, table "state": "version", "applied"
//! ```
//!
//! All functions block on the disk.

mod error;
mod load;
mod store;

#[cfg(test)]
mod tests;

pub(crate) use error::CheckpointError;
pub(crate) use store::{Checkpoint, EntryChange};
