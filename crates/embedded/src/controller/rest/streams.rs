//! Requests about streams.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use pravega_protocol::stream::StreamName;

use super::body::{Body, ErrorStatus};
use super::model::{ScalingEvent, Stream, StreamBody, StreamState, Streams};
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::catalog::StreamConfig;
use crate::controller::operations::status::{StreamCreation, StreamDeletion, StreamUpdate};
use crate::controller::operations::stream;

const SEALED: &str = "SEALED";

fn refused<T>(status: StatusCode) -> Result<T, ErrorStatus> {
    Err(ErrorStatus(status))
}

/// Whether a list with these parameters shows the stream.
fn is_shown(query: &HashMap<String, String>, name: &str, config: &StreamConfig) -> bool {
    let internal = name.starts_with('_');
    match (query.get("filter_type").map(String::as_str), query.get("filter_value")) {
        (Some("showInternalStreams"), _) => internal,
        (Some("tag"), Some(tag)) => config.tags.contains(tag),
        _ => !internal,
    }
}

pub(super) async fn list(
    State(controller): State<Controller>,
    caller: Caller,
    Path(scope): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Streams>, ErrorStatus> {
    caller.needs(&access::scope(&scope), Permission::Read)?;
    let all = controller.look(|state| stream::all(state, &scope)).await?.ok_or(ErrorStatus(StatusCode::NOT_FOUND))?;
    let may = |name: &str| caller.may(&access::plain_stream(&scope, name), Permission::Read);
    let shown = all.iter().filter(|(name, config)| is_shown(&query, name, config) && may(name));
    Ok(Json(Streams { streams: shown.map(|(name, config)| Stream::of_record(&scope, name, config)).collect() }))
}

pub(super) async fn create(
    State(controller): State<Controller>,
    caller: Result<Caller, ErrorStatus>,
    Path(scope): Path<String>,
    Body(body): Body<StreamBody>,
) -> Result<(StatusCode, Json<Stream>), ErrorStatus> {
    let name = body.stream_name.as_deref().filter(|name| StreamName::new(name).is_ok());
    let name = name.ok_or(ErrorStatus(StatusCode::BAD_REQUEST))?;
    caller?.needs(&access::scope(&scope), Permission::ReadUpdate)?;
    let config = body.to_record().ok_or(ErrorStatus(StatusCode::INTERNAL_SERVER_ERROR))?;
    let made = Stream::of_record(&scope, name, &config);
    match controller.step(|step| stream::create(step, &scope, name, Some(config))).await?? {
        StreamCreation::Created => Ok((StatusCode::CREATED, Json(made))),
        StreamCreation::Exists => refused(StatusCode::CONFLICT),
        StreamCreation::ScopeNotFound => refused(StatusCode::NOT_FOUND),
        StreamCreation::InvalidName => refused(StatusCode::BAD_REQUEST),
        StreamCreation::InvalidConfig => refused(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

pub(super) async fn get(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
) -> Result<Json<Stream>, ErrorStatus> {
    caller.needs(&access::plain_stream(&scope, &name), Permission::Read)?;
    let found = controller.look(|state| stream::found(state, &scope, &name)).await??;
    Ok(Json(Stream::of_record(&scope, &name, &found.record.config)))
}

pub(super) async fn update(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
    Body(body): Body<StreamBody>,
) -> Result<Json<Stream>, ErrorStatus> {
    caller.needs(&access::plain_stream(&scope, &name), Permission::ReadUpdate)?;
    let config = body.to_record().ok_or(ErrorStatus(StatusCode::INTERNAL_SERVER_ERROR))?;
    let changed = Stream::of_record(&scope, &name, &config);
    match controller.step(|step| stream::update(step, &scope, &name, Some(config))).await?? {
        StreamUpdate::Updated => Ok(Json(changed)),
        StreamUpdate::NotFound => refused(StatusCode::NOT_FOUND),
        StreamUpdate::Sealed | StreamUpdate::Invalid => refused(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
) -> Result<StatusCode, ErrorStatus> {
    caller.needs(&access::plain_stream(&scope, &name), Permission::ReadUpdate)?;
    match controller.step_to_free(|step| stream::delete(step, &scope, &name)).await?? {
        StreamDeletion::Deleted => Ok(StatusCode::NO_CONTENT),
        StreamDeletion::NotFound => refused(StatusCode::NOT_FOUND),
        StreamDeletion::NotSealed => refused(StatusCode::PRECONDITION_FAILED),
    }
}

/// A stream can be sealed, and nothing else.
pub(super) async fn set_state(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
    Body(state): Body<StreamState>,
) -> Result<Json<StreamState>, ErrorStatus> {
    caller.needs(&access::plain_stream(&scope, &name), Permission::ReadUpdate)?;
    if state.stream_state.as_deref() != Some(SEALED) {
        return refused(StatusCode::BAD_REQUEST);
    }
    match controller.step_to_free(|step| stream::seal(step, &scope, &name)).await?? {
        StreamUpdate::Updated => Ok(Json(state)),
        StreamUpdate::NotFound => refused(StatusCode::NOT_FOUND),
        StreamUpdate::Sealed | StreamUpdate::Invalid => refused(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The epochs that began within the time asked for, and the one before them.
pub(super) async fn scaling_events(
    State(controller): State<Controller>,
    caller: Caller,
    Path((scope, name)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Vec<ScalingEvent>>, ErrorStatus> {
    let time = |key| {
        let text = query.get(key).ok_or(ErrorStatus(StatusCode::BAD_REQUEST))?;
        text.parse::<i64>().map_err(|_| ErrorStatus(StatusCode::NOT_FOUND))
    };
    let (from, to) = (time("from")?, time("to")?);
    caller.needs(&access::plain_stream(&scope, &name), Permission::Read)?;
    if from < 0 || to < from {
        return refused(StatusCode::BAD_REQUEST);
    }
    let epochs = controller.look(|state| stream::epochs(state, &scope, &name)).await??;
    let before = epochs.iter().rposition(|epoch| epoch.created < from);
    let events = epochs
        .iter()
        .enumerate()
        .filter(|(index, epoch)| Some(*index) == before || (epoch.created >= from && epoch.created <= to));
    let event = |(index, epoch): (usize, _)| {
        let before = index.checked_sub(1).and_then(|before| epochs.get(before));
        ScalingEvent::of_epoch(before, epoch)
    };
    Ok(Json(events.map(event).collect()))
}
