//! Streams: making, changing, sealing, deleting and listing them.

use pravega_protocol::stream::{Scope, ScopedStream};

use super::records::{KnownStream, known, name, names, read, remove_all, write};
use super::status::{StreamCreation, StreamDeletion, StreamUpdate};
use super::{OperationError, scope, segment, transaction};
use crate::controller::catalog::{
    Cut, Epoch, History, Page, ScalingKind, Span, StreamConfig, StreamRecord, even_scale, key, mark_stream, page,
};
use crate::node::{State, Step};

/// What only the controller itself may put before a stream's name.
const INTERNAL_MARK: &str = "_MARK_";

pub(crate) fn create(
    step: &mut Step<'_>,
    scope: &str,
    stream: &str,
    config: Option<StreamConfig>,
) -> Result<StreamCreation, OperationError> {
    if let Some(config) = &config {
        check(config)?;
    }
    let valid = name(scope, stream).filter(|name| !name.stream.as_str().starts_with(INTERNAL_MARK));
    let Some(name) = valid else {
        let invalid = name("scope", stream).is_none();
        return Ok(if invalid { StreamCreation::InvalidName } else { StreamCreation::ScopeNotFound });
    };
    if exists(step.state(), &name) {
        return Ok(StreamCreation::Exists);
    }
    if !scope::exists(step.state(), &name.scope) {
        return Ok(StreamCreation::ScopeNotFound);
    }
    let usable = config.and_then(|config| Some((config.scaling.first_segments()?, config)));
    let Some((segments, config)) = usable else { return Ok(StreamCreation::InvalidConfig) };
    create_with_marks(step, &name, segments, config);
    Ok(StreamCreation::Created)
}

fn check(config: &StreamConfig) -> Result<(), OperationError> {
    if !config.tags_fit() {
        return Err(OperationError::internal("at most 127 tags of at most 255 characters are allowed"));
    }
    if config.rollover_size_bytes < 0 {
        return Err(OperationError::internal("the rollover size is negative"));
    }
    Ok(())
}

/// Makes the stream and the one for its watermarks.
pub(crate) fn create_with_marks(step: &mut Step<'_>, name: &ScopedStream, segments: u32, config: StreamConfig) {
    create_one(step, name, segments, config);
    if let Some(marks) = mark_stream(name).filter(|marks| !exists(step.state(), marks)) {
        create_one(step, &marks, 1, StreamConfig::one_segment());
    }
}

fn create_one(step: &mut Step<'_>, name: &ScopedStream, segments: u32, config: StreamConfig) {
    let first_number = read(step.state(), &key::first_number(name)).unwrap_or(0);
    let epoch = Epoch::first(segments, first_number, step.at());
    let record = StreamRecord { config, sealed: false, active: 0, head: Cut::new(), truncated: 0 };
    segment::create_new(step, name, &epoch);
    let mut stream = KnownStream { name: name.clone(), record };
    stream.advance(step, &epoch);
    stream.save(step);
}

pub(crate) fn exists(state: &State, stream: &ScopedStream) -> bool {
    state.record(&key::stream(stream)).is_some()
}

/// The stream with its record, or the error that says it is missing.
pub(crate) fn found(state: &State, scope: &str, stream: &str) -> Result<KnownStream, OperationError> {
    known(state, scope, stream).ok_or_else(|| OperationError::not_found(format_args!("stream {scope}/{stream}")))
}

/// Replaces the whole configuration. A fixed number of segments, or more than there are, is scaled to at once.
pub(crate) fn update(
    step: &mut Step<'_>,
    scope: &str,
    stream: &str,
    config: Option<StreamConfig>,
) -> Result<StreamUpdate, OperationError> {
    if let Some(config) = &config {
        check(config)?;
    }
    let Some(mut stream) = known(step.state(), scope, stream) else { return Ok(StreamUpdate::NotFound) };
    if stream.record.sealed {
        return Ok(StreamUpdate::Sealed);
    }
    let usable = config.and_then(|config| Some((config.scaling.first_segments()?, config)));
    let Some((segments, config)) = usable else { return Ok(StreamUpdate::Invalid) };
    let active = stream.active(step.state());
    let count = active.segments.len();
    let wanted = segments as usize;
    if count < wanted || (config.scaling.kind == ScalingKind::Fixed && count != wanted) {
        replace(step, &mut stream, &active, &even_scale(&active, segments, step.at()));
    }
    stream.record.config = config;
    stream.save(step);
    Ok(StreamUpdate::Updated)
}

/// Goes from one epoch to the next: creates its new segments, then seals those that it no longer has. The record
/// is to be saved.
pub(crate) fn replace(step: &mut Step<'_>, stream: &mut KnownStream, before: &Epoch, next: &Epoch) {
    segment::create_new(step, &stream.name, next);
    stream.advance(step, next);
    for id in before.ids().filter(|id| !next.contains(*id)) {
        segment::seal(step, &stream.name, id);
    }
}

