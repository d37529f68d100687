//! One atomic step: what may be changed, and the checks that come before each change.

use bytes::{Bytes, BytesMut};
use pravega_protocol::wire::{AttributeUpdate, NO_VALUE, TableEntry, TableKey};
use uuid::Uuid;

use super::change::{AttributeValues, Change, SegmentKey};
use super::error::{SegmentError, TableError};
use super::journal::Journal;
use super::room::Purpose;
use super::segment::{NewSegment, StoredSegment};
use super::segment_data::{Body, Stretch};
use super::state::State;
use crate::log::Reservation;
use crate::table::{Keys, Table, TableChange, TableRejection};

/// Set whatever the attribute's value is.
pub(crate) const REPLACE: i8 = 1;
/// Set if it is greater than the attribute's value, or that is not set.
pub(crate) const REPLACE_IF_GREATER: i8 = 2;
/// Add to the attribute's value; not set counts as 0.
pub(crate) const ACCUMULATE: i8 = 3;
/// Set if the attribute has the old value.
pub(crate) const REPLACE_IF_EQUALS: i8 = 4;

/// One atomic step: looks at the state, and changes it.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    state: &'a mut State,
    at: i64,
    max_bytes: u64,
    journal: Option<&'a Journal>,
    written: Written,
}

/// What a step changed, for the log.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) changes: Vec<Change>,
    /// What belongs to each change.
    pub(super) bodies: Vec<Bytes>,
    /// Where that begins in its segment.
    pub(super) offsets: Vec<Option<(SegmentKey, u64)>>,
    pub(super) reservation: Option<Reservation>,
}

impl Written {
    fn push(&mut self, change: Change, body: Bytes, place: Option<(SegmentKey, u64)>) {
        self.changes.push(change);
        self.bodies.push(body);
        self.offsets.push(place);
    }
}

/// Where an append or a merge went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Length of the segment right after it.
    pub(crate) length: u64,
}

impl<'a> Step<'a> {
    /// A step at this time; what it writes goes into the journal, if there is one, in the room that was taken.
    pub(super) fn new(
        state: &'a mut State,
        at: i64,
        max_bytes: u64,
        journal: Option<&'a Journal>,
        reservation: Option<Reservation>,
    ) -> Self {
        Self { state, at, max_bytes, journal, written: Written { reservation, ..Written::default() } }
    }

    pub(super) fn into_written(self) -> Written {
        self.written
    }

    /// Whether there is room for this many more bytes of events or entries, which is then taken; if not,
    /// [`Node::room_for`] waits for it.
    ///
    /// [`Node::room_for`]: super::Node::room_for
    pub(crate) fn has_room_for(&mut self, bytes: usize) -> bool {
        let Some(journal) = self.journal else { return self.state.fits(bytes as u64, self.max_bytes) };
        if self.written.reservation.is_none() {
            self.written.reservation = journal.try_reserve(bytes, Purpose::Add);
        }
        self.written.reservation.is_some() && self.state.fits(0, self.max_bytes)
    }

