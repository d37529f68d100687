use pravega_protocol::controller::{RemoveWriterRequest, RemoveWriterResponse, TimestampFromWriter, TimestampResponse};
use tonic::Status;

use super::convert::cut_of;
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::operations::writer;

pub(super) async fn note(
    controller: &Controller,
    caller: &Caller,
    request: TimestampFromWriter,
) -> Result<TimestampResponse, Status> {
    let (info, position) = cut_of(request.position.unwrap_or_default());
    caller.needs(&access::plain_stream(&info.scope, &info.stream), Permission::ReadUpdate)?;
    let (writer, time) = (request.writer, request.timestamp);
    let noted = controller.step(|step| writer::note(step, &info.scope, &info.stream, &writer, time, position));
    Ok(noted.await??.into())
}

pub(super) async fn remove(
    controller: &Controller,
    caller: &Caller,
    request: RemoveWriterRequest,
) -> Result<RemoveWriterResponse, Status> {
    let info = request.stream.unwrap_or_default();
    caller.needs(&access::plain_stream(&info.scope, &info.stream), Permission::ReadUpdate)?;
    let removed = controller.step(|step| writer::remove(step, &info.scope, &info.stream, &request.writer)).await?;
    Ok(removed.into())
}
