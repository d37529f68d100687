use pravega_protocol::controller::{CreateScopeStatus, DeleteScopeStatus, ExistsResponse, ScopeInfo};
use tonic::Status;

use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::operations::scope;

pub(super) async fn create(
    controller: &Controller,
    caller: &Caller,
    info: ScopeInfo,
) -> Result<CreateScopeStatus, Status> {
    caller.needs(access::ROOT, Permission::ReadUpdate)?;
    let status = controller.step(|step| scope::create(step, &info.scope)).await??;
    Ok(status.into())
}

pub(super) async fn delete(
    controller: &Controller,
    caller: &Caller,
    info: ScopeInfo,
) -> Result<DeleteScopeStatus, Status> {
    caller.needs(access::ROOT, Permission::ReadUpdate)?;
    let status = controller.step_to_free(|step| scope::delete(step, &info.scope)).await??;
    Ok(status.into())
}

pub(super) async fn delete_recursively(
    controller: &Controller,
    caller: &Caller,
    info: ScopeInfo,
) -> Result<DeleteScopeStatus, Status> {
    caller.needs(access::ROOT, Permission::ReadUpdate)?;
    let status = controller.step_to_free(|step| scope::delete_recursively(step, &info.scope)).await??;
    Ok(status.into())
}

pub(super) async fn exists(
    controller: &Controller,
    caller: &Caller,
    info: ScopeInfo,
) -> Result<ExistsResponse, Status> {
    caller.needs(&access::scope(&info.scope), Permission::Read)?;
    let exists = controller.look(|state| scope::check(state, &info.scope)).await??;
    Ok(ExistsResponse { exists })
}
