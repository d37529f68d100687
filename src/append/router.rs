//! The writers of one stream: finds the one for an event, and starts those that are missing.
//!
//! ```text
//! submit ─▶ routing() ── which segment? ─▶ find() ─▶ SegmentWriter
//!              │ first call                  │ part without a writer: fill_gaps()
//!              ▼                             │ named segment that the routing lacks: writer_ahead()
//!          Controller ◀──────────────────────┘
//! ```
//!
//! The routing changes only here and in [`handover`](super::handover), and only under one lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use pravega_protocol::stream::{ScopedStream, SegmentId, SegmentName, StreamSegments};
use tokio::sync::OwnedMutexGuard;

use super::callers::Callers;
use super::current_routing::CurrentRouting;
use super::error::Error;
use super::event::{PendingEvent, Submission, Target};
use super::recovery::Routing;
use super::retried_segments::RetriedSegments;
use super::reusable_ids::ReusableIds;
use super::routing::Route;
use super::segment_writer::{SegmentWriter, WriterSettings};
use super::stalls::Stalls;
use super::writer_task;
use crate::controller::Controller;
use crate::segment_store::SegmentStore;
use crate::telemetry::metrics::Metrics;

/// How long a controller may not be reached before it counts as away.
const AWAY_AFTER: Duration = Duration::from_secs(1);

/// What the writers of all streams share.
#[derive(Debug, Clone)]
pub(super) struct WriterContext {
    pub(super) store: SegmentStore,
    pub(super) settings: WriterSettings,
    pub(super) stalls: Stalls,
    pub(super) ids: ReusableIds,
    pub(super) metrics: Metrics,
}

/// The writers of one stream and how events get to them.
#[derive(Debug)]
pub(super) struct StreamWriters {
    pub(super) stream: ScopedStream,
    pub(super) context: WriterContext,
    pub(super) routing: CurrentRouting,
    pub(super) retried: RetriedSegments,
    /// Held while the routing is made or changed.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// Every open writer, so that a segment has one only, whether or not the routing knows it already.
    open: Mutex<Vec<SegmentWriter>>,
}

impl StreamWriters {
    pub(super) fn new(stream: ScopedStream, context: WriterContext) -> Self {
        let routing = CurrentRouting::default();
        let retried = RetriedSegments::default();
        Self { stream, context, routing, retried, changing: Arc::default(), open: Mutex::default() }
    }

    /// The current routing, asked of the controller by the first caller.
    pub(super) async fn routing(self: &Arc<Self>, callers: &Callers) -> Result<Arc<Routing>, Error> {
        if let Some(routing) = self.routing.get() {
            return Ok(routing);
        }
        // Asked before the turn is awaited, so that all callers share the answer, be it that there is none.
        let segments = self.current_segments(callers).await?;
        let _changing = self.changing.lock().await;
        if let Some(routing) = self.routing.get() {
            return Ok(routing);
        }
        Ok(self.routing.publish(Routing::new(self.routes_to(&segments))))
    }

    pub(super) async fn ask_routing(self: &Arc<Self>, callers: &Callers) -> Result<Routing, Error> {
        let segments = self.current_segments(callers).await?;
        Ok(Routing::new(self.routes_to(&segments)))
    }