    /// The state as the step has changed it so far.
    pub(crate) fn state(&self) -> &State {
        self.state
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
        if self.state().key(&new.name).is_some() {
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
        let len = u32::try_from(data.len()).expect("a frame is shorter");
        let length = length + u64::from(len);
        self.apply_with(Change::Appended { segment: key, len, attributes, at: self.at }, data);
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

    /// Updates entries of a table; gives their versions. `offset` is where the table must end, unless it is negative.
    ///
    /// # Errors
    /// [`TableError`]; nothing of the batch is done then.
    pub(crate) fn update_table(
        &mut self,
        name: &str,
        entries: &[TableEntry],
        offset: i64,
    ) -> Result<Vec<i64>, TableError> {
        self.change_table(name, |table| table.check_update(entries, offset))
    }

    /// Removes keys of a table.
    ///
    /// # Errors
    /// As [`update_table`](Self::update_table).
    pub(crate) fn remove_keys(&mut self, name: &str, keys: &[TableKey], offset: i64) -> Result<(), TableError> {
        self.change_table(name, |table| table.check_removal(keys, offset)).map(drop)
    }

    fn change_table(
        &mut self,
        name: &str,
        check: impl FnOnce(&Table) -> Result<TableChange, TableRejection>,
    ) -> Result<Vec<i64>, TableError> {
        let (segment, found) = self.found(name)?;
        let table = found.table().ok_or(TableError::NoTable)?;
        let checked = check(table);
        if found.is_sealed() && checked.as_ref().err().is_none_or(|rejection| seal_comes_before(rejection, table)) {
            return Err(SegmentError::Sealed.into());
        }
        let change = checked?;
        let versions = table.versions_of(&change);
        self.apply_to_table(segment, change);
        Ok(versions)
    }

    fn apply_to_table(&mut self, segment: SegmentKey, change: TableChange) {
        let len = u32::try_from(change.encoded_len()).expect("a frame is shorter");
        let changed = Change::TableChanged { segment, len, at: self.at };
        if self.journal.is_some() {
            let mut records = BytesMut::with_capacity(change.encoded_len());
            change.encode(&mut records);
            self.written.push(changed.clone(), records.freeze(), None);
        }
        self.state.apply(&changed, Body::Table(change));
    }

    /// Sets a record of the controller.
    pub(crate) fn put(&mut self, key: &str, value: Bytes) {
        self.apply(Change::RecordPut { key: key.to_owned(), value });
    }

    /// Removes a record of the controller, if it is there.
    pub(crate) fn remove(&mut self, key: &str) {
        if self.state().record(key).is_some() {
            self.apply(Change::RecordRemoved { key: key.to_owned() });
        }
    }

    /// Puts the bytes of neighbouring stretches, read before, together at the end of the log, if the segment still has
    /// them.
    pub(super) fn relocate(&mut self, segment: SegmentKey, stretches: Vec<Stretch>, data: Bytes) {
        let has_them = self.state().by_key(segment).is_some_and(|segment| segment.data().has(&stretches));
        if has_them {
            let len = u32::try_from(data.len()).expect("a relocation is shorter");
            self.apply_with(Change::Relocated { segment, stretches, len }, data);
        }
    }

    fn found(&self, name: &str) -> Result<(SegmentKey, &StoredSegment), SegmentError> {
        let key = self.state().key(name).ok_or(SegmentError::NotFound)?;
        Ok((key, self.state().by_key(key).ok_or(SegmentError::NotFound)?))
    }

    fn open(&self, name: &str) -> Result<(SegmentKey, &StoredSegment), SegmentError> {
        let (key, segment) = self.found(name)?;
        if segment.is_sealed() { Err(SegmentError::Sealed) } else { Ok((key, segment)) }
    }

    fn apply(&mut self, change: Change) {
        self.apply_with(change, Bytes::new());
    }

    fn apply_with(&mut self, change: Change, body: Bytes) {
        if self.journal.is_none() {
            return self.state.apply(&change, Body::Memory(body));
        }
        let place = self.place_of(&change);
        self.state.apply(&change, Body::ToLog(body.clone()));
        self.written.push(change, body, place);
    }

    /// Where a change's body begins in its segment.
    fn place_of(&self, change: &Change) -> Option<(SegmentKey, u64)> {
        match change {
            Change::Appended { segment, len: 1.., .. } => {
                Some((*segment, self.state().by_key(*segment)?.data().length()))
            }
            Change::Relocated { segment, stretches, .. } => Some((*segment, stretches.first()?.offset)),
            _ => None,
        }
    }
}

/// Whether a sealed table is reported as sealed rather than this: the table checks hashed keys, its segment fixed ones and
/// the length.
fn seal_comes_before(rejection: &TableRejection, table: &Table) -> bool {
    match rejection {
        TableRejection::Truncated { .. } => true,
        TableRejection::KeyDoesNotExist | TableRejection::BadVersion => table.keys() != Keys::Hashed,
        _ => false,
    }
}

/// Whether it is one of the store's own. Source: Attributes.java, `CORE_ATTRIBUTE_ID_PREFIX`.
fn is_core(id: Uuid) -> bool {
    id.as_u64_pair().0 == 1 << 63
}

/// What the attributes become.
fn updated(segment: &StoredSegment, updates: &[AttributeUpdate]) -> Result<AttributeValues, SegmentError> {
    updates
        .iter()
        .map(|update| {
            let value = segment.attribute(update.attribute_id);
            let value = match update.update_type {
                REPLACE => update.new_value,
                REPLACE_IF_GREATER if value == NO_VALUE || update.new_value > value => update.new_value,
                ACCUMULATE if value == NO_VALUE => update.new_value,
                ACCUMULATE => value.wrapping_add(update.new_value),
                // of the store's own ones, unset is no value
                REPLACE_IF_EQUALS if value == NO_VALUE && is_core(update.attribute_id) => {
                    return Err(SegmentError::BadAttribute);
                }
                REPLACE_IF_EQUALS if value == update.old_value => update.new_value,
                // None: set if it is not.
                0 if value == NO_VALUE => update.new_value,
                _ => return Err(SegmentError::BadAttribute),
            };
            Ok((update.attribute_id, value))
        })
        .collect()
}
