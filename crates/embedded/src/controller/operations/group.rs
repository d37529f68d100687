//! Reader groups.

use pravega_protocol::stream::{Scope, ScopedStream, StreamName};
use uuid::{Uuid, uuid};

use super::records::{known, names, read, remove_all, write};
use super::status::{CutRelease, GroupCreationError, GroupDeletion, GroupUpdateError};
use super::{OperationError, scope, segment, segments, stream};
use crate::controller::catalog::{Cut, GroupConfig, ReaderGroup, Span, StreamConfig, Subscriber, cut, key};
use crate::node::{Part, State, Step};

/// How large the pieces of a group's state are, where the group says nothing.
const STATE_ROLLOVER_BYTES: i64 = 4 * 1024 * 1024;

/// Most bytes of a log that are read at once. Clients write a mark whenever half a megabyte has come after the last.
const MAX_LOG_BYTES: usize = 16 * 1024 * 1024;

/// The attribute in which clients keep from where on the log must be read. Source: SegmentAttribute.java,
/// `RevisionStreamClientMark`.
const MARK: Uuid = uuid!("7df9a874-246c-c9d6-9397-cdd19ead68c5");

/// What is to become a group; without an id one is drawn.
pub(crate) struct NewGroup {
    pub(crate) id: Option<Uuid>,
    pub(crate) generation: i64,
    pub(crate) config: GroupConfig,
}

/// Makes a group with the stream for its state; one that exists stays as it is.
pub(crate) fn create(
    step: &mut Step<'_>,
    scope: &str,
    name: &str,
    new: NewGroup,
) -> Result<ReaderGroup, GroupCreationError> {
    if StreamName::new(name).is_err() {
        return Err(GroupCreationError::InvalidName);
    }
    let scope = scope::known(step.state(), scope).ok_or(GroupCreationError::ScopeNotFound)?;
    if let Some(group) = read(step.state(), &key::group(&scope, name)) {
        return Ok(group);
    }
    let state_stream = state_stream(&scope, name).ok_or(GroupCreationError::InvalidName)?;
    let generation = if new.id.is_some() { new.generation } else { 0 };
    let group = ReaderGroup { id: new.id.unwrap_or_else(Uuid::new_v4), generation, config: new.config };
    if !stream::exists(step.state(), &state_stream) {
        let wanted = group.config.rollover_size_bytes;
        let rollover_size_bytes = if wanted == 0 { STATE_ROLLOVER_BYTES } else { wanted };
        let config = StreamConfig { rollover_size_bytes, ..StreamConfig::one_segment() };
        stream::create_with_marks(step, &state_stream, 1, config);
    }
    subscribe(step, &scope, name, &group);
    write(step, &key::group(&scope, name), &group);
    Ok(group)
}

/// The stream of a group's state, which Java's clients keep there.
fn state_stream(scope: &Scope, name: &str) -> Option<ScopedStream> {
    let stream = StreamName::new(&format!("_RG{name}")).ok()?;
    Some(ScopedStream::new(scope.clone(), stream))
}

/// Has the group hold back data of its streams, if its retention says so.
fn subscribe(step: &mut Step<'_>, scope: &Scope, name: &str, group: &ReaderGroup) {
    for stream in group.subscribed() {
        let Ok(stream) = stream.parse::<ScopedStream>() else { continue };
        let key = key::subscriber(&stream, &format!("{scope}/{name}"));
        let before: Option<Subscriber> = read(step.state(), &key);
        let cut = before.map(|before| before.cut).unwrap_or_default();
        if stream::exists(step.state(), &stream) {
            write(step, &key, &Subscriber { generation: group.generation, cut });
        }
    }
}

fn unsubscribe<'a>(step: &mut Step<'_>, scope: &Scope, name: &str, streams: impl Iterator<Item = &'a str>) {
    for stream in streams.filter_map(|stream| stream.parse().ok()) {
        step.remove(&key::subscriber(&stream, &format!("{scope}/{name}")));
    }
}

pub(crate) fn get(state: &State, scope: &str, name: &str) -> Result<Option<ReaderGroup>, OperationError> {
    let scope = scope::known(state, scope).ok_or_else(|| OperationError::not_found(format_args!("scope {scope}")))?;
    Ok(read(state, &key::group(&scope, name)))
}

/// The names of the scope's groups, sorted; `None` without the scope.
pub(crate) fn list(state: &State, scope: &str) -> Option<Vec<String>> {
    let scope = scope::known(state, scope)?;
    Some(names(state, &key::groups(&scope)).map(str::to_owned).collect())
}

/// Replaces the configuration; returns the new generation.
pub(crate) fn update(step: &mut Step<'_>, scope: &str, name: &str, new: NewGroup) -> Result<i64, GroupUpdateError> {
    let scope = scope::known(step.state(), scope).ok_or(GroupUpdateError::NotFound)?;
    let key = key::group(&scope, name);
    let group: ReaderGroup = read(step.state(), &key).ok_or(GroupUpdateError::NotFound)?;
    if group.generation != new.generation || new.id != Some(group.id) {
        return Err(GroupUpdateError::InvalidConfig);
    }
    let next = ReaderGroup { id: group.id, generation: group.generation + 1, config: new.config };
    let kept: Vec<&str> = next.subscribed().collect();
    unsubscribe(step, &scope, name, group.subscribed().filter(|stream| !kept.contains(stream)));
    subscribe(step, &scope, name, &next);
    write(step, &key, &next);
    Ok(next.generation)
}

