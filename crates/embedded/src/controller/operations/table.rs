//! Key-value tables.

use pravega_protocol::stream::{Scope, ScopedStream, StreamName};
use serde::{Deserialize, Serialize};

use super::records::{name, names, read, write};
use super::status::{TableCreation, TableDeletion};
use super::{OperationError, scope, segment};
use crate::controller::catalog::{EpochSegment, Page, TableConfig, key, page};
use crate::node::{SegmentKind, State, Step};

/// What the catalog keeps of a table.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TableRecord {
    pub(super) config: TableConfig,
    pub(super) segments: Vec<EpochSegment>,
}

pub(crate) fn create(
    step: &mut Step<'_>,
    scope: &str,
    table: &str,
    config: TableConfig,
) -> Result<TableCreation, OperationError> {
    let first_number =
        name(scope, table).and_then(|name| read(step.state(), &key::first_table_number(&name))).unwrap_or(0);
    let parts = config.segments(first_number, step.at()).zip(config.key_length());
    let (segments, key_length) =
        parts.ok_or_else(|| OperationError::internal("a table has partitions and a primary key"))?;
    if StreamName::new(table).is_err() {
        return Ok(TableCreation::InvalidName);
    }
    let Some(name) = name(scope, table).filter(|name| scope::exists(step.state(), &name.scope)) else {
        return Ok(TableCreation::ScopeNotFound);
    };
    if step.state().record(&key::table(&name)).is_some() {
        return Ok(TableCreation::Exists);
    }
    for part in &segments {
        segment::create(step, segment::of_table(&name, part.id), SegmentKind::FixedKeyTable(key_length));
    }
    write(step, &key::table(&name), &TableRecord { config, segments });
    Ok(TableCreation::Created)
}

fn found(state: &State, scope: &str, table: &str) -> Option<(ScopedStream, TableRecord)> {
    let name = name(scope, table)?;
    let table = read(state, &key::table(&name))?;
    Some((name, table))
}

pub(crate) fn segments(state: &State, scope: &str, table: &str) -> Result<Vec<EpochSegment>, OperationError> {
    let found = found(state, scope, table);
    Ok(found.ok_or_else(|| OperationError::not_found(format_args!("table {scope}/{table}")))?.1.segments)
}

pub(crate) fn config(state: &State, scope: &str, table: &str) -> Option<TableConfig> {
    Some(found(state, scope, table)?.1.config)
}

/// A page of the scope's tables; `None` without the scope.
pub(crate) fn list(state: &State, scope: &str, token: &str, shown: impl Fn(&str) -> bool) -> Option<Page> {
    let scope = scope::known(state, scope)?;
    let prefix = key::tables(&scope);
    Some(page(names(state, &prefix).filter(|name| shown(name)), token))
}

pub(crate) fn delete(step: &mut Step<'_>, scope: &str, table: &str) -> TableDeletion {
    let Some((name, table)) = found(step.state(), scope, table) else { return TableDeletion::NotFound };
    for part in &table.segments {
        segment::delete(step, &segment::of_table(&name, part.id));
    }
    step.remove(&key::table(&name));
    let next_number = table.segments.iter().map(|part| part.id.number() + 1).max().unwrap_or(0);
    write(step, &key::first_table_number(&name), &next_number);
    TableDeletion::Deleted
}

pub(crate) fn delete_all(step: &mut Step<'_>, scope: &Scope) {
    let names: Vec<String> = names(step.state(), &key::tables(scope)).map(str::to_owned).collect();
    for name in names {
        delete(step, scope.as_str(), &name);
    }
}
