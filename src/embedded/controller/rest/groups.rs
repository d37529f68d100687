use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::body::Refused;
use super::model::{Group, GroupName, Groups};
use crate::controller::proto::delete_reader_group_status;
use crate::embedded::controller::Controller;
use crate::embedded::controller::access::{self, Caller, Permission};
use crate::embedded::controller::operations::group;

pub(super) async fn list(
    State(controller): State<Controller>,
    caller: Caller,
    Path(scope): Path<String>,
) -> Result<Json<Groups>, Refused> {
    caller.needs(&access::scope(&scope), Permission::Read)?;
    let names = controller.look(|state| group::list(state, &scope)).await?.ok_or(Refused(StatusCode::NOT_FOUND))?;
    let shown = names.into_iter().filter(|name| caller.may(&access::group(&scope, name), Permission::Read));
    Ok(Json(Groups { reader_groups: shown.map(|reader_group_name| GroupName { reader_group_name }).collect() }))
}

pub(super) async fn get(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
) -> Result<Json<Group>, Refused> {
    caller.needs(&access::group(&scope, &name), Permission::Read)?;
    let found = controller.look(|state| group::get(state, &scope, &name)).await??;
    let found = found.ok_or(Refused(StatusCode::NOT_FOUND))?;
    let online = controller.look(|state| group::online_readers(state, &scope, &name)).await?;
    Ok(Json(Group {
        scope_name: scope,
        reader_group_name: name,
        stream_list: found.config.starts.into_keys().collect(),
        online_reader_ids: online,
    }))
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
) -> Result<StatusCode, Refused> {
    use delete_reader_group_status::Status;
    caller.needs(&access::group(&scope, &name), Permission::ReadUpdate)?;
    let status = controller.step(|step| {
        let found = group::get(step, &scope, &name)?;
        Ok(found.map_or(Status::RgNotFound, |found| group::delete(step, &scope, &name, found.id)))
    });
    match status.await?.map_err(|refusal: crate::embedded::controller::operations::Refusal| Refused::from(refusal))? {
        Status::Success => Ok(StatusCode::NO_CONTENT),
        Status::RgNotFound => Err(Refused(StatusCode::NOT_FOUND)),
        Status::Failure => Err(Refused(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}
