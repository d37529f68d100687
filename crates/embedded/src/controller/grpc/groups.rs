//! Calls about reader groups.

use pravega_protocol::controller::{
    CreateReaderGroupResponse, DeleteReaderGroupStatus, ReaderGroupConfigResponse, ReaderGroupConfiguration,
    ReaderGroupInfo, StreamInfo, SubscriberStreamCut, SubscribersResponse, UpdateReaderGroupResponse,
    UpdateSubscriberStatus, create_reader_group_response, reader_group_config_response, subscribers_response,
    update_reader_group_response,
};
use tonic::Status;
use uuid::Uuid;

use super::convert::{cut_of, cuts, proto_cuts};
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::catalog::{GroupConfig, GroupRetention, ReaderGroup};
use crate::controller::operations::group::{self, NewGroup, Release};

fn uuid(text: &str) -> Result<Uuid, Status> {
    text.parse().map_err(|_| Status::internal(format!("{text:?} is not a UUID")))
}

fn new_group(config: ReaderGroupConfiguration) -> Result<NewGroup, Status> {
    let retention = GroupRetention::from_number(config.retention_type);
    let retention = retention.ok_or_else(|| Status::internal("no such retention type"))?;
    Ok(NewGroup {
        id: Some(uuid(&config.reader_group_id)?).filter(|id| !id.is_nil()),
        generation: config.generation,
        config: GroupConfig {
            refresh: config.group_refresh_time_millis,
            checkpoint_interval: config.automatic_checkpoint_interval_millis,
            max_outstanding_checkpoints: config.max_outstanding_checkpoint_request,
            retention,
            starts: cuts(config.starting_stream_cuts),
            ends: cuts(config.ending_stream_cuts),
            rollover_size_bytes: config.rollover_size_bytes,
        },
    })
}

fn proto_group(scope: String, name: String, group: &ReaderGroup) -> ReaderGroupConfiguration {
    ReaderGroupConfiguration {
        scope,
        reader_group_name: name,
        group_refresh_time_millis: group.config.refresh,
        automatic_checkpoint_interval_millis: group.config.checkpoint_interval,
        max_outstanding_checkpoint_request: group.config.max_outstanding_checkpoints,
        retention_type: group.config.retention.number(),
        generation: group.generation,
        reader_group_id: group.id.to_string(),
        starting_stream_cuts: proto_cuts(&group.config.starts),
        ending_stream_cuts: proto_cuts(&group.config.ends),
        rollover_size_bytes: group.config.rollover_size_bytes,
    }
}

pub(super) async fn create(
    controller: &Controller,
    caller: &Caller,
    config: ReaderGroupConfiguration,
) -> Result<CreateReaderGroupResponse, Status> {
    let (scope, name) = (config.scope.clone(), config.reader_group_name.clone());
    caller.needs(&access::scope(&scope), Permission::ReadUpdate)?;
    let new = new_group(config)?;
    Ok(match controller.step(|step| group::create(step, &scope, &name, new)).await? {
        Ok(group) => CreateReaderGroupResponse {
            status: create_reader_group_response::Status::Success.into(),
            config: Some(proto_group(scope, name, &group)),
        },
        Err(error) => {
            let status = create_reader_group_response::Status::from(error).into();
            CreateReaderGroupResponse { status, config: None }
        }
    })
}

pub(super) async fn update(
    controller: &Controller,
    caller: &Caller,
    config: ReaderGroupConfiguration,
) -> Result<UpdateReaderGroupResponse, Status> {
    let (scope, name) = (config.scope.clone(), config.reader_group_name.clone());
    caller.needs(&access::scope(&scope), Permission::ReadUpdate)?;
    let (asked, new) = (config.generation, new_group(config)?);
    Ok(match controller.step(|step| group::update(step, &scope, &name, new)).await? {
        Ok(generation) => {
            UpdateReaderGroupResponse { status: update_reader_group_response::Status::Success.into(), generation }
        }
        Err(error) => {
            let status = update_reader_group_response::Status::from(error).into();
            UpdateReaderGroupResponse { status, generation: asked }
        }
    })
}

pub(super) async fn configuration(
    controller: &Controller,
    caller: &Caller,
    info: ReaderGroupInfo,
) -> Result<ReaderGroupConfigResponse, Status> {
    use reader_group_config_response::Status as Answer;
    caller.needs(&access::scope(&info.scope), Permission::Read)?;
    let group = controller.look(|state| group::get(state, &info.scope, &info.reader_group)).await??;
    Ok(match group {
        Some(group) => ReaderGroupConfigResponse {
            config: Some(proto_group(info.scope, info.reader_group, &group)),
            status: Answer::Success.into(),
        },
        None => ReaderGroupConfigResponse { config: Some(Default::default()), status: Answer::RgNotFound.into() },
    })
}

pub(super) async fn delete(
    controller: &Controller,
    caller: &Caller,
    info: ReaderGroupInfo,
) -> Result<DeleteReaderGroupStatus, Status> {
    caller.needs(&access::scope(&info.scope), Permission::ReadUpdate)?;
    let id = info.reader_group_id.parse().map_err(|_| Status::unknown("the id is not a UUID"))?;
    let status = controller.step_to_free(|step| group::delete(step, &info.scope, &info.reader_group, id)).await?;
    Ok(status.into())
}

pub(super) async fn subscribers(
    controller: &Controller,
    caller: &Caller,
    info: StreamInfo,
) -> Result<SubscribersResponse, Status> {
    use subscribers_response::Status as Answer;
    caller.needs(&access::plain_stream(&info.scope, &info.stream), Permission::ReadUpdate)?;
    let subscribers = controller.look(|state| group::subscribers(state, &info.scope, &info.stream)).await?;
    let status = if subscribers.is_some() { Answer::Success } else { Answer::StreamNotFound };
    Ok(SubscribersResponse { subscribers: subscribers.unwrap_or_default(), status: status.into() })
}

pub(super) async fn release(
    controller: &Controller,
    caller: &Caller,
    request: SubscriberStreamCut,
) -> Result<UpdateSubscriberStatus, Status> {
    let (info, cut) = cut_of(request.stream_cut.unwrap_or_default());
    caller.needs(&access::plain_stream(&info.scope, &info.stream), Permission::ReadUpdate)?;
    let id = uuid(&request.reader_group_id)?;
    let release = Release { subscriber: &request.subscriber, id, generation: request.generation, cut };
    let status = controller.step(|step| group::release(step, &info.scope, &info.stream, release)).await??;
    Ok(status.into())
}
