//! Calls about the segments of a stream, and delegation tokens.

use pravega_protocol::controller::stream_info::AccessOperation;
use pravega_protocol::controller::{
    DelegationToken, GetEpochSegmentsRequest, GetSegmentsRequest, NodeUri, SegmentId as ProtoId, SegmentRanges,
    SegmentValidityResponse, SegmentsAtTime, StreamCut, StreamCutRange, StreamCutRangeResponse,
    StreamCutValidityResponse, StreamInfo, SuccessorResponse, segments_at_time, successor_response,
};
use pravega_protocol::stream::SegmentId;
use tonic::Status;

use super::convert::{cut, cut_of, range, ranges, segment_id};
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::operations::segments;

/// What a caller needs who may want a token with the answer, and that token.
fn token_if_wanted(caller: &Caller, info: &StreamInfo, resource: &str) -> Result<String, Status> {
    if info.access_operation() == AccessOperation::None {
        caller.needs(resource, Permission::Read)?;
        return Ok(String::new());
    }
    writers_token(caller, resource)
}

fn writers_token(caller: &Caller, resource: &str) -> Result<String, Status> {
    caller.needs(resource, Permission::ReadUpdate)?;
    Ok(caller.token(resource, Permission::ReadUpdate))
}

fn plain(info: &StreamInfo) -> String {
    access::plain_stream(&info.scope, &info.stream)
}

pub(super) async fn current(
    controller: &Controller,
    caller: &Caller,
    info: StreamInfo,
) -> Result<SegmentRanges, Status> {
    let delegation_token = token_if_wanted(caller, &info, &access::stream(&info.scope, &info.stream))?;
    let segments = controller.look(|state| segments::current(state, &info.scope, &info.stream)).await??;
    Ok(SegmentRanges { segment_ranges: ranges(&info.scope, &info.stream, &segments), delegation_token })
}

pub(super) async fn of_epoch(
    controller: &Controller,
    caller: &Caller,
    request: GetEpochSegmentsRequest,
) -> Result<SegmentRanges, Status> {
    let info = request.stream_info.unwrap_or_default();
    let delegation_token = writers_token(caller, &plain(&info))?;
    let segments = controller.look(|state| segments::of_epoch(state, &info.scope, &info.stream, request.epoch));
    Ok(SegmentRanges { segment_ranges: ranges(&info.scope, &info.stream, &segments.await??), delegation_token })
}

pub(super) async fn head(
    controller: &Controller,
    caller: &Caller,
    request: GetSegmentsRequest,
) -> Result<SegmentsAtTime, Status> {
    let info = request.stream_info.unwrap_or_default();
    let delegation_token = token_if_wanted(caller, &info, &plain(&info))?;
    let head = controller.look(|state| segments::head(state, &info.scope, &info.stream)).await??;
    let location = |(id, offset)| segments_at_time::SegmentLocation {
        segment_id: Some(segment_id(&info.scope, &info.stream, id)),
        offset,
    };
    Ok(SegmentsAtTime { segments: head.into_iter().map(location).collect(), delegation_token })
}

pub(super) async fn following(
    controller: &Controller,
    caller: &Caller,
    segment: ProtoId,
) -> Result<SuccessorResponse, Status> {
    let info = segment.stream_info.unwrap_or_default();
    caller.needs(&plain(&info), Permission::Read)?;
    let id = SegmentId::from_i64(segment.segment_id);
    let successors = controller.look(|state| segments::following(state, &info.scope, &info.stream, id)).await??;
    let entry = |(segment, predecessors): (_, Vec<SegmentId>)| successor_response::SegmentEntry {
        segment: Some(range(&info.scope, &info.stream, &segment)),
        value: predecessors.into_iter().map(SegmentId::as_i64).collect(),
    };
    Ok(SuccessorResponse { segments: successors.into_iter().map(entry).collect(), delegation_token: String::new() })
}

pub(super) async fn between(
    controller: &Controller,
    caller: &Caller,
    request: StreamCutRange,
) -> Result<StreamCutRangeResponse, Status> {
    let info = request.stream_info.unwrap_or_default();
    caller.needs(&plain(&info), Permission::Read)?;
    let (from, to) = (cut(request.from), cut(request.to));
    let between = controller.look(|state| segments::between(state, &info.scope, &info.stream, &from, &to)).await??;
    Ok(StreamCutRangeResponse {
        segments: between.iter().map(|segment| segment_id(&info.scope, &info.stream, segment.id)).collect(),
        delegation_token: caller.token(&plain(&info), Permission::Read),
    })
}

/// Every segment is here, whether there is such a one or not.
pub(super) async fn uri(controller: &Controller, caller: &Caller, segment: ProtoId) -> Result<NodeUri, Status> {
    let info = segment.stream_info.unwrap_or_default();
    caller.needs(&plain(&info), Permission::Read)?;
    Ok(NodeUri { endpoint: controller.store.host.clone(), port: controller.store.port.into() })
}

pub(super) async fn is_valid(
    controller: &Controller,
    caller: &Caller,
    segment: ProtoId,
) -> Result<SegmentValidityResponse, Status> {
    let info = segment.stream_info.unwrap_or_default();
    caller.needs(&plain(&info), Permission::Read)?;
    let id = SegmentId::from_i64(segment.segment_id);
    let response = controller.look(|state| segments::is_active(state, &info.scope, &info.stream, id)).await??;
    Ok(SegmentValidityResponse { response })
}

pub(super) async fn is_cut_valid(
    controller: &Controller,
    caller: &Caller,
    cut: StreamCut,
) -> Result<StreamCutValidityResponse, Status> {
    let (info, cut) = cut_of(cut);
    caller.needs(&plain(&info), Permission::Read)?;
    let response = controller.look(|state| segments::is_cut_valid(state, &info.scope, &info.stream, &cut)).await??;
    Ok(StreamCutValidityResponse { response })
}

/// A token for the segment store; empty, whatever the name, while no credentials are required.
pub(super) async fn token(
    _controller: &Controller,
    caller: &Caller,
    info: StreamInfo,
) -> Result<DelegationToken, Status> {
    if !caller.is_guarded() {
        return Ok(DelegationToken::default());
    }
    let granted = match info.access_operation() {
        AccessOperation::Read | AccessOperation::None => Permission::Read,
        AccessOperation::Unspecified | AccessOperation::Write | AccessOperation::ReadWrite => Permission::ReadUpdate,
        AccessOperation::Any => return Err(Status::internal("ANY is not a permission")),
    };
    // Readers write marks, so those are theirs to write who may read.
    let is_mark = info.stream.starts_with("_MARK") && info.access_operation() != AccessOperation::Unspecified;
    let needed = if is_mark { Permission::Read } else { granted };
    caller.needs(&access::stream(&info.scope, &info.stream), needed)?;
    Ok(DelegationToken { delegation_token: caller.token(&plain(&info), granted) })
}
