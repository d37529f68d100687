//! Tables: keys with values and versions, as a segment store keeps them.
//!
//! A [`Table`] is a value: no I/O, no clock, no lock. It holds what is alive, and behaves as if every change had been
//! appended to a segment, because that is what clients see: a version is the offset of an entry's record, and the
//! length grows by every record, also by those that later ones make void.
//!
//! ```text
//! 0   1            5              9                17
//! ├ 0 ┼ key length ┼ value length ┼ i64::MIN ──────┼ key ┼ value ┤   a removal has value length -1 and no value
//! ```
//!
//! A change happens in two halves: `check_update` and `check_removal` judge a whole batch and yield a [`TableChange`],
//! [`Table::apply`] applies it and can't fail, now or when a log is replayed. Refusals are those of Pravega 0.13.0, in
//! its order of precedence. Where a real store does what nobody can want, this one differs:
//!
//! - It takes no empty key; a real one does, and can't read its segment any more.
//! - It refuses a read whose reply no frame holds; a real one sends a frame that clients can't take.
//! - Deltas never tell a key that is gone; those of a real store do if the removal lies beyond the reply.
//! - A removed key with a version does not exist at once; in a real hash table it has a bad version until the removal
//!   is indexed.
//!
//! Source: `HashTableSegmentLayout.java`, `FixedKeyLengthTableSegmentLayout.java`, `PravegaRequestProcessor.java`.

mod change;
mod check;
mod continuation;
mod delta;
mod iterate;
mod key_hash;
mod keys;
mod read;
mod refusal;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;
use change::RECORD_HEADER_BYTES;
use keys::Place;

pub(crate) use change::TableChange;
pub(crate) use keys::Keys;
pub(crate) use refusal::Refusal;

/// Where a reply stops taking more entries. Source: `PravegaRequestProcessor.MAX_READ_SIZE`.
const MAX_REPLY_BYTES: usize = 2 * 1024 * 1024;

/// Version of a key that does not exist. Source: `TableKey.NOT_EXISTS`.
const NOT_EXISTS: i64 = -1;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: Bytes,
    value: Bytes,
}

impl Entry {
    /// Bytes of its record in a segment.
    fn record_bytes(&self) -> i64 {
        (RECORD_HEADER_BYTES + self.key.len() + self.value.len()) as i64
    }

    /// Memory that it takes.
    fn bytes(&self) -> u64 {
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
    keys: Keys,
    /// Version of every live key, in the order that iterations follow.
    versions: BTreeMap<Place, i64>,
    /// Every live entry by its version, which is the order that deltas follow.
    entries: BTreeMap<i64, Entry>,
    length: i64,
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

    fn version_of(&self, key: &Bytes) -> Option<i64> {
        self.versions.get(&self.keys.place(key)).copied()
    }

    fn entry(&self, version: i64) -> &Entry {
        self.entries.get(&version).expect(INDEXED)
    }

    fn put(&mut self, version: i64, key: &Bytes, value: &Bytes) {
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

    fn remove(&mut self, key: &Bytes) {
        if let Some(version) = self.versions.remove(&self.keys.place(key)) {
            self.forget(version);
        }
    }

    fn forget(&mut self, version: i64) -> Entry {
        let entry = self.entries.remove(&version).expect(INDEXED);
        self.bytes -= entry.bytes();
        entry
    }
}

fn own(bytes: &Bytes) -> Bytes {
    if bytes.len() <= COPIED_BYTES { Bytes::copy_from_slice(bytes) } else { bytes.clone() }
}
