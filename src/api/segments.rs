//! `GET /v1/segments/{scope}/{stream}`.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::header::CACHE_CONTROL;
use pravega_protocol::stream::{KeyRange, ScopedStream, SegmentId, SegmentName};
use serde::Serialize;
use serde_json::json;

use crate::api::edge::deadline::Deadline;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::params::{Params, invalid};
use crate::api::request::target::stream_of;
use crate::app::App;
use crate::controller::{self, Access};
use crate::read::{self, SegmentReader};

/// Questions to controller and stores that one listing has under way.
const QUESTIONS_AT_ONCE: usize = 16;

/// A segment as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    segment: SegmentId,
    /// The same as a number of 64 bits.
    id: i64,
    /// `None` where the controller does not tell the caller.
    key_range: Option<KeyRange>,
    /// Bytes.
    head_offset: i64,
    /// Bytes.
    tail_offset: i64,
    sealed: bool,
    successors: Vec<SegmentId>,
}

/// Lists the segments of a stream that can be read, oldest epoch first, or those that take appends.
pub(crate) async fn list(
    app: App,
    names: Result<Path<(String, String)>, PathRejection>,
    deadline: Deadline,
    request: Request,
) -> Result<Response, ApiError> {
    let mut params = Params::parse(request.uri().query())?;
    let only_active = take_state(&mut params)?;
    params.finish(&["state"])?;
    let Path((scope, stream)) = names.map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()))?;
    let stream = stream_of(&app, &scope, &stream)?;
    let segments = deadline.timeout(segments(&app, &stream, only_active)).await??;
    Ok(([(CACHE_CONTROL, "no-store")], Json(json!({ "segments": segments }))).into_response())
}

fn take_state(params: &mut Params) -> Result<bool, ApiError> {
    match params.take("state").as_deref() {
        None => Ok(false),
        Some("active") => Ok(true),
        Some(other) => Err(invalid("state", other, "expected active")),
    }
}

async fn segments(app: &App, stream: &ScopedStream, only_active: bool) -> Result<Vec<Listed>, ApiError> {
    let grant = app.grant(stream, Access::Read).await?;
    let reader = &app.reader(&grant);
    let ranges = if only_active {
        let current = app.controller().current_segments_now(stream).await?;
        current.iter().map(|(id, range)| (id, Some(range))).collect()
    } else {
        readable(app, stream).await?
    };
    let states = ranges.into_iter().map(|(id, range)| state(app, reader, SegmentName::new(stream.clone(), id), range));
    let listed: Vec<_> = stream::iter(states).buffered(QUESTIONS_AT_ONCE).try_collect().await?;
    Ok(listed.into_iter().flatten().collect())
}

/// Every segment from the head of the stream on, with its part of the key space, which the epoch of its making knows.
async fn readable(app: &App, stream: &ScopedStream) -> Result<Vec<(SegmentId, Option<KeyRange>)>, ApiError> {
    let ids = app.controller().readable_segments(stream).await?;
    let epochs: BTreeSet<_> = ids.iter().map(|id| id.epoch()).collect();
    let asked = epochs.into_iter().map(|epoch| app.controller().epoch_segments(stream, epoch));
    let epochs: Result<Vec<_>, controller::Error> = stream::iter(asked).buffered(QUESTIONS_AT_ONCE).try_collect().await;
    let epochs = match epochs {
        Err(error) if error.is_refusal() => return Ok(readable_for_a_reader(app, stream, &ids).await),
        epochs => epochs?,
    };
    let ranges: HashMap<_, _> = epochs.iter().flat_map(|segments| segments.iter()).collect();
    // A segment that its own epoch lacks belongs to a stream that was recreated meanwhile.
    Ok(ids.iter().filter_map(|id| Some((*id, Some(*ranges.get(id)?)))).collect())
}

/// The same for who may not write, and so may not ask for epochs.
async fn readable_for_a_reader(
    app: &App,
    stream: &ScopedStream,
    ids: &[SegmentId],
) -> Vec<(SegmentId, Option<KeyRange>)> {
    let ranges = app.rest().key_ranges(app.controller().credentials(), stream).await.unwrap_or_default();
    ids.iter().map(|id| (*id, ranges.get(id).copied())).collect()
}

/// `None` where the segment is gone by now.
async fn state(
    app: &App,
    reader: &SegmentReader,
    segment: SegmentName,
    key_range: Option<KeyRange>,
) -> Result<Option<Listed>, ApiError> {
    let state = match reader.state(&segment).await {
        Ok(state) => state,
        Err(read::Error::SegmentNotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut successors: Vec<_> = if state.sealed {
        app.controller().successors(&segment).await?.into_iter().map(|successor| successor.id).collect()
    } else {
        Vec::new()
    };
    successors.sort_unstable();
    Ok(Some(Listed {
        segment: segment.id,
        id: segment.id.as_i64(),
        key_range,
        head_offset: state.head,
        tail_offset: state.tail,
        sealed: state.sealed,
        successors,
    }))
}
