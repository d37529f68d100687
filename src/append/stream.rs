use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, watch};

use super::error::Error;
use super::event::{NewEvent, PendingEvent, Target};
use super::machine::Limits;
use super::routing::{Route, Routing};
use super::task::{self, Task};
use super::ticket::{Ticket, ticket};
use super::writer::SegmentWriter;
use crate::controller::{self, Controller};
use crate::retry::Backoff;
use crate::segment_store::SegmentStore;
use crate::stream::{ScopedStream, SegmentId, SegmentName, StreamSegments};
use crate::telemetry::metrics::Metrics;

/// Pause before a segment is tried again that its store says is closed, and the controller says is active.
const RETRY_ACTIVE: Duration = Duration::from_millis(200);

/// Appends to one stream; clones share its writers, which end with the last of them.
#[derive(Debug, Clone)]
pub struct StreamAppender {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    stream: ScopedStream,
    store: SegmentStore,
    limits: Limits,
    metrics: Metrics,
    /// `None` until the segments are known, and again after the stream was found sealed or gone.
    routing: watch::Sender<Option<Arc<Routing>>>,
    /// Held while the routing is made or changed.
    changing: Mutex<()>,
    /// Every open writer, so that a segment has one whether the routing knows it already or not.
    writers: std::sync::Mutex<Vec<SegmentWriter>>,
}

impl StreamAppender {
    pub(super) fn new(stream: ScopedStream, store: SegmentStore, limits: Limits, metrics: Metrics) -> Self {
        let routing = watch::Sender::new(None);
        Self {
            shared: Arc::new(Shared {
                stream,
                store,
                limits,
                metrics,
                routing,
                changing: Mutex::default(),
                writers: Default::default(),
            }),
        }
    }

    /// Finds out whether the stream takes events.
    ///
    /// # Errors
    /// [`Error::Controller`] for an unknown stream, [`Error::StreamSealed`].
    ///
    /// # Cancel safety
    /// Nothing is left half done.
    pub async fn ready(&self) -> Result<(), Error> {
        self.shared.routing(&mut self.shared.routing.subscribe()).await.map(drop)
    }

    /// Gives an event to the writer of its segment. Events that one caller submits one after the other keep their
    /// order per routing key, across scaling too.
    ///
    /// # Errors
    /// [`Error::Controller`] for an unknown stream, [`Error::StreamSealed`], and for a named segment
    /// [`Error::SegmentSealed`] or [`Error::SegmentNotFound`]. Nothing was written then.
    ///
    /// # Cancel safety
    /// The event is submitted or not; nobody learns of its outcome.
    pub async fn submit(&self, event: NewEvent) -> Result<Ticket, Error> {
        let (stub, ticket) = ticket();
        let target = event.target;
        let mut routing = self.shared.routing.subscribe();
        loop {
            let known = self.shared.routing(&mut routing).await?;
            let writer = self.shared.find(&known, target).await?;
            match writer.reserve().await {
                Some(room) => {
                    room.send(PendingEvent { event, stub });
                    return Ok(ticket);
                }
                None => self.shared.changed_from(&mut routing, &known).await,
            }
        }
    }
}

impl Shared {
    /// The routing of now, asked of the controller where it is not known.
    async fn routing(
        self: &Arc<Self>,
        watched: &mut watch::Receiver<Option<Arc<Routing>>>,
    ) -> Result<Arc<Routing>, Error> {
        if let Some(routing) = watched.borrow_and_update().clone() {
            return Ok(routing);
        }
        let _changing = self.changing.lock().await;
        if let Some(routing) = watched.borrow_and_update().clone() {
            return Ok(routing);
        }
        let segments = self.controller().current_segments(&self.stream).await?;
        if segments.is_empty() {
            return Err(Error::StreamSealed(self.stream.clone()));
        }
        let routing = Arc::new(self.routing_of(&segments));
        self.routing.send_replace(Some(routing.clone()));
        Ok(routing)
    }

    async fn changed_from(&self, watched: &mut watch::Receiver<Option<Arc<Routing>>>, known: &Arc<Routing>) {
        let is_new = |now: &Option<Arc<Routing>>| now.as_ref().is_none_or(|now| !Arc::ptr_eq(now, known));
        let _ = watched.wait_for(is_new).await;
    }

    async fn find(self: &Arc<Self>, routing: &Routing, target: Target) -> Result<SegmentWriter, Error> {
        match (routing.find(target), target) {
            (Some(writer), _) => Ok(writer.clone()),
            (None, Target::Position(_)) => Err(Error::StreamSealed(self.stream.clone())),
            (None, Target::Segment(segment)) => self.writer_ahead(segment).await,
        }
    }

    /// The writer of a segment that the routing lacks. A caller may know of a scale before the routing does, which
    /// changes only where a seal is met, so that events of one key keep their order.
    async fn writer_ahead(self: &Arc<Self>, segment: SegmentId) -> Result<SegmentWriter, Error> {
        self.controller().forget_stream(&self.stream);
        if self.controller().current_segments(&self.stream).await?.contains(segment) {
            return Ok(self.writer_of(segment));
        }
        let segments = self.controller().readable_segments(&self.stream).await?;
        match segments.contains(&segment) {
            true => Err(Error::SegmentSealed(self.name_of(segment))),
            false => Err(Error::SegmentNotFound { stream: self.stream.clone(), segment }),
        }
    }

