//! Scopes.

use pravega_protocol::stream::Scope;

use super::records::{names, read, write};
use super::status::{ScopeCreation, ScopeDeletion};
use super::{OperationError, group, stream, table};
use crate::controller::catalog::{Page, key, page};
use crate::node::{State, Step};

/// Pravega's own scope, which every list of scopes shows.
const SYSTEM: &str = "_system";

/// Makes what is there from the start.
pub(crate) fn prepare(step: &mut Step<'_>) {
    let key = format!("{}{SYSTEM}", key::SCOPES);
    if step.state().record(&key).is_none() {
        write(step, &key, &());
    }
}

fn not_empty(name: &str) -> Result<(), OperationError> {
    if name.is_empty() { Err(OperationError::internal("the scope has no name")) } else { Ok(()) }
}

pub(crate) fn create(step: &mut Step<'_>, name: &str) -> Result<ScopeCreation, OperationError> {
    not_empty(name)?;
    let Ok(scope) = Scope::new(name) else { return Ok(ScopeCreation::InvalidName) };
    if exists(step.state(), &scope) {
        return Ok(ScopeCreation::Exists);
    }
    write(step, &key::scope(&scope), &());
    Ok(ScopeCreation::Created)
}

pub(crate) fn delete(step: &mut Step<'_>, name: &str) -> Result<ScopeDeletion, OperationError> {
    not_empty(name)?;
    let Some(scope) = known(step.state(), name) else { return Ok(ScopeDeletion::NotFound) };
    let contents = [key::streams(&scope), key::groups(&scope), key::tables(&scope)];
    if scope.is_internal() || contents.iter().any(|prefix| names(step.state(), prefix).next().is_some()) {
        return Ok(ScopeDeletion::NotEmpty);
    }
    step.remove(&key::scope(&scope));
    Ok(ScopeDeletion::Deleted)
}

/// Deletes the scope with all that is in it; succeeds also without such a scope.
pub(crate) fn delete_recursively(step: &mut Step<'_>, name: &str) -> Result<ScopeDeletion, OperationError> {
    not_empty(name)?;
    let Some(scope) = known(step.state(), name) else { return Ok(ScopeDeletion::Deleted) };
    if scope.is_internal() {
        return Ok(ScopeDeletion::NotEmpty);
    }
    group::delete_all(step, &scope);
    stream::delete_all(step, &scope);
    table::delete_all(step, &scope);
    step.remove(&key::scope(&scope));
    Ok(ScopeDeletion::Deleted)
}

pub(crate) fn exists(state: &State, scope: &Scope) -> bool {
    read::<()>(state, &key::scope(scope)).is_some()
}

/// Whether there is a scope of this name.
pub(crate) fn check(state: &State, name: &str) -> Result<bool, OperationError> {
    not_empty(name)?;
    Ok(known(state, name).is_some())
}

/// The scope of this name, if there is one.
pub(crate) fn known(state: &State, name: &str) -> Option<Scope> {
    Scope::new(name).ok().filter(|scope| exists(state, scope))
}

pub(crate) fn list(state: &State, token: &str, shown: impl Fn(&str) -> bool) -> Page {
    page(names(state, key::SCOPES).filter(|name| shown(name)), token)
}

/// The names of all scopes, sorted.
pub(crate) fn all(state: &State) -> Vec<String> {
    names(state, key::SCOPES).map(str::to_owned).collect()
}
