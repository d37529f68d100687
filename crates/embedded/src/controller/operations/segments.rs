//! Which segments a stream has, had, and what lies between.

use pravega_protocol::stream::SegmentId;

use super::records::known;
use super::status::StreamUpdate;
use super::stream::{found, head_span};
use super::{OperationError, segment};
use crate::controller::catalog::{Cut, CutError, EpochSegment, History, Span, cut, successors};
use crate::node::{State, Step};

/// None at all once the stream is sealed.
pub(crate) fn current(state: &State, scope: &str, stream: &str) -> Result<Vec<EpochSegment>, OperationError> {
    if scope.is_empty() || stream.is_empty() {
        return Err(OperationError::unknown("the stream has no name"));
    }
    let stream = found(state, scope, stream)?;
    if stream.record.sealed { Ok(Vec::new()) } else { Ok(stream.active(state).segments) }
}

pub(crate) fn of_epoch(
    state: &State,
    scope: &str,
    stream: &str,
    epoch: i32,
) -> Result<Vec<EpochSegment>, OperationError> {
    let epoch = u32::try_from(epoch).map_err(|_| OperationError::internal("the epoch is negative"))?;
    let stream = found(state, scope, stream)?;
    let epoch = stream.history(state).epoch(epoch);
    Ok(epoch.ok_or_else(|| OperationError::not_found("the epoch"))?.segments)
}

/// Where the stream begins.
pub(crate) fn head(state: &State, scope: &str, stream: &str) -> Result<Cut, OperationError> {
    let stream = found(state, scope, stream)?;
    if stream.record.head.is_empty() {
        let first = stream.history(state).epoch(0).expect("every stream has its first epoch");
        return Ok(first.ids().map(|id| (id, 0)).collect());
    }
    Ok(stream.record.head)
}

pub(crate) fn following(
    state: &State,
    scope: &str,
    stream: &str,
    id: SegmentId,
) -> Result<Vec<(EpochSegment, Vec<SegmentId>)>, OperationError> {
    let stream = found(state, scope, stream)?;
    Ok(successors(&stream.history(state), id))
}

/// Whether the segment is in the active epoch.
pub(crate) fn is_active(state: &State, scope: &str, stream: &str, id: SegmentId) -> Result<bool, OperationError> {
    let stream = found(state, scope, stream)?;
    Ok(!stream.record.sealed && stream.active(state).contains(id))
}

/// Every segment on or between two cuts; an empty one is the beginning, or the end.
pub(crate) fn between(
    state: &State,
    scope: &str,
    stream: &str,
    from: &Cut,
    to: &Cut,
) -> Result<Vec<EpochSegment>, OperationError> {
    if from.is_empty() && to.is_empty() {
        return Err(OperationError::internal("both stream cuts are empty"));
    }
    let stream = found(state, scope, stream)?;
    let history = stream.history(state);
    let first = if from.is_empty() { head_span(&history, from) } else { Span::of_cut(&history, from)? };
    let last = if to.is_empty() { Span::of_epoch(&stream.active(state)) } else { Span::of_cut(&history, to)? };
    if !from.is_empty() && !to.is_empty() && !cut::is_not_behind(to, &last, from, &first) {
        return Err(OperationError::unknown("the second stream cut is behind the first"));
    }
    Ok(first.segments_until(&last, &history))
}

pub(crate) fn is_cut_valid(state: &State, scope: &str, stream: &str, given: &Cut) -> Result<bool, OperationError> {
    if given.is_empty() {
        return Err(CutError::Empty.into());
    }
    let stream = found(state, scope, stream)?;
    Ok(cut::is_valid(&stream.history(state), given)?)
}

/// Moves the stream's beginning forward, and deletes the segments wholly before it.
pub(crate) fn truncate(step: &mut Step<'_>, scope: &str, stream: &str, to: &Cut) -> StreamUpdate {
    let Some(mut stream) = known(step.state(), scope, stream) else { return StreamUpdate::NotFound };
    if stream.record.sealed {
        return StreamUpdate::Sealed;
    }
    let within = |(id, offset): (&SegmentId, &i64)| {
        let name = segment::of_stream(&stream.name, *id);
        *offset < 0
            || step.state().segment(&name).is_some_and(|segment| *offset <= segment.data().length().cast_signed())
    };
    let history = stream.history(step.state());
    let sound = cut::is_valid(&history, to) == Ok(true) && to.iter().all(within);
    let span = Span::of_cut(&history, to);
    let (true, Ok(span)) = (sound, span) else { return StreamUpdate::Invalid };
    let before = head_span(&history, &stream.record.head);
    if !stream.record.head.is_empty() && !cut::is_not_behind(to, &span, &stream.record.head, &before) {
        return StreamUpdate::Invalid;
    }
    let touched = before.segments_until(&span, &history);
    stream.record.truncated += size_between(step.state(), &stream.name, &touched, &stream.record.head, to);
    cut_off(step, &stream.name, &touched, to);
    stream.record.head = to.clone();
    stream.save(step);
    StreamUpdate::Updated
}

fn cut_off(step: &mut Step<'_>, stream: &pravega_protocol::stream::ScopedStream, touched: &[EpochSegment], to: &Cut) {
    for id in touched.iter().map(|segment| segment.id).filter(|id| !to.contains_key(id)) {
        segment::delete(step, &segment::of_stream(stream, id));
    }
    for (id, offset) in to {
        let name = segment::of_stream(stream, *id);
        let start = step.state().segment(&name).map(|segment| segment.data().start());
        // A client may have truncated the segment further at its store.
        if let Some(offset) = u64::try_from(*offset).ok().filter(|offset| start.is_some_and(|start| *offset > start)) {
            step.truncate_segment(&name, offset).expect("the offset lies within the segment");
        }
    }
}

/// Bytes from one cut to the next, over these segments.
pub(crate) fn size_between(
    state: &State,
    stream: &pravega_protocol::stream::ScopedStream,
    segments: &[EpochSegment],
    from: &Cut,
    to: &Cut,
) -> i64 {
    let offset = |cut: &Cut, id| cut.get(&id).map(|offset| (*offset).max(0));
    let size = |segment: &EpochSegment| {
        let end = offset(to, segment.id);
        let end = end.unwrap_or_else(|| segment::length(state, &segment::of_stream(stream, segment.id)));
        end - offset(from, segment.id).unwrap_or(0)
    };
    segments.iter().map(size).sum()
}
