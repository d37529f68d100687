use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tracing::{debug, warn};

use super::body::ErrorStatus;
use super::model::{Group, GroupName, Groups};
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::catalog::readers;
use crate::controller::operations::status::GroupDeletion;
use crate::controller::operations::{OperationError, group};

pub(super) async fn list(
    State(controller): State<Controller>,
    caller: Caller,
    Path(scope): Path<String>,
) -> Result<Json<Groups>, ErrorStatus> {
    caller.needs(&access::scope(&scope), Permission::Read)?;
    let names = controller.look(|state| group::list(state, &scope)).await?.ok_or(ErrorStatus(StatusCode::NOT_FOUND))?;
    let shown = names.into_iter().filter(|name| caller.may(&access::group(&scope, name), Permission::Read));
    Ok(Json(Groups { reader_groups: shown.map(|reader_group_name| GroupName { reader_group_name }).collect() }))
}

pub(super) async fn get(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
) -> Result<Json<Group>, ErrorStatus> {
    caller.needs(&access::group(&scope, &name), Permission::Read)?;
    let found = controller.look(|state| group::get(state, &scope, &name)).await??;
    let found = found.ok_or(ErrorStatus(StatusCode::NOT_FOUND))?;
    let online = online_readers(&controller, &scope, &name).await?;
    Ok(Json(Group {
        scope_name: scope,
        reader_group_name: name,
        stream_list: found.config.starts.into_keys().collect(),
        online_reader_ids: online.into_iter().collect(),
    }))
}

/// Reads what the group's clients wrote of themselves. A log that they broke is an error, as with a real controller.
async fn online_readers(controller: &Controller, scope: &str, name: &str) -> Result<BTreeSet<String>, ErrorStatus> {
    const BROKEN: ErrorStatus = ErrorStatus(StatusCode::INTERNAL_SERVER_ERROR);
    let parts = controller.look(|state| group::state_log(state, scope, name)).await??;
    let log = controller.node.fetch(parts).await.map_err(|error| {
        warn!(group.scope = scope, group.name = name, %error, "cannot read the state of a reader group");
        BROKEN
    })?;
    readers::online(log.concat().into()).map_err(|error| {
        debug!(group.scope = scope, group.name = name, %error, "cannot determine which readers are online");
        BROKEN
    })
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
) -> Result<StatusCode, ErrorStatus> {
    caller.needs(&access::group(&scope, &name), Permission::ReadUpdate)?;
    let deleted = controller.step(|step| {
        let found = group::get(step.state(), &scope, &name)?;
        let deleted = found.map(|found| group::delete(step, &scope, &name, found.id));
        Ok::<_, OperationError>(deleted.unwrap_or(GroupDeletion::NotFound))
    });
    match deleted.await?? {
        GroupDeletion::Deleted => Ok(StatusCode::NO_CONTENT),
        GroupDeletion::NotFound => Err(ErrorStatus(StatusCode::NOT_FOUND)),
    }
}
