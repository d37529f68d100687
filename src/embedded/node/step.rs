use std::ops::Deref;

use bytes::Bytes;

use crate::wire::{AttributeUpdate, NO_VALUE};

use super::change::{AttributeValues, Change, SegmentKey};
use super::error::SegmentError;
use super::segment::{NewSegment, Segment};
use super::state::State;

/// Set whatever the attribute's value is.
pub(crate) const REPLACE: i8 = 1;
/// Set if it is greater than the attribute's value, or that is not set.
pub(crate) const REPLACE_IF_GREATER: i8 = 2;
/// Add to the attribute's value; not set counts as 0.
pub(crate) const ACCUMULATE: i8 = 3;
/// Set if the attribute has the old value.
pub(crate) const REPLACE_IF_EQUALS: i8 = 4;

/// One atomic step: looks at the state through `Deref`, and changes it.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    state: &'a mut State,
    at: i64,
    max_bytes: u64,
}

/// Where an append or a merge went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Length of the segment right after it.
    pub(crate) length: u64,
}

impl Deref for Step<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
    }
}

impl<'a> Step<'a> {
    pub(super) fn new(state: &'a mut State, at: i64, max_bytes: u64) -> Self {
        Self { state, at, max_bytes }
    }

    /// Whether there is room for so many more bytes of events or entries; if not, [`Node::room_for`] waits for it.
    ///
    /// [`Node::room_for`]: super::Node::room_for
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.state.fits(bytes as u64, self.max_bytes)
    }

    /// Milliseconds since 1970: when the step happens.
    pub(crate) fn at(&self) -> i64 {
        self.at
    }

    /// Creates a segment.
    ///
    /// # Errors
    /// [`SegmentError::Exists`].
    pub(crate) fn create_segment(&mut self, new: NewSegment) -> Result<(), SegmentError> {
        if self.key(&new.name).is_some() {
            return Err(SegmentError::Exists);
        }
        let NewSegment { name, kind, attributes } = new;
        self.apply(Change::SegmentCreated { name, kind, attributes, at: self.at });
        Ok(())
    }

    /// Appends `data` and updates attributes with it, if the segment ends at `expected`, where given.
    ///
    /// # Errors
    /// [`SegmentError`]: not found, sealed, bad attribute, bad offset, in this order.
    pub(crate) fn append(
        &mut self,
        name: &str,
        data: Bytes,
        updates: &[AttributeUpdate],
        expected: Option<u64>,
    ) -> Result<Appended, SegmentError> {
        let (key, segment) = self.open(name)?;
        let attributes = updated(segment, updates)?;
        let length = segment.data().length();
        if expected.is_some_and(|expected| expected != length) {
            return Err(SegmentError::BadOffset { length });
        }
        let length = length + data.len() as u64;
        self.apply_with(Change::Appended { segment: key, attributes, at: self.at }, data);
        Ok(Appended { length })
    }

    /// Updates attributes.
    ///
    /// # Errors
    /// [`SegmentError`]: not found, sealed, bad attribute.
    pub(crate) fn update_attributes(&mut self, name: &str, updates: &[AttributeUpdate]) -> Result<(), SegmentError> {
        let (key, segment) = self.open(name)?;
        let attributes = updated(segment, updates)?;
        self.apply(Change::AttributesSet { segment: key, attributes, at: self.at });
        Ok(())
    }

    /// Moves the head forward to `offset`; the same head again succeeds, also on a sealed segment.
    ///
    /// # Errors
    /// [`SegmentError`]: not found, truncated (the offset lies outside the segment).
    pub(crate) fn truncate_segment(&mut self, name: &str, offset: u64) -> Result<(), SegmentError> {
        let (key, segment) = self.found(name)?;
        let data = segment.data();
        if offset < data.start() || offset > data.length() {
            return Err(SegmentError::Truncated { start: data.start() });
        }
        if offset > data.start() {
            self.apply(Change::Truncated { segment: key, offset, at: self.at });
        }
        Ok(())
    }

    /// Ends all appends; gives the final length.
    ///
    /// # Errors
    /// [`SegmentError`]: not found, sealed already.
    pub(crate) fn seal_segment(&mut self, name: &str) -> Result<u64, SegmentError> {
        let (key, segment) = self.open(name)?;
        let length = segment.data().length();
        self.apply(Change::Sealed { segment: key, at: self.at });
        Ok(length)
    }

    /// Deletes a segment and its data, sealed or not.
    ///
    /// # Errors
    /// [`SegmentError::NotFound`].
    pub(crate) fn delete_segment(&mut self, name: &str) -> Result<(), SegmentError> {
        let (key, _) = self.found(name)?;
        self.apply(Change::Deleted { segment: key });
        Ok(())
    }

    /// Moves all bytes of `source` to the end of `target`, updates the target's attributes, and deletes the source.
    ///
    /// # Errors
    /// [`SegmentError`], of the target first: not found, sealed, bad attribute; then of the source: not found, truncated,
    /// the target itself.
    pub(crate) fn merge_segment(
        &mut self,
        target: &str,
        source: &str,
        updates: &[AttributeUpdate],
    ) -> Result<Appended, SegmentError> {
        let (target, segment) = self.open(target)?;
        let attributes = updated(segment, updates)?;
        let (source, merged) = self.found(source)?;
        if source == target {
            return Err(SegmentError::MergeIntoItself);
        }
        if merged.data().start() > 0 {
            return Err(SegmentError::TruncatedSource);
        }
        let length = segment.data().length() + merged.data().length();
        self.apply(Change::Merged { target, source, attributes, at: self.at });
        Ok(Appended { length })
    }

    /// Sets a record of the controller.
    pub(crate) fn put(&mut self, key: &str, value: Bytes) {
        self.apply(Change::RecordPut { key: key.to_owned(), value });
    }

    /// Removes a record of the controller, if it is there.
    pub(crate) fn remove(&mut self, key: &str) {
        if self.record(key).is_some() {
            self.apply(Change::RecordRemoved { key: key.to_owned() });
        }
    }

    fn found(&self, name: &str) -> Result<(SegmentKey, &Segment), SegmentError> {
        let key = self.key(name).ok_or(SegmentError::NotFound)?;
        Ok((key, self.by_key(key).ok_or(SegmentError::NotFound)?))
    }

    fn open(&self, name: &str) -> Result<(SegmentKey, &Segment), SegmentError> {
        let (key, segment) = self.found(name)?;
        if segment.is_sealed() { Err(SegmentError::Sealed) } else { Ok((key, segment)) }
    }

    fn apply(&mut self, change: Change) {
        self.apply_with(change, Bytes::new());
    }

    fn apply_with(&mut self, change: Change, body: Bytes) {
        self.state.apply(&change, body);
    }
}

/// What the attributes become.
fn updated(segment: &Segment, updates: &[AttributeUpdate]) -> Result<AttributeValues, SegmentError> {
    updates
        .iter()
        .map(|update| {
            let value = segment.attribute(update.attribute_id);
            let value = match update.update_type {
                REPLACE => update.new_value,
                REPLACE_IF_GREATER if value == NO_VALUE || update.new_value > value => update.new_value,
                ACCUMULATE if value == NO_VALUE => update.new_value,
                ACCUMULATE => value.wrapping_add(update.new_value),
                REPLACE_IF_EQUALS if value == update.old_value => update.new_value,
                // None: set if it is not.
                0 if value == NO_VALUE => update.new_value,
                _ => return Err(SegmentError::BadAttribute),
            };
            Ok((update.attribute_id, value))
        })
        .collect()
}
