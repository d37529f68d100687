use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pravega_protocol::stream::Scope as ScopeName;

use super::body::{Body, Refused};
use super::model::{Scope, Scopes};
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::operations::scope;
use crate::controller::operations::status::{ScopeCreation, ScopeDeletion};

pub(super) async fn list(State(controller): State<Controller>, caller: Caller) -> Result<Json<Scopes>, Refused> {
    caller.needs(access::ROOT, Permission::Read)?;
    let names = controller.look(scope::all).await?;
    let shown = names.into_iter().filter(|name| caller.may(&access::scope(name), Permission::Read));
    Ok(Json(Scopes { scopes: shown.map(|name| Scope { scope_name: Some(name) }).collect() }))
}

/// A bad name is told before bad credentials.
pub(super) async fn create(
    State(controller): State<Controller>,
    caller: Result<Caller, Refused>,
    Body(body): Body<Scope>,
) -> Result<(StatusCode, Json<Scope>), Refused> {
    let name = body.scope_name.filter(|name| ScopeName::new(name).is_ok()).ok_or(Refused(StatusCode::BAD_REQUEST))?;
    caller?.needs(access::ROOT, Permission::ReadUpdate)?;
    match controller.step(|step| scope::create(step, &name)).await?? {
        ScopeCreation::Created => Ok((StatusCode::CREATED, Json(Scope { scope_name: Some(name) }))),
        ScopeCreation::Exists => Err(Refused(StatusCode::CONFLICT)),
        ScopeCreation::InvalidName => Err(Refused(StatusCode::BAD_REQUEST)),
    }
}

pub(super) async fn get(
    State(controller): State<Controller>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Scope>, Refused> {
    caller.needs(&access::scope(&name), Permission::Read)?;
    let known = controller.look(|state| scope::known(state, &name)).await?;
    let known = known.ok_or(Refused(StatusCode::NOT_FOUND))?;
    Ok(Json(Scope { scope_name: Some(known.to_string()) }))
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Refused> {
    caller.needs(access::ROOT, Permission::ReadUpdate)?;
    match controller.free(|step| scope::delete(step, &name)).await?? {
        ScopeDeletion::Deleted => Ok(StatusCode::NO_CONTENT),
        ScopeDeletion::NotFound => Err(Refused(StatusCode::NOT_FOUND)),
        ScopeDeletion::NotEmpty => Err(Refused(StatusCode::PRECONDITION_FAILED)),
    }
}
