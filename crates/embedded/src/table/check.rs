//! Whether a change of a table may be made, and making it.

use pravega_protocol::wire::{NO_VALUE, TableEntry, TableKey};

use super::change::{KeyChange, TableChange};
use super::table::NOT_EXISTS;
use super::{Keys, Table, TableRejection};

/// Longest key. Source: `TableStore.MAXIMUM_KEY_LENGTH`.
const MAX_KEY_BYTES: usize = 8192;

/// Longest record. Source: `EntrySerializer.MAX_SERIALIZATION_LENGTH`.
const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// All records of a batch. Source: `EntrySerializer.MAX_BATCH_SIZE`.
const MAX_BATCH_BYTES: usize = 32 * MAX_RECORD_BYTES;

impl Table {
    /// Judges an update of all `entries` as one. Each entry's version is its condition: `i64::MIN` none, −1 that the
    /// key does not exist, else the version it must have; all are held against the table as it is now. From 0 on,
    /// `table_segment_offset` is the length that the table must have.
    ///
    /// # Errors
    /// The first [`TableRejection`] in the store's order of precedence.
    pub(crate) fn check_update(
        &self,
        entries: &[TableEntry],
        table_segment_offset: i64,
    ) -> Result<TableChange, TableRejection> {
        let record = |entry: &TableEntry| KeyChange { key: entry.key.data.clone(), value: Some(entry.value.clone()) };
        let records = entries.iter().map(record).collect();
        let conditions = entries.iter().map(|entry| entry.key.version).collect();
        self.check(records, conditions, table_segment_offset)
    }

    /// Judges a removal of all `keys` as one; conditions and offset are those of [`check_update`](Self::check_update).
    /// A key that does not exist is no obstacle.
    ///
    /// # Errors
    /// The first [`TableRejection`] in the store's order of precedence.
    pub(crate) fn check_removal(
        &self,
        keys: &[TableKey],
        table_segment_offset: i64,
    ) -> Result<TableChange, TableRejection> {
        let records = keys.iter().map(|key| KeyChange { key: key.data.clone(), value: None }).collect();
        let conditions = keys.iter().map(|key| key.version).collect();
        self.check(records, conditions, table_segment_offset)
    }

    /// The versions that the entries of a change get when it is applied next, in their order.
    pub(crate) fn versions_of(&self, change: &TableChange) -> Vec<i64> {
        let after = |length: &mut i64, record: &KeyChange| {
            let version = *length;
            *length += self.length_of(record);
            Some(version)
        };
        change.records.iter().scan(self.length, after).collect()
    }

    /// Applies a change that this table found right.
    pub(crate) fn apply(&mut self, change: &TableChange) {
        for record in &change.records {
            match &record.value {
                Some(value) => self.put(self.length, &record.key, value),
                None => self.remove(&record.key),
            }
            self.length += self.length_of(record);
        }
        assert_eq!(self.versions.len(), self.entries.len(), "each key has one entry");
    }

    /// What a record adds to the segment: fixed keys are removed from its index, without a trace in the segment.
    fn length_of(&self, record: &KeyChange) -> i64 {
        match (self.keys, &record.value) {
            (Keys::Fixed(_), None) => 0,
            _ => record.len() as i64,
        }
    }

    fn check(&self, records: Vec<KeyChange>, conditions: Vec<i64>, offset: i64) -> Result<TableChange, TableRejection> {
        if conditions.iter().any(|version| *version < NOT_EXISTS && *version != NO_VALUE) {
            return Err(TableRejection::ClosesConnection("a version below -1"));
        }
        self.check_fixed_lengths(&records)?;
        check_batch_size(&records)?;
        match self.keys {
            Keys::Hashed => self.check_conditions(&records, &conditions).and_then(|()| check_sizes(&records))?,
            Keys::Fixed(_) => check_sizes(&records).and_then(|()| self.check_conditions(&records, &conditions))?,
        }
        self.check_length(offset)?;
        Ok(TableChange { records })
    }

    fn check_fixed_lengths(&self, records: &[KeyChange]) -> Result<(), TableRejection> {
        let Keys::Fixed(length) = self.keys else { return Ok(()) };
        match records.iter().find(|record| record.key.len() != length as usize) {
            None => Ok(()),
            Some(KeyChange { key, .. }) => Err(TableRejection::illegal(format!(
                "Key Length {} incompatible with segment which requires key lengths of {length}.",
                key.len()
            ))),
        }
    }

    fn check_conditions(&self, records: &[KeyChange], conditions: &[i64]) -> Result<(), TableRejection> {
        let mut rejection = None;
        for (record, wanted) in records.iter().zip(conditions).filter(|(_, wanted)| **wanted != NO_VALUE) {
            match self.version_of(&record.key) {
                None if self.keys == Keys::Hashed && *wanted != NOT_EXISTS => {
                    return Err(TableRejection::KeyDoesNotExist);
                }
                version if version.unwrap_or(NOT_EXISTS) != *wanted => rejection = Some(TableRejection::BadVersion),
                _ => {}
            }
        }
        rejection.map_or(Ok(()), Err)
    }

    fn check_length(&self, offset: i64) -> Result<(), TableRejection> {
        if offset < 0 || offset == self.length {
            Ok(())
        } else {
            Err(TableRejection::Truncated { length: self.length })
        }
    }
}

fn check_batch_size(records: &[KeyChange]) -> Result<(), TableRejection> {
    match records.iter().map(KeyChange::len).sum() {
        ..=MAX_BATCH_BYTES => Ok(()),
        _ => Err(TableRejection::ClosesConnection("a batch of more than 32 MiB")),
    }
}

fn check_sizes(records: &[KeyChange]) -> Result<(), TableRejection> {
    for record in records {
        match record.key.len() {
            // A store takes one, and can't read its own segment from then on.
            0 => return Err(TableRejection::illegal("Key is empty.")),
            1..=MAX_KEY_BYTES => {}
            _ => return Err(TableRejection::illegal("Key too large.")),
        }
        if record.len() > MAX_RECORD_BYTES {
            return Err(TableRejection::illegal("Key+Value serialization too large."));
        }
    }
    Ok(())
}