pub(crate) fn delete(step: &mut Step<'_>, scope: &str, name: &str, id: Uuid) -> GroupDeletion {
    let Some(scope) = scope::known(step.state(), scope) else { return GroupDeletion::NotFound };
    let group: Option<ReaderGroup> = read(step.state(), &key::group(&scope, name));
    let Some(group) = group.filter(|group| group.id == id) else { return GroupDeletion::NotFound };
    remove(step, &scope, name, &group);
    GroupDeletion::Deleted
}

fn remove(step: &mut Step<'_>, scope: &Scope, name: &str, group: &ReaderGroup) {
    unsubscribe(step, scope, name, group.subscribed());
    if let Some(state_stream) = state_stream(scope, name) {
        let stream = state_stream.stream.as_str();
        let sealed = stream::seal(step, scope.as_str(), stream);
        let deleted = sealed.and_then(|_| stream::delete(step, scope.as_str(), stream));
        deleted.expect("the names are not empty");
    }
    step.remove(&key::group(scope, name));
}

pub(crate) fn delete_all(step: &mut Step<'_>, scope: &Scope) {
    for name in list(step.state(), scope.as_str()).unwrap_or_default() {
        if let Some(group) = read(step.state(), &key::group(scope, &name)) {
            remove(step, scope, &name, &group);
        }
    }
    remove_all(step, &key::groups(scope));
}

/// The groups that hold data of the stream, as `scope/group`; `None` without the stream.
pub(crate) fn subscribers(state: &State, scope: &str, stream: &str) -> Option<Vec<String>> {
    let stream = known(state, scope, stream)?;
    Some(names(state, &key::subscribers(&stream.name)).map(str::to_owned).collect())
}

/// The cuts that groups said they have no need of anything before.
pub(crate) fn released(state: &State, stream: &ScopedStream) -> Vec<Cut> {
    let prefix = key::subscribers(stream);
    let subscribers = names(state, &prefix).filter_map(|name| read::<Subscriber>(state, &format!("{prefix}{name}")));
    subscribers.map(|subscriber| subscriber.cut).filter(|cut| !cut.is_empty()).collect()
}

/// A group says up to where it has no more need of a stream.
pub(crate) struct Release<'a> {
    /// `scope/group`.
    pub(crate) subscriber: &'a str,
    pub(crate) id: Uuid,
    pub(crate) generation: i64,
    pub(crate) cut: Cut,
}

pub(crate) fn release(
    step: &mut Step<'_>,
    scope: &str,
    stream: &str,
    release: Release<'_>,
) -> Result<CutRelease, OperationError> {
    let Some(stream) = known(step.state(), scope, stream) else { return Ok(CutRelease::StreamNotFound) };
    let key = key::subscriber(&stream.name, release.subscriber);
    let group = release.subscriber.split_once('/').and_then(|(scope, name)| get(step.state(), scope, name).ok()?);
    let Some((subscriber, group)) = read::<Subscriber>(step.state(), &key).zip(group) else {
        return Ok(CutRelease::SubscriberNotFound);
    };
    if group.id != release.id {
        return Ok(CutRelease::SubscriberNotFound);
    }
    if subscriber.generation != release.generation {
        return Ok(CutRelease::GenerationMismatch);
    }
    if release.cut.is_empty() {
        return Err(OperationError::unknown("the stream cut is empty"));
    }
    match segments::is_cut_valid(step.state(), scope, stream.name.stream.as_str(), &release.cut) {
        Ok(true) if is_forward(step.state(), &stream, &release.cut, &subscriber.cut) => {}
        Ok(_) => return Ok(CutRelease::InvalidCut),
        Err(_) => return Ok(CutRelease::Failed),
    }
    write(step, &key, &Subscriber { generation: subscriber.generation, cut: release.cut });
    Ok(CutRelease::Released)
}

fn is_forward(state: &State, stream: &super::records::KnownStream, to: &Cut, from: &Cut) -> bool {
    let history = stream.history(state);
    match (Span::of_cut(&history, to), Span::of_cut(&history, from)) {
        (Ok(span), Ok(before)) => cut::is_not_behind(to, &span, from, &before),
        (Ok(_), Err(_)) => true,
        _ => false,
    }
}

/// Where the log of the group's state lies, from the last mark of its clients on.
///
/// # Errors
/// When it is missing, or longer than [`MAX_LOG_BYTES`].
pub(crate) fn state_log(state: &State, scope: &str, name: &str) -> Result<Vec<Part>, OperationError> {
    let stream = scope::known(state, scope).and_then(|scope| state_stream(&scope, name));
    let stream = stream.and_then(|stream| known(state, scope, stream.stream.as_str()));
    let stream = stream.ok_or_else(|| OperationError::not_found("the stream of the group's state"))?;
    let first = stream.active(state).ids().next().expect("an epoch has segments");
    let segment = state.segment(&segment::of_stream(&stream.name, first));
    let segment = segment.ok_or_else(|| OperationError::not_found("the segment of the group's state"))?;
    let data = segment.data();
    let mark = u64::try_from(segment.attribute(MARK)).unwrap_or(0);
    let from = mark.clamp(data.start(), data.length());
    match usize::try_from(data.length() - from) {
        Ok(bytes) if bytes <= MAX_LOG_BYTES => Ok(data.read(from, bytes)),
        _ => Err(OperationError::internal("the log of the group's state is too long to be read")),
    }
}
