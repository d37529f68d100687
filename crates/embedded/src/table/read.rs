//! Reading entries by their keys, and the state of a table.

use bytes::Bytes;
use pravega_protocol::wire::{MAX_PAYLOAD_FROM_STORE, TableEntry, TableKey};

use super::keys::MAX_FIXED_KEY_BYTES;
use super::table::{Entry, NOT_EXISTS};
use super::{Keys, Table, TableRejection};

/// What a reply holds before its entries: request id, the longest name of a segment, a count.
const REPLY_HEADER_BYTES: usize = 8 + 2 + u16::MAX as usize + 4;

/// What clients ask a table about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableInfo {
    /// Always 0: nothing is compacted away, because nothing void is kept.
    pub(crate) start_offset: i64,
    /// Length that its segment would have.
    pub(crate) length: i64,
    /// Live entries.
    pub(crate) entry_count: i64,
    /// Bytes of every key; 0 if they differ.
    pub(crate) key_length: i32,
}

impl Table {
    /// What clients ask it about itself.
    pub(crate) fn info(&self) -> TableInfo {
        TableInfo {
            start_offset: 0,
            length: self.length,
            entry_count: self.entries.len() as i64,
            key_length: self.keys.length(),
        }
    }

    /// One entry for each key, in their order; a missing key has version −1 and an empty value.
    ///
    /// # Errors
    /// [`TableRejection::IllegalArgument`] for a fixed key of another length, and for more values than a frame holds.
    pub(crate) fn read(&self, keys: &[TableKey]) -> Result<Vec<TableEntry>, TableRejection> {
        let mut bytes = REPLY_HEADER_BYTES;
        let mut found = Vec::new();
        for key in keys {
            self.check_readable(&key.data)?;
            let entry = self.find(&key.data);
            bytes += entry_bytes(&entry.key.data, &entry.value);
            if bytes > MAX_PAYLOAD_FROM_STORE {
                return Err(TableRejection::illegal("The values of these keys exceed a reply; ask for fewer keys."));
            }
            found.push(entry);
        }
        Ok(found)
    }

    /// Judges the table's deletion.
    ///
    /// # Errors
    /// [`TableRejection::NotEmpty`] as it says, [`TableRejection::Unsupported`] if fixed keys must be none.
    pub(crate) fn check_deletion(&self, must_be_empty: bool) -> Result<(), TableRejection> {
        match self.keys {
            _ if !must_be_empty => Ok(()),
            Keys::Fixed(_) => Err(TableRejection::Unsupported("deleteTableSegment")),
            Keys::Hashed if self.entries.is_empty() => Ok(()),
            Keys::Hashed => Err(TableRejection::NotEmpty),
        }
    }

    fn check_readable(&self, key: &Bytes) -> Result<(), TableRejection> {
        match self.keys {
            Keys::Fixed(_) if key.is_empty() || key.len() > MAX_FIXED_KEY_BYTES as usize => {
                Err(TableRejection::illegal(format!(
                    "Segment KeyLength must be a positive integer smaller than or equal to {MAX_FIXED_KEY_BYTES}; \
                     actual {}.",
                    key.len()
                )))
            }
            Keys::Fixed(length) if key.len() != length as usize => {
                Err(TableRejection::illegal_length(length, key.len()))
            }
            _ => Ok(()),
        }
    }

    fn find(&self, key: &Bytes) -> TableEntry {
        match self.version_of(key) {
            Some(version) => wire_entry(version, self.entry(version)),
            None => TableEntry { key: TableKey { data: key.clone(), version: NOT_EXISTS }, value: Bytes::new() },
        }
    }
}

/// An entry as it travels.
pub(super) fn wire_entry(version: i64, entry: &Entry) -> TableEntry {
    TableEntry { key: wire_key(version, entry), value: entry.value.clone() }
}

/// A key as it travels.
pub(super) fn wire_key(version: i64, entry: &Entry) -> TableKey {
    TableKey { data: entry.key.clone(), version }
}

/// Bytes of a key on the wire. Source: WireCommands.java, `TableKey.size`.
pub(super) fn key_bytes(key: &[u8]) -> usize {
    8 + key.len() + 8
}

/// Bytes of an entry on the wire. Source: WireCommands.java, `TableValue.size`.
pub(super) fn entry_bytes(key: &[u8], value: &[u8]) -> usize {
    key_bytes(key) + 8 + value.len()
}