    /// Gives the events of a sealed or vanished segment, in their order, to the segments that follow it, before any
    /// later event gets there.
    pub(super) async fn reroute(self: &Arc<Self>, segment: &SegmentName, events: VecDeque<PendingEvent>) {
        let _changing = self.changing.lock().await;
        tracing::debug!(segment = %segment, events = events.len(), "handing over to successors");
        let Some(known) = self.routing.borrow().clone() else {
            return self.fail(events, |_| Error::StreamSealed(self.stream.clone()));
        };
        let mut events = self.fail_pinned(events);
        let mut routing = (*known).clone();
        loop {
            routing = match self.follow_up(routing, &events).await {
                Ok(routing) => routing,
                Err(error) => {
                    self.forget();
                    return self.fail(events, |_| error.clone());
                }
            };
            if give_all(&routing, &mut events).await {
                break;
            }
        }
        self.routing.send_replace(Some(Arc::new(routing)));
    }

    /// Replaces every closed segment by what follows it.
    async fn follow_up(
        self: &Arc<Self>,
        mut routing: Routing,
        events: &VecDeque<PendingEvent>,
    ) -> Result<Routing, Error> {
        let mut backoff = Backoff::default();
        while let Some(closed) = routing.closed() {
            let segment = closed.writer.segment().clone();
            match self.successors(&segment, &routing).await {
                Ok(Some(next)) => routing = next,
                Ok(None) => routing = self.without_successors(&segment).await?,
                Err(error) if !error.is_retryable() => return Err(error.into()),
                Err(error) if events.iter().all(|event| event.stub.is_withdrawn()) => return Err(error.into()),
                Err(_) => tokio::time::sleep(backoff.next_delay()).await,
            }
        }
        Ok(routing)
    }

    /// The routing after a segment that nothing follows: of a sealed stream none, of one that was made anew its own.
    async fn without_successors(self: &Arc<Self>, segment: &SegmentName) -> Result<Routing, Error> {
        let segments = self.controller().current_segments(&self.stream).await?;
        if segments.is_empty() {
            return Err(Error::StreamSealed(self.stream.clone()));
        }
        if segments.contains(segment.id) {
            tracing::warn!(segment = %segment, "closed for its store, active for the controller: trying it again");
            tokio::time::sleep(RETRY_ACTIVE).await;
        }
        Ok(self.routing_of(&segments))
    }

    /// The routing with a segment's successors in its place; `None` if it has none.
    async fn successors(
        self: &Arc<Self>,
        segment: &SegmentName,
        routing: &Routing,
    ) -> Result<Option<Routing>, controller::Error> {
        self.controller().forget_stream(&self.stream);
        let successors = self.controller().successors(segment).await?;
        if successors.is_empty() {
            return Ok(None);
        }
        let routes: Vec<_> = successors
            .iter()
            .map(|successor| Route { range: successor.range, writer: self.writer_of(successor.id) })
            .collect();
        Ok(Some(routing.replace(segment.id, &routes)))
    }

    fn routing_of(self: &Arc<Self>, segments: &StreamSegments) -> Routing {
        let route = |(id, range)| Route { range, writer: self.writer_of(id) };
        Routing::new(segments.iter().map(route).collect())
    }

    fn writer_of(self: &Arc<Self>, segment: SegmentId) -> SegmentWriter {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|writer| !writer.is_closed());
        match writers.iter().find(|writer| writer.segment().id == segment) {
            Some(writer) => writer.clone(),
            None => {
                let writer = self.start_writer(self.name_of(segment));
                writers.push(writer.clone());
                writer
            }
        }
    }

    fn start_writer(self: &Arc<Self>, segment: SegmentName) -> SegmentWriter {
        let (writer, inbox): (_, mpsc::Receiver<_>) = SegmentWriter::new(segment.clone());
        task::spawn(Task {
            segment,
            inbox,
            store: self.store.clone(),
            stream: Arc::downgrade(self),
            limits: self.limits,
            metrics: self.metrics.clone(),
        });
        writer
    }

    fn fail_pinned(&self, events: VecDeque<PendingEvent>) -> VecDeque<PendingEvent> {
        let (pinned, movable) = events.into_iter().partition(|event| matches!(event.event.target, Target::Segment(_)));
        self.fail(pinned, |event| match event.event.target {
            Target::Segment(segment) => Error::SegmentSealed(self.name_of(segment)),
            Target::Position(_) => Error::StreamSealed(self.stream.clone()),
        });
        movable
    }

    fn fail(&self, events: VecDeque<PendingEvent>, error: impl Fn(&PendingEvent) -> Error) {
        for event in events {
            let error = error(&event);
            event.stub.resolve(Err(error));
        }
    }

    /// The stream is sealed or gone: the next caller finds out what there is.
    fn forget(&self) {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.routing.send_replace(None);
    }

    fn name_of(&self, segment: SegmentId) -> SegmentName {
        SegmentName::new(self.stream.clone(), segment)
    }

    fn controller(&self) -> &Controller {
        self.store.controller()
    }
}

/// Submits the events in order; `false` if a segment closed meanwhile, with the rest still there.
async fn give_all(routing: &Routing, events: &mut VecDeque<PendingEvent>) -> bool {
    while let Some(event) = events.pop_front() {
        let Some(writer) = routing.find(event.event.target) else {
            drop(event);
            continue;
        };
        match writer.reserve().await {
            Some(room) => room.send(event),
            None => {
                events.push_front(event);
                return false;
            }
        }
    }
    true
}
