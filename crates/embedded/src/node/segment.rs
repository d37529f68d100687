//! One segment: its kind, its bytes or entries, and its attributes.

use std::collections::BTreeMap;
use std::sync::Arc;

use pravega_protocol::wire::NO_VALUE;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::change::AttributeValues;
use super::segment_data::SegmentData;
use super::undurable::Position;
use crate::table::{Keys, Table};

/// What a segment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SegmentKind {
    /// Holds events of a stream, or of a transaction.
    Stream,
    /// Holds one large event until it is merged.
    Transient,
    /// A table with keys of any length.
    HashTable,
    /// A table whose keys all have this many bytes.
    FixedKeyTable(u32),
}

impl SegmentKind {
    /// Whether it holds entries.
    #[cfg(test)]
    pub(super) fn is_table(self) -> bool {
        self.table().is_some()
    }

    /// An empty table, if it is one.
    fn table(self) -> Option<Table> {
        match self {
            Self::Stream | Self::Transient => None,
            Self::HashTable => Some(Table::new(Keys::Hashed)),
            Self::FixedKeyTable(length) => Some(Table::new(Keys::Fixed(length))),
        }
    }
}

/// A segment to be created.
#[derive(Debug, Clone)]
pub(crate) struct NewSegment {
    /// Full name; not empty.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) kind: SegmentKind,
    /// Attributes that it begins with.
    pub(crate) attributes: AttributeValues,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct StoredSegment {
    pub(super) name: Arc<str>,
    pub(super) kind: SegmentKind,
    pub(super) data: SegmentData,
    pub(super) table: Option<Table>,
    pub(super) sealed: bool,
    pub(super) attributes: BTreeMap<Uuid, i64>,
    pub(super) last_modified: i64,
    /// Where the record of its last change ends.
    pub(super) written: Position,
    /// Wakes waiting reads when something is new, with whether the segment is sealed; dropped with the segment.
    pub(super) changed: watch::Sender<bool>,
}

impl StoredSegment {
    pub(super) fn new(name: &str, kind: SegmentKind, attributes: &AttributeValues, at: i64) -> Self {
        let mut segment = Self {
            name: name.into(),
            kind,
            data: SegmentData::default(),
            table: kind.table(),
            sealed: false,
            attributes: BTreeMap::new(),
            last_modified: at,
            written: Position::default(),
            changed: watch::Sender::new(false),
        };
        segment.set_attributes(attributes);
        segment
    }

    /// Full name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    pub(crate) fn kind(&self) -> SegmentKind {
        self.kind
    }

    /// Its bytes.
    pub(crate) fn data(&self) -> &SegmentData {
        &self.data
    }

    /// Its entries, if it is a table.
    pub(crate) fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.data.bytes() + self.table.as_ref().map_or(0, Table::bytes)
    }

    /// Whether it takes no more appends.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Milliseconds since 1970 of the last change.
    pub(crate) fn last_modified(&self) -> i64 {
        self.last_modified
    }

    /// An attribute's value; the smallest i64 if it is not set.
    pub(crate) fn attribute(&self, id: Uuid) -> i64 {
        self.attributes.get(&id).copied().unwrap_or(NO_VALUE)
    }

    /// Whether it is sealed; changes with every change of the segment, and closes once the segment is gone.
    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.changed.subscribe()
    }

    pub(super) fn set_attributes(&mut self, values: &AttributeValues) {
        for &(id, value) in values {
            if value == NO_VALUE {
                self.attributes.remove(&id);
            } else {
                self.attributes.insert(id, value);
            }
        }
    }
}
