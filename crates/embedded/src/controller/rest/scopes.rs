use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pravega_protocol::stream::Scope as ScopeName;

use super::body::{Body, ErrorStatus};
use super::model::{Scope, Scopes};
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::operations::scope;
use crate::controller::operations::status::{ScopeCreation, ScopeDeletion};

pub(super) async fn list(State(controller): State<Controller>, caller: Caller) -> Result<Json<Scopes>, ErrorStatus> {
    caller.needs(access::ROOT, Permission::Read)?;
    let names = controller.look(scope::all).await?;
    let shown = names.into_iter().filter(|name| caller.may(&access::scope(name), Permission::Read));
    Ok(Json(Scopes { scopes: shown.map(|name| Scope { scope_name: Some(name) }).collect() }))
}

/// An invalid name is reported before invalid credentials.
pub(super) async fn create(
    State(controller): State<Controller>,
    caller: Result<Caller, ErrorStatus>,
    Body(body): Body<Scope>,
) -> Result<(StatusCode, Json<Scope>), ErrorStatus> {
    let name =
        body.scope_name.filter(|name| ScopeName::new(name).is_ok()).ok_or(ErrorStatus(StatusCode::BAD_REQUEST))?;
    caller?.needs(access::ROOT, Permission::ReadUpdate)?;
    match controller.step(|step| scope::create(step, &name)).await?? {
        ScopeCreation::Created => Ok((StatusCode::CREATED, Json(Scope { scope_name: Some(name) }))),
        ScopeCreation::Exists => Err(ErrorStatus(StatusCode::CONFLICT)),
        ScopeCreation::InvalidName => Err(ErrorStatus(StatusCode::BAD_REQUEST)),
    }
}

pub(super) async fn get(
    State(controller): State<Controller>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Scope>, ErrorStatus> {
    caller.needs(&access::scope(&name), Permission::Read)?;
    let known = controller.look(|state| scope::known(state, &name)).await?;
    let known = known.ok_or(ErrorStatus(StatusCode::NOT_FOUND))?;
    Ok(Json(Scope { scope_name: Some(known.to_string()) }))
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ErrorStatus> {
    caller.needs(access::ROOT, Permission::ReadUpdate)?;
    match controller.step_to_free(|step| scope::delete(step, &name)).await?? {
        ScopeDeletion::Deleted => Ok(StatusCode::NO_CONTENT),
        ScopeDeletion::NotFound => Err(ErrorStatus(StatusCode::NOT_FOUND)),
        ScopeDeletion::NotEmpty => Err(ErrorStatus(StatusCode::PRECONDITION_FAILED)),
    }
}
