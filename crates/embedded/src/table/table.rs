//! One table: its keys by their order, and its entries by their versions.

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;

use super::change::RECORD_HEADER_BYTES;
use super::keys::{KeyOrder, Keys};

/// Where a reply stops taking more entries. Source: `PravegaRequestProcessor.MAX_READ_SIZE`.
pub(super) const MAX_REPLY_BYTES: usize = 2 * 1024 * 1024;

/// Version of a key that does not exist. Source: `TableKey.NOT_EXISTS`.
pub(super) const NOT_EXISTS: i64 = -1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Bytes,
    pub(super) value: Bytes,
}

impl Entry {
    /// Bytes of its record in a segment.
    pub(super) fn record_bytes(&self) -> i64 {
        (RECORD_HEADER_BYTES + self.key.len() + self.value.len()) as i64
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        ENTRY_OVERHEAD_BYTES + self.key.len() as u64 + self.value.len() as u64
    }
}

/// What an entry takes beside its key and value, as measured: its places in two trees, and two allocations.
pub(crate) const ENTRY_OVERHEAD_BYTES: u64 = 240;

/// Up to this length a key or value is copied, for a slice would keep the whole frame alive that it came in, long
/// after its neighbours have been replaced.
const COPIED_BYTES: usize = 4096;

const INDEXED: &str = "every version of a key is that of an entry";

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(super) keys: Keys,
    /// Version of every live key, in the order that iterations follow.
    pub(super) versions: BTreeMap<KeyOrder, i64>,
    /// Every live entry by its version, which is the order that deltas follow.
    pub(super) entries: BTreeMap<i64, Entry>,
    pub(super) length: i64,
    bytes: u64,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, versions: BTreeMap::new(), entries: BTreeMap::new(), length: 0, bytes: 0 }
    }

    /// The table that had this length and these [`live`](Self::live) entries, in any order.
    pub(crate) fn restore(keys: Keys, length: i64, live: impl IntoIterator<Item = (i64, Bytes, Bytes)>) -> Self {
        let mut table = Self::new(keys);
        for (version, key, value) in live {
            table.put(version, &key, &value);
        }
        table.length = length;
        table
    }

    /// Live entries as version, key and value, by rising version.
    pub(crate) fn live(&self) -> impl Iterator<Item = (i64, &Bytes, &Bytes)> {
        self.entries.iter().map(|(version, entry)| (*version, &entry.key, &entry.value))
    }

    /// Which keys it takes.
    pub(crate) fn keys(&self) -> Keys {
        self.keys
    }

    /// Length that its segment would have, and version of the next entry.
    pub(crate) fn length(&self) -> i64 {
        self.length
    }

    /// Memory that its entries take, nearly.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn version_of(&self, key: &Bytes) -> Option<i64> {
        self.versions.get(&self.keys.place(key)).copied()
    }

    pub(super) fn entry(&self, version: i64) -> &Entry {
        self.entries.get(&version).expect(INDEXED)
    }

    pub(super) fn put(&mut self, version: i64, key: &Bytes, value: &Bytes) {
        let mut key = own(key);
        let place = self.keys.place(&key);
        match self.versions.get_mut(&place).map(|known| mem::replace(known, version)) {
            Some(replaced) => key = self.forget(replaced).key,
            None => drop(self.versions.insert(place, version)),
        }
        let entry = Entry { key, value: own(value) };
        self.bytes += entry.bytes();
        self.entries.insert(version, entry);
    }

    pub(super) fn remove(&mut self, key: &Bytes) {
        if let Some(version) = self.versions.remove(&self.keys.place(key)) {
            self.forget(version);
        }
    }

    pub(super) fn forget(&mut self, version: i64) -> Entry {
        let entry = self.entries.remove(&version).expect(INDEXED);
        self.bytes -= entry.bytes();
        entry
    }
}

fn own(bytes: &Bytes) -> Bytes {
    if bytes.len() <= COPIED_BYTES { Bytes::copy_from_slice(bytes) } else { bytes.clone() }
}
