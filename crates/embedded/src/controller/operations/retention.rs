//! Cutting streams as their retention policies want.

use pravega_protocol::stream::ScopedStream;

use super::records::{KnownStream, known, names, read, write};
use super::stream::head_span;
use super::{group, segment, segments};
use crate::controller::catalog::cut::{Order, compare};
use crate::controller::catalog::retention::{Bounds, lower_bound};
use crate::controller::catalog::{Cut, Retention, RetentionCut, RetentionKind, Span, key};
use crate::node::{State, Step};

/// How many places are remembered for what a policy keeps, and how many at most where readers hold more back.
const PLACES: i64 = 100;
const MAX_PLACES: usize = 1000;

/// Milliseconds; as often as Pravega remembers a place.
const LONGEST_PAUSE: i64 = 30 * 60 * 1000;

/// The streams that keep data for a time or up to a size.
pub(crate) fn retained_streams(state: &State) -> Vec<ScopedStream> {
    let streams = names(state, key::STREAMS).filter_map(|path| path.split_once('/'));
    let known = streams.filter_map(|(scope, stream)| known(state, scope, stream));
    let limited = known.filter(|stream| stream.record.config.retention.is_some() && !stream.record.sealed);
    limited.map(|stream| stream.name).collect()
}

/// Cuts the stream at the place that its policy and its readers allow, and remembers where it ends now.
pub(crate) fn retain(step: &mut Step<'_>, stream: &ScopedStream) {
    let Some(stream) = known(step.state(), stream.scope.as_str(), stream.stream.as_str()) else { return };
    let Some(policy) = stream.record.config.retention.clone() else { return };
    let places: Vec<RetentionCut> = read(step.state(), &key::retention(&stream.name)).unwrap_or_default();
    let now = end_of(step, &stream);
    if let Some(cut) = wanted(step.state(), &stream, &policy, &places, &now) {
        let name = &stream.name;
        let outcome = segments::truncate(step, name.scope.as_str(), name.stream.as_str(), &cut);
        tracing::debug!(stream = %name, ?outcome, "retention truncates a stream");
    }
    let mut next = places.clone();
    if places.last().is_none_or(|last| is_worth_remembering(last, &now, &policy)) {
        next.push(now);
    }
    let next = still_of_use(step.state(), &stream.name, next);
    if next != places {
        write(step, &key::retention(&stream.name), &next);
    }
}

fn end_of(step: &Step<'_>, stream: &KnownStream) -> RetentionCut {
    let active = stream.active(step.state());
    let end = |id| (id, segment::length(step.state(), &segment::of_stream(&stream.name, id)));
    let cut: Cut = active.ids().map(end).collect();
    let history = stream.history(step.state());
    let all = head_span(&history, &stream.record.head).segments_until(&Span::of_epoch(&active), &history);
    let since_head = segments::size_between(step.state(), &stream.name, &all, &stream.record.head, &cut);
    RetentionCut { at: step.at(), size: stream.record.truncated + since_head, cut }
}

fn wanted(
    state: &State,
    stream: &KnownStream,
    policy: &Retention,
    places: &[RetentionCut],
    now: &RetentionCut,
) -> Option<Cut> {
    let kept = |place: &RetentionCut| match policy.kind {
        RetentionKind::Time => now.at - place.at,
        RetentionKind::Size => now.size - place.size,
    };
    let history = stream.history(state);
    let readers = lower_bound(&history, &group::released(state, &stream.name));
    let places = places.iter().chain([now]);
    let bounds = Bounds { policy, kept: places.map(|place| (&place.cut, kept(place))).collect() };
    let cut = bounds.place(&history, readers.as_ref()).ok().flatten();
    cut.filter(|cut| *cut != stream.record.head)
}

/// A hundred places for what is kept are exact enough.
fn is_worth_remembering(last: &RetentionCut, now: &RetentionCut, policy: &Retention) -> bool {
    match policy.kind {
        RetentionKind::Time => now.at - last.at >= (policy.at_least / PLACES).clamp(0, LONGEST_PAUSE),
        RetentionKind::Size => now.size - last.size >= (policy.at_least / PLACES).max(1),
    }
}

/// The places that lie before the stream's beginning are of no more use, and of very many every other will do.
fn still_of_use(state: &State, name: &ScopedStream, mut places: Vec<RetentionCut>) -> Vec<RetentionCut> {
    let Some(stream) = known(state, name.scope.as_str(), name.stream.as_str()) else { return places };
    let history = stream.history(state);
    let head = &stream.record.head;
    places.retain(|place| head.is_empty() || compare(&history, &place.cut, head) != Ok(Order::Before));
    if places.len() > MAX_PLACES {
        let mut index = 0;
        places.retain(|_| {
            index += 1;
            index % 2 == 0
        });
    }
    places
}
