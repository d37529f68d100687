//! What a checkpoint holds of the state, as keys and values.
//!
//! ```text
//! n              next key of a segment
//! s <u64 key>    segment
//! r <key>        record of the controller
//! ```
//!
//! Values are laid out by postcard, fields in the order of their declaration, except for the controller's records, which
//! are JSON. `tests/golden/format/checkpoint.txt` pins them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::change::{AttributeValues, SegmentKey};
use super::dirty::Dirty;
use super::segment::{SegmentKind, StoredSegment};
use super::segment_data::{SegmentData, Stretch};
use super::state::State;
use crate::checkpoint::EntryChange;
use crate::table::{Keys, Table};

const NEXT_KEY: &[u8] = b"n";
const SEGMENT: u8 = b's';
const RECORD: u8 = b'r';

/// A checkpoint holds what no version of this program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint holds an entry that cannot be decoded")]
pub(crate) struct BadImage;

/// One segment.
#[derive(Debug, Serialize, Deserialize)]
struct SegmentImage {
    name: String,
    kind: SegmentKind,
    sealed: bool,
    last_modified: i64,
    attributes: AttributeValues,
    start: u64,
    length: u64,
    stretches: Vec<Stretch>,
    table: Option<TableImage>,
}

/// The entries of a table: version, key and value.
#[derive(Debug, Serialize, Deserialize)]
struct TableImage {
    length: i64,
    entries: Vec<(i64, Bytes, Bytes)>,
}

impl From<&StoredSegment> for SegmentImage {
    fn from(segment: &StoredSegment) -> Self {
        Self {
            name: segment.name.as_ref().to_owned(),
            kind: segment.kind,
            sealed: segment.sealed,
            last_modified: segment.last_modified,
            attributes: segment.attributes.iter().map(|(id, value)| (*id, *value)).collect(),
            start: segment.data.start(),
            length: segment.data.length(),
            stretches: segment.data.stretches().collect(),
            table: segment.table.as_ref().map(TableImage::from),
        }
    }
}

impl From<&Table> for TableImage {
    fn from(table: &Table) -> Self {
        let own = |(version, key, value): (i64, &Bytes, &Bytes)| (version, key.clone(), value.clone());
        Self { length: table.length(), entries: table.live().map(own).collect() }
    }
}

impl From<SegmentImage> for StoredSegment {
    fn from(image: SegmentImage) -> Self {
        let SegmentImage { name, kind, sealed, last_modified, attributes, start, length, stretches, table } = image;
        let mut segment = Self::new(&name, kind, &attributes, last_modified);
        segment.sealed = sealed;
        segment.changed.send_replace(sealed);
        segment.data = SegmentData::restore(start, length, &stretches);
        let restored = segment.table.as_ref().map(Table::keys).zip(table).map(|(keys, image)| image.restore(keys));
        segment.table = restored.or(segment.table);
        segment
    }
}

impl TableImage {
    fn restore(self, keys: Keys) -> Table {
        Table::restore(keys, self.length, self.entries)
    }
}

impl State {
    /// What has changed since the last time, and as entries of a checkpoint.
    pub(super) fn take_dirty(&mut self) -> (Dirty, Vec<EntryChange>) {
        let dirty = std::mem::replace(&mut self.dirty, Dirty::kept());
        let segments = dirty.segments.iter().map(|key| {
            let image = self.by_key(*key).map(|segment| to_bytes(&SegmentImage::from(segment)));
            entry(prefixed(SEGMENT, &key.0.to_be_bytes()), image)
        });
        let records = dirty.records.iter().map(|key| {
            let value = self.record(key).cloned();
            entry(prefixed(RECORD, key.as_bytes()), value)
        });
        let next_key = entry(Bytes::from_static(NEXT_KEY), Some(to_bytes(&self.next_key)));
        let entries = segments.chain(records).chain([next_key]).collect();
        (dirty, entries)
    }

    /// All that lies in the log, in no order.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (SegmentKey, Stretch)> {
        self.keyed().flat_map(|(key, segment)| segment.data().stretches().map(move |stretch| (key, stretch)))
    }

    /// Takes an entry of a checkpoint back.
    ///
    /// # Errors
    /// [`BadImage`].
    pub(super) fn restore(&mut self, key: &Bytes, value: Bytes) -> Result<(), BadImage> {
        match key.split_first() {
            Some((&SEGMENT, key)) => {
                let key = key.try_into().map_err(|_| BadImage)?;
                let image: SegmentImage = from_bytes(&value)?;
                self.restore_segment(SegmentKey(u64::from_be_bytes(key)), image.into());
            }
            Some((&RECORD, key)) => {
                let key = std::str::from_utf8(key).map_err(|_| BadImage)?;
                self.records.insert(key.to_owned(), value);
            }
            _ if key == NEXT_KEY => self.next_key = from_bytes(&value)?,
            _ => return Err(BadImage),
        }
        Ok(())
    }
}

fn entry(key: Bytes, value: Option<Bytes>) -> EntryChange {
    match value {
        Some(value) => EntryChange::Put { key, value },
        None => EntryChange::Remove { key },
    }
}

fn prefixed(prefix: u8, key: &[u8]) -> Bytes {
    [&[prefix], key].concat().into()
}

fn to_bytes(value: &impl Serialize) -> Bytes {
    postcard::to_allocvec(value).expect("every value has a form").into()
}

fn from_bytes<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, BadImage> {
    postcard::from_bytes(bytes).map_err(|_| BadImage)
}
