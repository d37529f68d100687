//! What a store of Pravega 0.13.0 was seen to answer, request by request, and a model for all the rest.

mod model;
mod properties;
mod reads;
mod updates;

use bytes::Bytes;
use pravega_protocol::wire::{IteratorArgs, NO_VALUE, TableEntry, TableKey};

use super::table::NOT_EXISTS;
use super::*;

const MIB: usize = 1024 * 1024;

fn hashed() -> Table {
    Table::new(Keys::Hashed)
}

fn fixed() -> Table {
    Table::new(Keys::Fixed(4))
}

fn key(data: impl Into<Bytes>, version: i64) -> TableKey {
    TableKey { data: data.into(), version }
}

fn entry(data: impl Into<Bytes>, value: impl Into<Bytes>, version: i64) -> TableEntry {
    TableEntry { key: key(data, version), value: value.into() }
}

fn any(data: impl Into<Bytes>, value: impl Into<Bytes>) -> TableEntry {
    entry(data, value, NO_VALUE)
}

fn update_at(table: &mut Table, entries: &[TableEntry], offset: i64) -> Result<Vec<i64>, TableRejection> {
    let change = table.check_update(entries, offset)?;
    let versions = table.versions_of(&change);
    table.apply(&change);
    Ok(versions)
}

fn update(table: &mut Table, entries: &[TableEntry]) -> Result<Vec<i64>, TableRejection> {
    update_at(table, entries, -1)
}

fn remove_at(table: &mut Table, keys: &[TableKey], offset: i64) -> Result<(), TableRejection> {
    table.check_removal(keys, offset).map(|change| table.apply(&change))
}

fn remove(table: &mut Table, keys: &[TableKey]) -> Result<(), TableRejection> {
    remove_at(table, keys, -1)
}

fn read(table: &Table, data: &'static str) -> (i64, Bytes) {
    let found = table.read(&[key(data, NO_VALUE)]).expect("a key of the right length").remove(0);
    (found.key.version, found.value)
}

fn illegal<T>(message: &'static str) -> Result<T, TableRejection> {
    Err(TableRejection::illegal(message))
}

/// Six 4-byte keys at offsets 0, 22, 44, … with one byte each.
fn six_fixed() -> Table {
    let mut table = fixed();
    let entries = ["aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff"].map(|name| any(name, "v"));
    assert_eq!(update(&mut table, &entries), Ok(vec![0, 22, 44, 66, 88, 110]));
    table
}
