//! Calls about transactions.

use pravega_protocol::controller::{
    CreateTxnRequest, CreateTxnResponse, ListCompletedTxnRequest, ListCompletedTxnResponse, PingTxnRequest,
    PingTxnStatus, StreamInfo, TxnRequest, TxnResponse, TxnState, TxnStatus, txn_response,
};
use tonic::Status;

use super::convert::{proto_transaction_id, ranges, transaction_id};
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::catalog::{Outcome, TransactionId};
use crate::controller::operations::transaction;

/// Said in place of a time by writers that say none.
const NO_TIME: i64 = i64::MIN;

fn resource(info: &StreamInfo) -> String {
    access::plain_stream(&info.scope, &info.stream)
}

pub(super) async fn begin(
    controller: &Controller,
    caller: &Caller,
    request: CreateTxnRequest,
) -> Result<CreateTxnResponse, Status> {
    let info = request.stream_info.unwrap_or_default();
    caller.needs(&resource(&info), Permission::ReadUpdate)?;
    let begun = controller.step(|step| transaction::begin(step, &info.scope, &info.stream, request.lease)).await??;
    Ok(CreateTxnResponse {
        txn_id: Some(proto_transaction_id(begun.id)),
        active_segments: ranges(&info.scope, &info.stream, &begun.segments),
        delegation_token: caller.token(&resource(&info), Permission::ReadUpdate),
    })
}

pub(super) async fn ping(
    controller: &Controller,
    caller: &Caller,
    request: PingTxnRequest,
) -> Result<PingTxnStatus, Status> {
    let (info, id) = (request.stream_info.unwrap_or_default(), transaction_id(request.txn_id));
    caller.needs(&resource(&info), Permission::ReadUpdate)?;
    let status = controller.step(|step| transaction::ping(step, &info.scope, &info.stream, id, request.lease)).await?;
    Ok(status.into())
}

pub(super) async fn commit(controller: &Controller, caller: &Caller, request: TxnRequest) -> Result<TxnStatus, Status> {
    let (info, id) = (request.stream_info.unwrap_or_default(), transaction_id(request.txn_id));
    caller.needs(&resource(&info), Permission::ReadUpdate)?;
    let time = Some(request.timestamp).filter(|time| *time != NO_TIME);
    let note = transaction::Note { writer: &request.writer_id, time };
    let status = controller.step(|step| transaction::commit(step, &info.scope, &info.stream, id, &note)).await?;
    Ok(status.into())
}

pub(super) async fn abort(controller: &Controller, caller: &Caller, request: TxnRequest) -> Result<TxnStatus, Status> {
    let (info, id) = (request.stream_info.unwrap_or_default(), transaction_id(request.txn_id));
    caller.needs(&resource(&info), Permission::ReadUpdate)?;
    let status = controller.step_to_free(|step| transaction::abort(step, &info.scope, &info.stream, id)).await?;
    Ok(status.into())
}

pub(super) async fn check(controller: &Controller, caller: &Caller, request: TxnRequest) -> Result<TxnState, Status> {
    let (info, id) = (request.stream_info.unwrap_or_default(), transaction_id(request.txn_id));
    caller.needs(&resource(&info), Permission::Read)?;
    let state = controller.look(|state| transaction::check(state, &info.scope, &info.stream, id)).await?;
    Ok(state.into())
}

pub(super) async fn completed(
    controller: &Controller,
    caller: &Caller,
    request: ListCompletedTxnRequest,
) -> Result<ListCompletedTxnResponse, Status> {
    let info = request.stream_info.unwrap_or_default();
    caller.needs(&resource(&info), Permission::Read)?;
    let all = controller.look(|state| transaction::completed(state, &info.scope, &info.stream)).await?;
    Ok(ListCompletedTxnResponse { response: all.into_iter().map(ended).collect() })
}

fn ended((id, outcome): (TransactionId, Outcome)) -> TxnResponse {
    let status = match outcome {
        Outcome::Committed => txn_response::Status::Committed,
        Outcome::Aborted => txn_response::Status::Aborted,
    };
    TxnResponse { txn_id: Some(proto_transaction_id(id)), status: status.into() }
}
