//! Key-value tables.

use pravega_protocol::controller::{create_key_value_table_status, delete_kv_table_status};
use pravega_protocol::stream::{Scope, ScopedStream, StreamName};
use serde::{Deserialize, Serialize};

use super::records::{name, names, read, write};
use super::{Refusal, scope, segment};
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
) -> Result<create_key_value_table_status::Status, Refusal> {
    use create_key_value_table_status::Status;
    let first_number = name(scope, table).and_then(|name| read(step, &key::first_table_number(&name))).unwrap_or(0);
    let parts = config.segments(first_number, step.at()).zip(config.key_length());
    let (segments, key_length) = parts.ok_or_else(|| Refusal::internal("a table has partitions and a primary key"))?;
    if StreamName::new(table).is_err() {
        return Ok(Status::InvalidTableName);
    }
    let Some(name) = name(scope, table).filter(|name| scope::exists(step, &name.scope)) else {
        return Ok(Status::ScopeNotFound);
    };
    if step.record(&key::table(&name)).is_some() {
        return Ok(Status::TableExists);
    }
    for part in &segments {
        segment::create(step, segment::of_table(&name, part.id), SegmentKind::FixedKeyTable(key_length));
    }
    write(step, &key::table(&name), &TableRecord { config, segments });
    Ok(Status::Success)
}

fn found(state: &State, scope: &str, table: &str) -> Option<(ScopedStream, TableRecord)> {
    let name = name(scope, table)?;
    let table = read(state, &key::table(&name))?;
    Some((name, table))
}

pub(crate) fn segments(state: &State, scope: &str, table: &str) -> Result<Vec<EpochSegment>, Refusal> {
    let found = found(state, scope, table);
    Ok(found.ok_or_else(|| Refusal::not_found(format_args!("table {scope}/{table}")))?.1.segments)
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

pub(crate) fn delete(step: &mut Step<'_>, scope: &str, table: &str) -> delete_kv_table_status::Status {
    use delete_kv_table_status::Status;
    let Some((name, table)) = found(step, scope, table) else { return Status::TableNotFound };
    for part in &table.segments {
        segment::delete(step, &segment::of_table(&name, part.id));
    }
    step.remove(&key::table(&name));
    let next_number = table.segments.iter().map(|part| part.id.number() + 1).max().unwrap_or(0);
    write(step, &key::first_table_number(&name), &next_number);
    Status::Success
}

pub(crate) fn delete_all(step: &mut Step<'_>, scope: &Scope) {
    let names: Vec<String> = names(step, &key::tables(scope)).map(str::to_owned).collect();
    for name in names {
        delete(step, scope.as_str(), &name);
    }
}
