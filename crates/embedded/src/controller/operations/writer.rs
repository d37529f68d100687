//! What writers say of the time.

use pravega_protocol::stream::{ScopedStream, SegmentId};

use super::records::{KnownStream, known, names, read, write};
use super::status::{TimeNote, WriterRemoval};
use super::stream::found;
use super::{OperationError, segment};
use crate::controller::catalog::{Cut, MarkRefused, Watermark, WriterMark, key, mark_stream};
use crate::node::{State, Step};

pub(crate) fn note(
    step: &mut Step<'_>,
    scope: &str,
    stream: &str,
    writer: &str,
    time: i64,
    position: Cut,
) -> Result<TimeNote, OperationError> {
    let stream = found(step.state(), scope, stream)?;
    Ok(match note_known(step, &stream.name, writer, time, position) {
        Ok(()) => TimeNote::Noted,
        Err(MarkRefused::Time) => TimeNote::InvalidTime,
        Err(MarkRefused::Position) => TimeNote::InvalidPosition,
    })
}

pub(super) fn note_known(
    step: &mut Step<'_>,
    stream: &ScopedStream,
    writer: &str,
    time: i64,
    position: Cut,
) -> Result<(), MarkRefused> {
    let key = key::mark(stream, writer);
    let mark = WriterMark::noted(read(step.state(), &key).as_ref(), time, position)?;
    write(step, &key, &mark);
    Ok(())
}

/// Removes a writer; its mark counts until the next watermark.
pub(crate) fn remove(step: &mut Step<'_>, scope: &str, stream: &str, writer: &str) -> WriterRemoval {
    let key = known(step.state(), scope, stream).map(|stream| key::mark(&stream.name, writer));
    let mark = key.and_then(|key| Some((read::<WriterMark>(step.state(), &key)?, key)));
    let Some((mark, key)) = mark else { return WriterRemoval::NotFound };
    write(step, &key, &WriterMark { alive: false, ..mark });
    WriterRemoval::Removed
}

/// The streams that writers have said something about.
pub(crate) fn marked_streams(state: &State) -> Vec<ScopedStream> {
    let stream = |path: &str| path.rsplit_once('/').and_then(|(stream, _)| stream.parse().ok());
    let mut streams: Vec<ScopedStream> = names(state, key::MARKS).filter_map(stream).collect();
    streams.dedup();
    streams
}

/// Writes the next watermark of a stream, if time went on for all its writers. `is_silent` says whether a writer
/// that did not go on has been silent for as long as the stream's time-out, given in milliseconds; such a one is
/// forgotten.
pub(crate) fn watermark(step: &mut Step<'_>, stream: &ScopedStream, is_silent: impl Fn(&str, i64) -> bool) {
    let Some(stream) = known(step.state(), stream.scope.as_str(), stream.stream.as_str()) else { return };
    let last: Option<Watermark> = read(step.state(), &key::watermark(&stream.name));
    let timeout = stream.record.config.timestamp_aggregation_timeout;
    let (mut marks, mut gone, mut waits) = (Vec::new(), Vec::new(), false);
    for (key, mark) in marks_of(step.state(), &stream.name) {
        if last.as_ref().is_none_or(|last| mark.time > last.lower) {
            marks.push(mark);
        } else if !mark.alive || is_silent(&key, timeout) {
            gone.push(key);
        } else {
            waits = true;
        }
    }
    for key in gone {
        step.remove(&key);
    }
    let next = if waits { None } else { Watermark::next(&stream.history(step.state()), last.as_ref(), &marks) };
    if let Some(next) = next {
        append(step, &stream, &next);
    }
}

/// The keys of a stream's marks that say nothing newer than its last watermark.
pub(crate) fn behind(state: &State, stream: &ScopedStream) -> Vec<String> {
    let Some(last) = read::<Watermark>(state, &key::watermark(stream)) else { return Vec::new() };
    let marks = marks_of(state, stream).into_iter();
    marks.filter(|(_, mark)| mark.time <= last.lower).map(|(key, _)| key).collect()
}

fn marks_of(state: &State, stream: &ScopedStream) -> Vec<(String, WriterMark)> {
    let prefix = key::marks(stream);
    let keys = names(state, &prefix).map(|writer| format!("{prefix}{writer}"));
    keys.filter_map(|key| Some((read(state, &key)?, key))).map(|(mark, key)| (key, mark)).collect()
}

fn append(step: &mut Step<'_>, stream: &KnownStream, watermark: &Watermark) {
    let marks =
        mark_stream(&stream.name).and_then(|name| known(step.state(), name.scope.as_str(), name.stream.as_str()));
    let Some(marks) = marks else { return };
    let active: Vec<SegmentId> = marks.active(step.state()).ids().collect();
    let written = active.iter().any(|id| {
        let name = segment::of_stream(&marks.name, *id);
        step.append(&name, watermark.to_event(), &[], None).is_ok()
    });
    if written {
        write(step, &key::watermark(&stream.name), watermark);
    }
}