pub(crate) fn seal(step: &mut Step<'_>, scope: &str, stream: &str) -> Result<StreamUpdate, OperationError> {
    if scope.is_empty() || stream.is_empty() {
        return Err(OperationError::internal("the stream has no name"));
    }
    let Some(mut stream) = known(step.state(), scope, stream) else { return Ok(StreamUpdate::NotFound) };
    seal_known(step, &mut stream);
    Ok(StreamUpdate::Updated)
}

fn seal_known(step: &mut Step<'_>, stream: &mut KnownStream) {
    if stream.record.sealed {
        return;
    }
    transaction::abort_all(step, stream);
    for id in stream.active(step.state()).ids() {
        segment::seal(step, &stream.name, id);
    }
    stream.record.sealed = true;
    stream.save(step);
}

pub(crate) fn delete(step: &mut Step<'_>, scope: &str, stream: &str) -> Result<StreamDeletion, OperationError> {
    if scope.is_empty() || stream.is_empty() {
        return Err(OperationError::internal("the stream has no name"));
    }
    let Some(stream) = known(step.state(), scope, stream) else { return Ok(StreamDeletion::NotFound) };
    if !stream.record.sealed {
        return Ok(StreamDeletion::NotSealed);
    }
    let marks = mark_stream(&stream.name).and_then(|marks| known(step.state(), scope, marks.stream.as_str()));
    delete_one(step, &stream);
    if let Some(marks) = marks {
        delete_one(step, &marks);
    }
    Ok(StreamDeletion::Deleted)
}

/// Deletes a stream with its segments and all that is known of it, but for the number that its next namesake
/// begins with.
fn delete_one(step: &mut Step<'_>, stream: &KnownStream) {
    let name = &stream.name;
    for id in living(step.state(), stream) {
        segment::delete(step, &segment::of_stream(name, id));
    }
    let next_number = stream.active(step.state()).next_number();
    let several = [key::epochs(name), key::transactions(name), key::marks(name)];
    for prefix in several.into_iter().chain([key::subscribers(name)]) {
        remove_all(step, &prefix);
    }
    for key in [key::stream(name), key::watermark(name), key::retention(name)] {
        step.remove(&key);
    }
    write(step, &key::first_number(name), &next_number);
}

/// The segments that no truncation deleted.
fn living(state: &State, stream: &KnownStream) -> Vec<pravega_protocol::stream::SegmentId> {
    let history = stream.history(state);
    let head = head_span(&history, &stream.record.head);
    let tail = Span::of_epoch(&stream.active(state));
    head.segments_until(&tail, &history).iter().map(|segment| segment.id).collect()
}

/// Where the stream begins.
pub(crate) fn head_span(history: &impl History, head: &Cut) -> Span {
    match Span::of_cut(history, head) {
        Ok(span) => span,
        Err(_) => Span::of_epoch(&history.epoch(0).expect("every stream has its first epoch")),
    }
}

/// Seals and deletes every stream of a scope.
pub(crate) fn delete_all(step: &mut Step<'_>, scope: &Scope) {
    let names: Vec<String> = names(step.state(), &key::streams(scope)).map(str::to_owned).collect();
    for name in names {
        if let Some(mut stream) = known(step.state(), scope.as_str(), &name) {
            seal_known(step, &mut stream);
            delete_one(step, &stream);
        }
    }
}

/// A page of the scope's streams, internal ones included; `None` without the scope.
pub(crate) fn list(state: &State, scope: &str, token: &str, shown: impl Fn(&str) -> bool) -> Option<Page> {
    let scope = scope::known(state, scope)?;
    let prefix = key::streams(&scope);
    Some(page(names(state, &prefix).filter(|name| shown(name)), token))
}

/// Whether the stream has this tag.
pub(crate) fn is_tagged(state: &State, scope: &str, stream: &str, tag: &str) -> bool {
    known(state, scope, stream).is_some_and(|stream| stream.record.config.tags.contains(tag))
}

/// All streams of a scope with their configurations, sorted; `None` without the scope.
pub(crate) fn all(state: &State, scope: &str) -> Option<Vec<(String, StreamConfig)>> {
    let known_scope = scope::known(state, scope)?;
    let prefix = key::streams(&known_scope);
    let streams = names(state, &prefix).filter_map(|name| Some((name.to_owned(), known(state, scope, name)?)));
    Some(streams.map(|(name, stream)| (name, stream.record.config)).collect())
}

/// The whole history of a stream.
pub(crate) fn epochs(state: &State, scope: &str, stream: &str) -> Result<Vec<Epoch>, OperationError> {
    let stream = found(state, scope, stream)?;
    let epochs = stream.history(state).epochs(0, stream.record.active);
    Ok(epochs.expect("a stream has all epochs up to the active one"))
}
