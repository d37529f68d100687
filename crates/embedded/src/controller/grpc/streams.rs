//! Calls about streams and their scales.

use pravega_protocol::controller::{
    CreateStreamStatus, DeleteStreamStatus, ExistsResponse, ScaleRequest, ScaleResponse, ScaleStatusRequest,
    ScaleStatusResponse, StreamConfig, StreamCut, StreamInfo, UpdateStreamStatus, scale_response,
};
use pravega_protocol::stream::SegmentId;
use tonic::Status;

use super::convert::{self, cut_of, ranges};
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::catalog::{EpochSegment, Range};
use crate::controller::operations::{scale as scales, segments, stream};

fn resource(info: &StreamInfo) -> String {
    access::plain_stream(&info.scope, &info.stream)
}

pub(super) async fn create(
    controller: &Controller,
    caller: &Caller,
    config: StreamConfig,
) -> Result<CreateStreamStatus, Status> {
    let (info, config) = convert::stream_config(config);
    caller.needs(&access::scope(&info.scope), Permission::ReadUpdate)?;
    let status = controller.step(|step| stream::create(step, &info.scope, &info.stream, config)).await??;
    Ok(status.into())
}

pub(super) async fn update(
    controller: &Controller,
    caller: &Caller,
    config: StreamConfig,
) -> Result<UpdateStreamStatus, Status> {
    let (info, config) = convert::stream_config(config);
    caller.needs(&access::stream(&info.scope, &info.stream), Permission::ReadUpdate)?;
    let status = controller.step(|step| stream::update(step, &info.scope, &info.stream, config)).await??;
    Ok(status.into())
}

pub(super) async fn truncate(
    controller: &Controller,
    caller: &Caller,
    cut: StreamCut,
) -> Result<UpdateStreamStatus, Status> {
    let (info, cut) = cut_of(cut);
    caller.needs(&resource(&info), Permission::ReadUpdate)?;
    let status = controller.step_to_free(|step| segments::truncate(step, &info.scope, &info.stream, &cut)).await?;
    Ok(status.into())
}

pub(super) async fn seal(
    controller: &Controller,
    caller: &Caller,
    info: StreamInfo,
) -> Result<UpdateStreamStatus, Status> {
    caller.needs(&resource(&info), Permission::ReadUpdate)?;
    let status = controller.step_to_free(|step| stream::seal(step, &info.scope, &info.stream)).await??;
    Ok(status.into())
}

pub(super) async fn delete(
    controller: &Controller,
    caller: &Caller,
    info: StreamInfo,
) -> Result<DeleteStreamStatus, Status> {
    caller.needs(&resource(&info), Permission::ReadUpdate)?;
    let status = controller.step_to_free(|step| stream::delete(step, &info.scope, &info.stream)).await??;
    Ok(status.into())
}

pub(super) async fn exists(
    controller: &Controller,
    caller: &Caller,
    info: StreamInfo,
) -> Result<ExistsResponse, Status> {
    caller.needs(&resource(&info), Permission::Read)?;
    let exists = controller.look(|state| stream::found(state, &info.scope, &info.stream).is_ok()).await?;
    Ok(ExistsResponse { exists })
}

pub(super) async fn configuration(
    controller: &Controller,
    caller: &Caller,
    info: StreamInfo,
) -> Result<StreamConfig, Status> {
    caller.needs(&resource(&info), Permission::Read)?;
    let found = controller.look(|state| stream::found(state, &info.scope, &info.stream)).await??;
    Ok(convert::proto_stream_config(info, found.record.config))
}

/// The segments that were made for the scale, in the order they were asked for.
fn made(scaled: &scales::Scaled) -> Vec<EpochSegment> {
    let is_new = |segment: &&EpochSegment| segment.id.epoch() == scaled.next.number;
    scaled.next.segments.iter().filter(is_new).copied().collect()
}

pub(super) async fn scale(
    controller: &Controller,
    caller: &Caller,
    request: ScaleRequest,
) -> Result<ScaleResponse, Status> {
    let info = request.stream_info.unwrap_or_default();
    caller.needs(&resource(&info), Permission::ReadUpdate)?;
    let sealed: Vec<SegmentId> = request.sealed_segments.iter().map(|id| SegmentId::from_i64(*id)).collect();
    let wanted: Vec<Range> = request.new_key_ranges.iter().map(|range| Range::new(range.start, range.end)).collect();
    let scaled = controller.step(|step| scales::start(step, &info.scope, &info.stream, &sealed, &wanted)).await?;
    Ok(match scaled {
        Err(error) => {
            ScaleResponse { status: scale_response::ScaleStreamStatus::from(error).into(), ..ScaleResponse::default() }
        }
        Ok(scaled) => ScaleResponse {
            status: scale_response::ScaleStreamStatus::Started.into(),
            segments: ranges(&info.scope, &info.stream, &made(&scaled)),
            epoch: scaled.before.cast_signed(),
        },
    })
}

pub(super) async fn check_scale(
    controller: &Controller,
    caller: &Caller,
    request: ScaleStatusRequest,
) -> Result<ScaleStatusResponse, Status> {
    let info = request.stream_info.unwrap_or_default();
    caller.needs(&resource(&info), Permission::Read)?;
    let status = controller.look(|state| scales::check(state, &info.scope, &info.stream, request.epoch)).await??;
    Ok(status.into())
}
