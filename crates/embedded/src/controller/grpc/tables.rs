use pravega_protocol::controller::{
    CreateKeyValueTableStatus, DeleteKvTableStatus, KeyValueTableConfig, KeyValueTableConfigResponse,
    KeyValueTableInfo, SegmentRanges, key_value_table_config_response,
};
use tonic::Status;

use super::convert::ranges;
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::catalog::TableConfig;
use crate::controller::operations::table;

pub(super) async fn create(
    controller: &Controller,
    caller: &Caller,
    request: KeyValueTableConfig,
) -> Result<CreateKeyValueTableStatus, Status> {
    caller.needs(&access::scope(&request.scope), Permission::ReadUpdate)?;
    let config = TableConfig {
        partitions: request.partition_count,
        primary_key_length: request.primary_key_length,
        secondary_key_length: request.secondary_key_length,
        rollover_size_bytes: request.rollover_size_bytes,
    };
    let status = controller.step(|step| table::create(step, &request.scope, &request.kvt_name, config)).await??;
    Ok(status.into())
}

pub(super) async fn segments(
    controller: &Controller,
    caller: &Caller,
    info: KeyValueTableInfo,
) -> Result<SegmentRanges, Status> {
    let resource = access::table(&info.scope, &info.kvt_name);
    caller.needs(&resource, Permission::ReadUpdate)?;
    let segments = controller.look(|state| table::segments(state, &info.scope, &info.kvt_name)).await??;
    Ok(SegmentRanges {
        segment_ranges: ranges(&info.scope, &info.kvt_name, &segments),
        delegation_token: caller.token(&resource, Permission::ReadUpdate),
    })
}

pub(super) async fn configuration(
    controller: &Controller,
    caller: &Caller,
    info: KeyValueTableInfo,
) -> Result<KeyValueTableConfigResponse, Status> {
    use key_value_table_config_response::Status as Answer;
    caller.needs(&access::table(&info.scope, &info.kvt_name), Permission::Read)?;
    let config = controller.look(|state| table::config(state, &info.scope, &info.kvt_name)).await?;
    let status = if config.is_some() { Answer::Success } else { Answer::TableNotFound };
    let config = config.map(|config| KeyValueTableConfig {
        scope: info.scope,
        kvt_name: info.kvt_name,
        partition_count: config.partitions,
        primary_key_length: config.primary_key_length,
        secondary_key_length: config.secondary_key_length,
        rollover_size_bytes: config.rollover_size_bytes,
    });
    Ok(KeyValueTableConfigResponse { config, status: status.into() })
}

pub(super) async fn delete(
    controller: &Controller,
    caller: &Caller,
    info: KeyValueTableInfo,
) -> Result<DeleteKvTableStatus, Status> {
    caller.needs(&access::table(&info.scope, &info.kvt_name), Permission::ReadUpdate)?;
    let status = controller.step_to_free(|step| table::delete(step, &info.scope, &info.kvt_name)).await?;
    Ok(status.into())
}
