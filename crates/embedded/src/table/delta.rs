//! What a table has got since a position.

use pravega_protocol::wire::TableEntry;

use super::read::{entry_bytes, wire_entry};
use super::table::MAX_REPLY_BYTES;
use super::{Keys, Table, TableRejection};

/// What a table has got since a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delta {
    /// Live entries by rising version. A key that was removed is in none.
    pub(crate) entries: Vec<TableEntry>,
    /// Whether what was read before is void; never, as no position is compacted away.
    pub(crate) should_clear: bool,
    /// Whether nothing follows.
    pub(crate) reached_end: bool,
    /// Position to go on from.
    pub(crate) last_position: i64,
}

impl Delta {
    /// What a store says when it looked at nothing, 0 as the position included.
    const NOTHING: Self = Self { entries: Vec::new(), should_clear: false, reached_end: true, last_position: 0 };
}

impl Table {
    /// What the table has got from a position on, not many more than `suggested_count` entries and 2 MiB.
    ///
    /// # Errors
    /// [`TableRejection::Unsupported`] for fixed keys, [`TableRejection::IllegalArgument`] for a position outside of the table.
    pub(crate) fn delta(&self, from_position: i64, suggested_count: i32) -> Result<Delta, TableRejection> {
        self.check_position(from_position)?;
        let suggested = usize::try_from(suggested_count).unwrap_or(0);
        if suggested == 0 || from_position == self.length {
            return Ok(Delta::NOTHING);
        }
        Ok(self.collect_delta(from_position, suggested))
    }

    fn check_position(&self, position: i64) -> Result<(), TableRejection> {
        match (self.keys, position) {
            (Keys::Fixed(_), _) => Err(TableRejection::Unsupported("readTableEntriesDelta")),
            (_, ..0) => Err(TableRejection::illegal("startOffset: startOffset must be a non-negative number.")),
            _ if position > self.length => Err(TableRejection::illegal(format!(
                "fromPosition ({position}) can not exceed the length ({}) of the TableSegment.",
                self.length
            ))),
            _ => Ok(()),
        }
    }

    fn collect_delta(&self, from_position: i64, suggested: usize) -> Delta {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut last_position = self.length;
        for (version, entry) in self.entries.range(from_position..) {
            entries.push(wire_entry(*version, entry));
            bytes += entry_bytes(&entry.key, &entry.value);
            if entries.len() >= suggested || bytes >= MAX_REPLY_BYTES {
                last_position = version + entry.record_bytes();
                break;
            }
        }
        Delta { entries, should_clear: false, reached_end: last_position >= self.length, last_position }
    }
}
