//! Log records and checkpoint entries, byte by byte.

use super::*;
use crate::checkpoint::EntryChange;
use crate::golden::{self, variants};
use crate::node::change::Change;
use crate::node::dirty::Dirty;
use crate::node::record;
use crate::node::segment_data::{Body, Stretch};
use crate::table::TableChange;

const AT: i64 = 1_795_934_197_878;
const KEY: SegmentKey = SegmentKey(1 << 40);

/// An update and a removal, as `table/change.rs` lays them out.
const TABLE_RECORDS: &str = "00000000010000000280000000000000006131320000000001ffffffff800000000000000062";

fn attributes() -> Vec<(uuid::Uuid, i64)> {
    vec![(uuid::Uuid::from_u128(9), -1), (uuid::Uuid::from_u128(1 << 127), i64::MIN)]
}

fn created(kind: SegmentKind) -> Change {
    Change::SegmentCreated { name: "s/é".to_owned(), kind, attributes: attributes(), at: AT }
}

fn table_records() -> Bytes {
    hex::decode(TABLE_RECORDS).expect("hex").into()
}

/// Every change there is with its body, those that have kinds with each of them.
fn changes() -> Vec<(Change, Bytes)> {
    let len = u32::try_from(table_records().len()).expect("short");
    let stretches = vec![
        Stretch { offset: 1 << 41, position: 1 << 42, len: 3 },
        Stretch { offset: (1 << 41) + 3, position: 1, len: 4 },
    ];
    let none = Bytes::new();
    vec![
        (created(SegmentKind::Stream), none.clone()),
        (created(SegmentKind::Transient), none.clone()),
        (created(SegmentKind::HashTable), none.clone()),
        (created(SegmentKind::FixedKeyTable(256)), none.clone()),
        (Change::Appended { segment: KEY, len: 5, attributes: attributes(), at: AT }, "bytes".into()),
        (Change::AttributesSet { segment: KEY, attributes: attributes(), at: AT }, none.clone()),
        (Change::Truncated { segment: KEY, offset: 1 << 41, at: AT }, none.clone()),
        (Change::Sealed { segment: KEY, at: AT }, none.clone()),
        (Change::Deleted { segment: KEY }, none.clone()),
        (Change::Merged { target: KEY, source: SegmentKey(7), attributes: attributes(), at: AT }, none.clone()),
        (Change::TableChanged { segment: KEY, len, at: AT }, table_records()),
        (Change::Relocated { segment: KEY, stretches, len: 7 }, "rewrite".into()),
        (Change::RecordPut { key: "k/é".to_owned(), value: "{}".into() }, none.clone()),
        (Change::RecordRemoved { key: "k/é".to_owned() }, none),
    ]
}

fn payload(changes: &[(Change, Bytes)]) -> Bytes {
    let (changes, bodies): (Vec<Change>, Vec<Bytes>) = changes.iter().cloned().unzip();
    record::encode(&changes, bodies).concat().into()
}

/// The name of a value's variant, by the number that it is written with.
fn variant<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> &'static str {
    variants::<T>()[usize::from(postcard::to_allocvec(value).expect("a form")[0])]
}

fn name(change: &Change) -> String {
    match change {
        Change::SegmentCreated { kind, .. } => format!("{}/{}", variant(change), variant(kind)),
        _ => variant(change).to_owned(),
    }
}

#[test]
fn every_change_has_its_pinned_bytes() {
    let mut lines: Vec<(String, String)> =
        changes().into_iter().map(|change| (name(&change.0), hex::encode(payload(&[change])))).collect();
    lines.push(("(step)".to_owned(), hex::encode(payload(&changes()))));
    golden::check("records.txt", &lines);
}

#[test]
fn every_change_is_among_the_pinned_ones() {
    let mut names: Vec<&str> = changes().iter().map(|(change, _)| variant(change)).collect();
    names.dedup();
    assert_eq!(names, variants::<Change>());
    let kinds = changes().into_iter().filter_map(|(change, _)| match change {
        Change::SegmentCreated { kind, .. } => Some(variant(&kind)),
        _ => None,
    });
    assert_eq!(kinds.collect::<Vec<_>>(), variants::<SegmentKind>());
}

#[test]
fn pinned_changes_are_read_back() {
    let found = record::decode(payload(&changes()), 0).expect("a record");
    for ((found, body), (change, bytes)) in found.into_iter().zip(changes()) {
        assert_eq!(found, change);
        match body {
            Body::Logged { len, .. } => assert_eq!(len as usize, bytes.len()),
            Body::Table(records) => assert_eq!(records, TableChange::decode(bytes).expect("records")),
            other => panic!("{other:?}"),
        }
    }
}

/// One segment of each kind, with all that a segment can have, and a record.
fn state() -> State {
    let mut state = State::default();
    state.dirty = Dirty::kept();
    let logged = |position| Body::Logged { position, len: 100 };
    let kinds = [SegmentKind::Stream, SegmentKind::Transient, SegmentKind::HashTable, SegmentKind::FixedKeyTable(1)];
    for (key, kind) in (0..).map(SegmentKey).zip(kinds) {
        let name = format!("s/{key:?}");
        state.apply(&Change::SegmentCreated { name, kind, attributes: attributes(), at: AT }, logged(0));
        if kind.is_table() {
            let change = TableChange::decode(table_records()).expect("records");
            let len = u32::try_from(table_records().len()).expect("short");
            state.apply(&Change::TableChanged { segment: key, len, at: AT + 1 }, Body::Table(change));
        }
    }
    let segment = SegmentKey(0);
    for position in [1 << 40, 1 << 41] {
        state.apply(&Change::Appended { segment, len: 100, attributes: vec![], at: AT + 2 }, logged(position));
    }
    state.apply(&Change::Truncated { segment, offset: 50, at: AT + 3 }, logged(0));
    state.apply(&Change::Sealed { segment, at: AT + 4 }, logged(0));
    state.apply(&Change::RecordPut { key: "k/é".to_owned(), value: "{}".into() }, logged(0));
    state
}

fn entries(state: &mut State) -> Vec<(Bytes, Bytes)> {
    let (_, entries) = state.take_dirty();
    let mut entries: Vec<_> = entries
        .into_iter()
        .map(|entry| match entry {
            EntryChange::Put { key, value } => (key, value),
            EntryChange::Remove { key } => panic!("{key:?} is gone"),
        })
        .collect();
    entries.sort();
    entries
}

#[test]
fn a_checkpoint_has_its_pinned_entries() {
    let lines = entries(&mut state()).into_iter().map(|(key, value)| (hex::encode(key), hex::encode(value)));
    golden::check("checkpoint.txt", &lines.collect::<Vec<_>>());
}

#[test]
fn pinned_entries_are_read_back() {
    let entries = entries(&mut state());
    let mut restored = State::default();
    for (key, value) in entries.clone() {
        restored.restore(&key, value).expect("an entry");
    }
    restored.dirty = Dirty::kept();
    restored.dirty.segments = (0..4).map(SegmentKey).collect();
    restored.dirty.records.insert("k/é".to_owned());
    assert_eq!(self::entries(&mut restored), entries);
}
