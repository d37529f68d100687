//! The state of a node, and how a change is applied to it, in a step and again after a restart.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::change::{Change, SegmentKey};
use super::dirty::Dirty;
use super::recent::RecentNames;
use super::segment::StoredSegment;
use super::segment_data::{Body, SegmentData};
use super::undurable::Position;

/// Everything that the node knows. Changes only by [`apply`](Self::apply), also when the log is read back.
#[derive(Debug, Default)]
pub(crate) struct State {
    segments: HashMap<SegmentKey, StoredSegment>,
    names: HashMap<Arc<str>, SegmentKey>,
    pub(super) next_key: u64,
    pub(super) records: BTreeMap<String, Bytes>,
    bytes: u64,
    merged: RecentNames,
    pub(super) dirty: Dirty,
    /// Room that was promised to steps to come.
    pub(super) promised: u64,
}

impl State {
    /// Bytes of events and entries held in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it may hold this many more bytes, beside what was promised.
    pub(super) fn fits(&self, bytes: u64, max_bytes: u64) -> bool {
        self.bytes + self.promised + bytes <= max_bytes
    }

    /// The segment of this name.
    pub(crate) fn segment(&self, name: &str) -> Option<&StoredSegment> {
        self.segments.get(&self.key(name)?)
    }

    /// The key of the segment that has this name now.
    pub(crate) fn key(&self, name: &str) -> Option<SegmentKey> {
        self.names.get(name).copied()
    }

    /// The segment of this key, unless it is gone.
    pub(crate) fn by_key(&self, key: SegmentKey) -> Option<&StoredSegment> {
        self.segments.get(&key)
    }

    /// All segments, in no order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &StoredSegment> {
        self.segments.values()
    }

    /// All segments with their keys, in no order.
    pub(super) fn keyed(&self) -> impl Iterator<Item = (SegmentKey, &StoredSegment)> {
        self.segments.iter().map(|(key, segment)| (*key, segment))
    }

    /// Whether a segment of this name was merged recently and does not exist any more.
    pub(crate) fn was_merged(&self, name: &str) -> bool {
        self.merged.contains(name)
    }

    /// A record of the controller.
    pub(crate) fn record(&self, key: &str) -> Option<&Bytes> {
        self.records.get(key)
    }

    /// The controller's records whose keys begin with `prefix`, sorted by key.
    pub(crate) fn records<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Bytes)> {
        let from = self.records.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        from.map(|(key, value)| (key.as_str(), value)).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Applies what was validated; `body` are the bytes that belong to it.
    pub(crate) fn apply(&mut self, change: &Change, body: Body) {
        self.dirty.mark(change, SegmentKey(self.next_key));
        match change {
            Change::SegmentCreated { name, kind, attributes, at } => {
                let key = SegmentKey(self.next_key);
                self.next_key += 1;
                let segment = StoredSegment::new(name, *kind, attributes, *at);
                self.merged.remove(name);
                self.names.insert(Arc::clone(&segment.name), key);
                self.segments.insert(key, segment);
            }
            Change::Appended { segment, attributes, at, .. } => self.modify(*segment, *at, |segment| {
                segment.data.append(body);
                segment.set_attributes(attributes);
            }),
            Change::AttributesSet { segment, attributes, at } => {
                self.modify(*segment, *at, |segment| segment.set_attributes(attributes));
            }
            Change::Truncated { segment, offset, at } => {
                self.modify(*segment, *at, |segment| segment.data.truncate(*offset));
            }
            Change::Sealed { segment, at } => self.modify(*segment, *at, |segment| segment.sealed = true),
            Change::Deleted { segment } => drop(self.take(*segment)),
            Change::Merged { target, source, attributes, at } => {
                let source = self.take(*source);
                // a merge seals its source first
                source.changed.send_replace(true);
                self.merged.insert(&source.name);
                self.modify(*target, *at, |target| {
                    target.data.merge(source.data);
                    target.set_attributes(attributes);
                });
            }
            Change::TableChanged { segment, at, .. } => {
                let change = body.into_table_change();
                self.modify(*segment, *at, |segment| {
                    segment.table.as_mut().expect("changes of tables name tables").apply(&change);
                });
            }
            Change::Relocated { segment, stretches, .. } => {
                if let Some(segment) = self.segments.get_mut(segment) {
                    self.bytes -= segment.bytes();
                    segment.data.relocate(stretches, body);
                    self.bytes += segment.bytes();
                }
            }
            Change::RecordPut { key, value } => drop(self.records.insert(key.clone(), value.clone())),
            Change::RecordRemoved { key } => drop(self.records.remove(key)),
        }
    }

    /// A change that was applied is in the record that ends here.
    pub(super) fn written(&mut self, change: &Change, position: Position) {
        let key = match change {
            Change::SegmentCreated { name, .. } => self.key(name),
            Change::Appended { segment, .. }
            | Change::AttributesSet { segment, .. }
            | Change::Truncated { segment, .. }
            | Change::Sealed { segment, .. }
            | Change::TableChanged { segment, .. } => Some(*segment),
            Change::Merged { target, .. } => Some(*target),
            // it holds the same as before
            Change::Relocated { .. } => None,
            Change::Deleted { .. } | Change::RecordPut { .. } | Change::RecordRemoved { .. } => None,
        };
        if let Some(segment) = key.and_then(|key| self.segments.get_mut(&key)) {
            segment.written = position;
        }
    }

    /// Adds a segment as it was.
    pub(super) fn restore_segment(&mut self, key: SegmentKey, segment: StoredSegment) {
        self.bytes += segment.bytes();
        self.names.insert(Arc::clone(&segment.name), key);
        self.segments.insert(key, segment);
    }

    /// The data of this segment, to note where its bytes are.
    pub(super) fn data_mut(&mut self, key: SegmentKey) -> Option<&mut SegmentData> {
        self.segments.get_mut(&key).map(|segment| &mut segment.data)
    }

    fn modify(&mut self, key: SegmentKey, at: i64, change: impl FnOnce(&mut StoredSegment)) {
        let segment = self.segments.get_mut(&key).expect("changes name segments that exist");
        self.bytes -= segment.bytes();
        change(segment);
        self.bytes += segment.bytes();
        segment.last_modified = at;
        segment.changed.send_replace(segment.sealed);
    }

    fn take(&mut self, key: SegmentKey) -> StoredSegment {
        let segment = self.segments.remove(&key).expect("changes name segments that exist");
        self.names.remove(&segment.name);
        self.bytes -= segment.bytes();
        segment
    }
}
