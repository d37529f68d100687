//! A model that keeps the whole segment and looks everything up in it, beside the table that is put to the test.

use std::collections::BTreeMap;

use bytes::Bytes;
use pravega_protocol::wire::{IteratorArgs, NO_VALUE, TableEntry, TableKey};
use proptest::prelude::*;

use super::super::*;
use super::NOT_EXISTS;

/// A segment as a real store would have it: every record ever written, at its offset.
#[derive(Debug, Default)]
pub(super) struct Model {
    records: BTreeMap<i64, (Bytes, Option<Bytes>)>,
    length: i64,
}

impl Model {
    pub(super) fn live(&self) -> BTreeMap<Bytes, (i64, Bytes)> {
        let mut live = BTreeMap::new();
        for (offset, (key, value)) in &self.records {
            match value {
                Some(value) => live.insert(key.clone(), (*offset, value.clone())),
                None => live.remove(key),
            };
        }
        live
    }

    fn version(&self, key: &Bytes) -> i64 {
        self.live().get(key).map_or(NOT_EXISTS, |(version, _)| *version)
    }

    fn write(&mut self, key: &Bytes, value: Option<&Bytes>) -> i64 {
        let offset = self.length;
        self.length += (17 + key.len() + value.map_or(0, Bytes::len)) as i64;
        self.records.insert(offset, (key.clone(), value.cloned()));
        offset
    }

    /// Fixed keys are removed without a record: they are as if they had never been written.
    fn forget(&mut self, keys: &[TableKey]) {
        self.records.retain(|_, (key, _)| keys.iter().all(|gone| gone.data != *key));
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Condition {
    None,
    Absent,
    Current,
    Stale,
}

#[derive(Debug, Clone)]
pub(super) enum Batch {
    Update(Vec<(Bytes, Bytes, Condition)>),
    Remove(Vec<(Bytes, Condition)>),
}

pub(super) fn any_key() -> impl Strategy<Value = Bytes> {
    (0..12_u32).prop_map(|number| Bytes::copy_from_slice(&number.wrapping_mul(0x9E37_79B9).to_be_bytes()))
}

fn any_condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        6 => Just(Condition::None),
        2 => Just(Condition::Current),
        1 => Just(Condition::Absent),
        1 => Just(Condition::Stale),
    ]
}

fn any_batch() -> impl Strategy<Value = Batch> {
    let value = prop::collection::vec(any::<u8>(), 0..8).prop_map(Bytes::from);
    prop_oneof![
        3 => prop::collection::vec((any_key(), value, any_condition()), 0..5).prop_map(Batch::Update),
        1 => prop::collection::vec((any_key(), any_condition()), 0..4).prop_map(Batch::Remove),
    ]
}

pub(super) fn any_batches() -> impl Strategy<Value = Vec<Batch>> {
    prop::collection::vec(any_batch(), 0..24)
}

pub(super) fn any_keys() -> impl Strategy<Value = Keys> {
    prop_oneof![Just(Keys::Hashed), Just(Keys::Fixed(4))]
}

/// A table, its model, and every change that was applied.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) table: Table,
    pub(super) model: Model,
    pub(super) log: Vec<TableChange>,
}

impl Pair {
    fn new(keys: Keys) -> Self {
        Self { table: Table::new(keys), model: Model::default(), log: Vec::new() }
    }

    pub(super) fn after(keys: Keys, batches: &[Batch]) -> Self {
        let mut pair = Self::new(keys);
        batches.iter().for_each(|batch| pair.submit(batch));
        pair
    }

    fn wanted(&self, key: &Bytes, condition: Condition) -> TableKey {
        let version = match condition {
            Condition::None => NO_VALUE,
            Condition::Absent => NOT_EXISTS,
            Condition::Current => self.model.version(key),
            Condition::Stale => self.model.version(key) + 1,
        };
        TableKey { data: key.clone(), version }
    }

    pub(super) fn submit(&mut self, batch: &Batch) {
        match batch {
            Batch::Update(entries) => self.update(entries),
            Batch::Remove(keys) => self.remove(keys),
        }
        assert_eq!(self.table.length(), self.model.length);
    }

