//! What the next checkpoint has to write.

use std::collections::HashSet;

use super::change::{Change, SegmentKey};

/// What has changed since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// Only a node with a log needs it.
    is_kept: bool,
    pub(super) segments: HashSet<SegmentKey>,
    pub(super) records: HashSet<String>,
}

impl Dirty {
    /// Nothing has changed yet, and what does is kept.
    pub(super) fn kept() -> Self {
        Self { is_kept: true, ..Self::default() }
    }

    /// Notes what a change touches; a segment that it creates gets the key `next`.
    pub(super) fn mark(&mut self, change: &Change, next: SegmentKey) {
        if !self.is_kept {
            return;
        }
        match change {
            Change::SegmentCreated { .. } => self.touch(next),
            Change::Appended { segment, .. }
            | Change::AttributesSet { segment, .. }
            | Change::Truncated { segment, .. }
            | Change::Sealed { segment, .. }
            | Change::Deleted { segment }
            | Change::TableChanged { segment, .. }
            | Change::Relocated { segment, .. } => self.touch(*segment),
            Change::Merged { target, source, .. } => [*target, *source].into_iter().for_each(|key| self.touch(key)),
            Change::RecordPut { key, .. } | Change::RecordRemoved { key } => {
                if !self.records.contains(key) {
                    self.records.insert(key.clone());
                }
            }
        }
    }

    /// What was taken is not in a checkpoint after all.
    pub(super) fn mark_again(&mut self, taken: Self) {
        self.segments.extend(taken.segments);
        self.records.extend(taken.records);
    }

    fn touch(&mut self, key: SegmentKey) {
        self.segments.insert(key);
    }
}