    /// What the controller is asked about a segment that was found closed. It fails as soon as the controller is away,
    /// even if that answered a moment ago: callers wait behind the events of the segment.
    pub(super) async fn while_reachable<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            answered = asking => answered,
            error = self.controller().unreachable_for(AWAY_AFTER) => Err(error.into()),
        }
    }

    pub(super) async fn current_segments(&self, callers: &Callers) -> Result<Arc<StreamSegments>, Error> {
        let ask = |controller: Controller| async move { controller.segments_to_append(&self.stream).await };
        let segments = callers.ask(self.controller(), ask).await?;
        if segments.is_empty() { Err(Error::StreamSealed(self.stream.clone())) } else { Ok(segments) }
    }

    /// The writer for a target; `None` where that part of the key space has no writer yet.
    pub(super) async fn find(
        self: &Arc<Self>,
        callers: &Callers,
        routing: &Routing,
        target: Target,
    ) -> Result<Option<SegmentWriter>, Error> {
        match (routing.find(target), target) {
            (Some(writer), _) => Ok(Some(writer.clone())),
            (None, Target::Position(_)) if !self.retried.has_given_up() => Ok(None),
            (None, Target::Position(position)) => {
                let segments = self.while_reachable(self.current_segments(callers)).await?;
                match segments.segment_for(position).filter(|segment| self.retried.is_given_up(*segment)) {
                    Some(sealed) => Err(Error::SegmentSealed(self.name_of(sealed))),
                    None => Ok(None),
                }
            }
            (None, Target::Segment(segment)) => self.writer_ahead(callers, segment).await.map(Some),
        }
    }

    /// Gives the parts of the key space that have no writer to the stream's current segments, except those that are given
    /// up for now. Other parts stay as they are: their segments may have events waiting, which come before all that is
    /// submitted from now on.
    pub(super) async fn fill_gaps(self: &Arc<Self>, callers: &Callers) -> Result<(), Error> {
        let segments = self.while_reachable(self.current_segments(callers)).await?;
        let _changing = self.changing.lock().await;
        let known = self.routing.get();
        if let Some(known) = known.filter(|known| !known.is_whole()) {
            let route = |(segment, range)| {
                let writer = (!self.retried.is_given_up(segment)).then(|| self.writer_of(segment));
                Route { range, writer }
            };
            self.routing.publish(known.fill(&segments.iter().map(route).collect::<Vec<_>>()));
        }
        Ok(())
    }

    /// The writer of a segment that the routing lacks. A caller may know of a scale before the routing does, which
    /// changes only where a seal is met, so that events of one key keep their order.
    async fn writer_ahead(self: &Arc<Self>, callers: &Callers, segment: SegmentId) -> Result<SegmentWriter, Error> {
        let is_open = |writer: &SegmentWriter| writer.segment().id == segment && !writer.is_closed();
        if let Some(writer) = self.open.lock().iter().find(|writer| is_open(writer)) {
            return Ok(writer.clone());
        }
        let current =
            |controller: Controller| async move { controller.current_segments_with(&self.stream, segment).await };
        if callers.ask(self.controller(), current).await?.contains(segment) {
            return Ok(self.writer_of(segment));
        }
        let readable = |controller: Controller| async move {
            controller.readable_segments_with(&self.stream, |other| *other == segment).await
        };
        if !callers.ask(self.controller(), readable).await?.contains(&segment) {
            return Err(Error::SegmentNotFound { stream: self.stream.clone(), segment });
        }
        // It may have come between the two answers.
        let now = |controller: Controller| async move { controller.current_segments_now(&self.stream).await };
        if callers.ask(self.controller(), now).await?.contains(segment) {
            return Ok(self.writer_of(segment));
        }
        Err(Error::SegmentSealed(self.name_of(segment)))
    }

    pub(super) fn routes_to(self: &Arc<Self>, segments: &StreamSegments) -> Vec<Route> {
        segments.iter().map(|(id, range)| Route { range, writer: Some(self.writer_of(id)) }).collect()
    }

    /// The open writer of a segment, started if there is none.
    pub(super) fn writer_of(self: &Arc<Self>, segment: SegmentId) -> SegmentWriter {
        let mut open = self.open.lock();
        open.retain(|writer| !writer.is_closed());
        match open.iter().find(|writer| writer.segment().id == segment) {
            Some(writer) => writer.clone(),
            None => {
                let writer = writer_task::start(self, self.name_of(segment));
                open.push(writer.clone());
                writer
            }
        }
    }

    /// Takes note that the segment's writer ended before its events were handed over.
    pub(super) async fn abandon(&self, segment: SegmentId) {
        let _lock = lock_handover(self).await;
        self.give_up(segment);
    }

    /// Leaves the segment's part of the key space without a writer: the next caller asks what follows.
    pub(super) fn give_up(&self, segment: SegmentId) {
        if let Some(known) = self.routing.get() {
            self.routing.publish(known.abandon(segment));
        }
    }

    pub(super) fn name_of(&self, segment: SegmentId) -> SegmentName {
        SegmentName::new(self.stream.clone(), segment)
    }

    pub(super) fn controller(&self) -> &Controller {
        self.context.store.controller()
    }
}

/// Waits for a segment's turn to hand over: one at a time, in the order in which they ask.
///
/// # Cancel safety
/// Awaits only the lock: dropped, it loses its place in line.
pub(super) async fn lock_handover(writers: &StreamWriters) -> OwnedMutexGuard<()> {
    writers.changing.clone().lock_owned().await
}

/// Submits events, each segment's in their order: a full queue delays the events of its own segment only. Returns `false`
/// if a segment closed meanwhile, with the remaining events left.
pub(super) async fn submit_in_order(
    writers: &StreamWriters,
    routing: &Routing,
    events: &mut VecDeque<PendingEvent>,
) -> bool {
    let mut parts: Vec<(&SegmentWriter, VecDeque<PendingEvent>)> = Vec::new();
    for event in events.drain(..) {
        let Some(writer) = routing.find(event.event.target) else {
            event.ticket.resolve(Err(Error::StreamSealed(writers.stream.clone())));
            continue;
        };
        match parts.iter_mut().find(|(other, _)| other.segment().id == writer.segment().id) {
            Some((_, part)) => part.push_back(event),
            None => parts.push((writer, VecDeque::from([event]))),
        }
    }
    let left = join_all(parts.into_iter().map(|(writer, part)| submit_part(writer, part))).await;
    events.extend(left.into_iter().flatten());
    events.is_empty()
}

/// Submits events of one segment. Returns those that are left if it closed meanwhile.
async fn submit_part(writer: &SegmentWriter, mut part: VecDeque<PendingEvent>) -> VecDeque<PendingEvent> {
    while !part.is_empty()
        && let Some(room) = writer.reserve().await
        && let Some(event) = part.pop_front()
    {
        room.send(Submission::One(event));
    }
    part
}
