//! Key-value tables.

use serde::{Deserialize, Serialize};

use super::{Epoch, EpochSegment};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableConfig {
    pub(crate) partitions: i32,
    pub(crate) primary_key_length: i32,
    pub(crate) secondary_key_length: i32,
    pub(crate) rollover_size_bytes: i64,
}

impl TableConfig {
    /// Bytes of a whole key; `None` where a part makes no sense.
    pub(crate) fn key_length(&self) -> Option<u32> {
        let primary = u32::try_from(self.primary_key_length).ok().filter(|bytes| *bytes > 0)?;
        primary.checked_add(u32::try_from(self.secondary_key_length).ok()?)
    }

    /// The table's segments, which never change; `None` without partitions.
    pub(crate) fn segments(&self, first_number: u32, now: i64) -> Option<Vec<EpochSegment>> {
        let partitions = u32::try_from(self.partitions).ok().filter(|count| *count > 0)?;
        Some(Epoch::first(partitions, first_number, now).segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_partitions_and_a_primary_key() {
        let config =
            TableConfig { partitions: 2, primary_key_length: 4, secondary_key_length: 8, rollover_size_bytes: 0 };
        assert_eq!((config.key_length(), config.segments(0, 0).map(|all| all.len())), (Some(12), Some(2)));
        assert_eq!(TableConfig { primary_key_length: 0, ..config.clone() }.key_length(), None);
        assert_eq!(TableConfig { secondary_key_length: -1, ..config.clone() }.key_length(), None);
        assert_eq!(TableConfig { partitions: 0, ..config }.segments(0, 0), None);
    }
}