    fn update(&mut self, entries: &[(Bytes, Bytes, Condition)]) {
        let keys: Vec<_> = entries.iter().map(|(key, _, condition)| self.wanted(key, *condition)).collect();
        let request: Vec<_> = keys
            .iter()
            .zip(entries)
            .map(|(key, (_, value, _))| TableEntry { key: key.clone(), value: value.clone() })
            .collect();
        let checked = self.table.check_update(&request, -1);
        let Some(change) = self.agreed(&keys, checked) else { return };
        let versions: Vec<_> = entries.iter().map(|(key, value, _)| self.model.write(key, Some(value))).collect();
        assert_eq!(self.table.versions_of(&change), versions);
        self.apply(change);
    }

    fn remove(&mut self, keys: &[(Bytes, Condition)]) {
        let request: Vec<_> = keys.iter().map(|(key, condition)| self.wanted(key, *condition)).collect();
        let Some(change) = self.agreed(&request, self.table.check_removal(&request, -1)) else { return };
        match self.table.keys() {
            Keys::Hashed => request.iter().for_each(|key| _ = self.model.write(&key.data, None)),
            Keys::Fixed(_) => self.model.forget(&request),
        }
        self.apply(change);
    }

    fn apply(&mut self, change: TableChange) {
        self.table.apply(&change);
        self.log.push(change);
    }

    /// The change, if table and model both found the batch right.
    fn agreed(&self, keys: &[TableKey], checked: Result<TableChange, TableRejection>) -> Option<TableChange> {
        match self.expected_refusal(keys) {
            None => Some(checked.expect("the model finds nothing wrong")),
            Some(refusal) => {
                assert_eq!(checked, Err(refusal));
                None
            }
        }
    }

    fn expected_refusal(&self, keys: &[TableKey]) -> Option<TableRejection> {
        let versions: Vec<_> = keys
            .iter()
            .filter(|key| key.version != NO_VALUE)
            .map(|key| (key.version, self.model.version(&key.data)))
            .collect();
        let missing = versions.iter().any(|(wanted, actual)| *actual == NOT_EXISTS && wanted != actual);
        let differs = versions.iter().any(|(wanted, actual)| wanted != actual);
        match self.table.keys() {
            Keys::Hashed if missing => Some(TableRejection::KeyDoesNotExist),
            _ if differs => Some(TableRejection::BadVersion),
            _ => None,
        }
    }

    /// Keys as an iteration of pages shows them; `between` runs after every page.
    pub(super) fn iterate(&mut self, count: i32, mut between: impl FnMut(&mut Self)) -> Vec<TableKey> {
        let mut seen = Vec::new();
        let mut args = IteratorArgs::default();
        loop {
            let page = self.table.iterate_keys(count, &args).expect("its own token");
            let Some(last) = page.items.last() else { return seen };
            match self.table.keys() {
                Keys::Hashed => args.continuation_token = page.continuation_token,
                Keys::Fixed(_) => match successor(&last.data) {
                    Some(next) => args.from_key = next,
                    None => return seen,
                },
            }
            seen.extend(page.items);
            between(self);
        }
    }

    /// All entries, from deltas of at most `count` entries.
    pub(super) fn deltas(&self, count: i32) -> Vec<TableEntry> {
        let mut entries = Vec::new();
        let mut position = 0;
        loop {
            let delta = self.table.delta(position, count).expect("a position that it gave");
            entries.extend(delta.entries);
            if delta.reached_end {
                return entries;
            }
            assert!(delta.last_position > position);
            position = delta.last_position;
        }
    }

    pub(super) fn live_keys(&self) -> BTreeMap<Bytes, i64> {
        self.model.live().into_iter().map(|(key, (version, _))| (key, version)).collect()
    }
}

/// The next key of four bytes, as clients go on after one.
fn successor(key: &Bytes) -> Option<Bytes> {
    let number = u32::from_be_bytes(key[..].try_into().expect("four bytes"));
    number.checked_add(1).map(|next| Bytes::copy_from_slice(&next.to_be_bytes()))
}
