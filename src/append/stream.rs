use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pravega_protocol::stream::{ScopedStream, SegmentId, SegmentName, StreamSegments, Successor};
use tokio::sync::{Mutex, MutexGuard, mpsc};

use super::error::Error;
use super::event::{NewEvent, PendingEvent, Submission, Target};
use super::machine::Limits;
use super::published::Published;
use super::routing::{Route, Routing};
use super::rules::{self, Rule};
use super::task::{self, Task};
use super::ticket::{Ticket, ticket};
use super::writer::SegmentWriter;
use crate::controller::Controller;
use crate::retry::Backoff;
use crate::segment_store::SegmentStore;
use crate::telemetry::metrics::Metrics;

/// Pause before a segment is tried again that its store says is closed, and the controller says is active.
const RETRY_ACTIVE: Duration = Duration::from_millis(200);

/// Longest wait for the controller to name successors, before it is asked again.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Appends to one stream; clones share its writers, which end with the last of them.
#[derive(Debug, Clone)]
pub struct StreamAppender {
    shared: Arc<Shared>,
}

/// Held by the segment that hands over; nothing only where the simulation leaves that rule out.
pub(super) type Turn<'a> = Option<MutexGuard<'a, ()>>;

#[derive(Debug)]
pub(super) struct Shared {
    stream: ScopedStream,
    store: SegmentStore,
    limits: Limits,
    metrics: Metrics,
    routing: Published,
    /// Held while the routing is made or changed.
    changing: Mutex<()>,
    /// Every open writer, so that a segment has one whether the routing knows it already or not.
    writers: std::sync::Mutex<Vec<SegmentWriter>>,
}

impl StreamAppender {
    pub(super) fn new(stream: ScopedStream, store: SegmentStore, limits: Limits, metrics: Metrics) -> Self {
        Self {
            shared: Arc::new(Shared {
                stream,
                store,
                limits,
                metrics,
                routing: Published::default(),
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
        let known = self.shared.routing().await?;
        if !known.is_whole() {
            self.shared.fill().await?;
        }
        Ok(())
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
        loop {
            let known = self.shared.routing().await?;
            let Some(writer) = self.shared.find(&known, target).await? else {
                self.shared.fill().await?;
                continue;
            };
            match writer.reserve().await {
                Some(room) => {
                    room.send(Submission::One(PendingEvent { event, stub }));
                    return Ok(ticket);
                }
                None => self.shared.routing.changed_from(&known).await,
            }
        }
    }

    /// Gives several events to the writers of their segments: what one segment gets goes as one, so that its events
    /// share a block as far as the limits of a block allow. They keep their order as those of
    /// [`submit`](Self::submit) do. What could not be submitted is told by the event's own ticket.
    ///
    /// # Cancel safety
    /// Each event is submitted or not; the tickets of those that are not tell that nothing was written.
    pub async fn submit_all(&self, batch: Batch) {
        let mut left = batch.events;
        while !left.is_empty() {
            left = match self.shared.routing().await {
                Ok(known) => self.shared.give_batch(&known, left).await,
                Err(error) => return self.shared.fail(left.into(), |_| error.clone()),
            };
        }
    }
}

/// Events that are to be submitted together.
#[derive(Debug, Default)]
pub struct Batch {
    events: Vec<PendingEvent>,
}

impl Batch {
    /// Adds an event; its ticket tells what becomes of it, also if the batch is never submitted.
    pub fn push(&mut self, event: NewEvent) -> Ticket {
        let (stub, ticket) = ticket();
        self.events.push(PendingEvent { event, stub });
        ticket
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// A batch, taken apart by segments.
#[derive(Default)]
struct Parts {
    of_writers: Vec<(SegmentWriter, Vec<PendingEvent>)>,
    /// In a part of the key space whose segment is not known.
    homeless: Vec<PendingEvent>,
}

impl Shared {
    /// Submits each segment's events as one; gives back those that must be routed anew, each segment's in order.
    async fn give_batch(self: &Arc<Self>, known: &Arc<Routing>, events: Vec<PendingEvent>) -> Vec<PendingEvent> {
        let Parts { of_writers, homeless } = self.part(known, events).await;
        let mut left = Vec::new();
        for (writer, events) in of_writers {
            match writer.reserve().await {
                Some(room) => room.send(Submission::Several(events)),
                None => left.extend(events),
            }
        }
        if homeless.is_empty() {
            if !left.is_empty() {
                self.routing.changed_from(known).await;
            }
            return left;
        }
        match self.fill().await {
            Ok(()) => left.extend(homeless),
            Err(error) => self.fail(homeless.into(), |_| error.clone()),
        }
        left
    }

    /// The events of each writer, in their order; those that cannot have one learn why.
    async fn part(self: &Arc<Self>, known: &Routing, events: Vec<PendingEvent>) -> Parts {
        let mut parts = Parts::default();
        let mut places: HashMap<SegmentId, usize> = HashMap::new();
        for event in events {
            match self.find(known, event.event.target).await {
                Ok(Some(writer)) => {
                    let place = *places.entry(writer.segment().id).or_insert(parts.of_writers.len());
                    match parts.of_writers.get_mut(place) {
                        Some((_, events)) => events.push(event),
                        None => parts.of_writers.push((writer, vec![event])),
                    }
                }
                Ok(None) => parts.homeless.push(event),
                Err(error) => event.stub.resolve(Err(error)),
            }
        }
        parts
    }

    /// The routing of now, asked of the controller where it is not known.
    async fn routing(self: &Arc<Self>) -> Result<Arc<Routing>, Error> {
        if let Some(routing) = self.routing.now() {
            return Ok(routing);
        }
        let _changing = self.changing.lock().await;
        if let Some(routing) = self.routing.now() {
            return Ok(routing);
        }
        Ok(self.routing.publish(self.ask_routing().await?))
    }

    async fn ask_routing(self: &Arc<Self>) -> Result<Routing, Error> {
        let segments = self.segments_of_now().await?;
        Ok(Routing::new(self.routes_to(&segments)))
    }

    async fn segments_of_now(&self) -> Result<Arc<StreamSegments>, Error> {
        let segments = self.controller().segments_to_append(&self.stream).await?;
        match segments.is_empty() {
            true => Err(Error::StreamSealed(self.stream.clone())),
            false => Ok(segments),
        }
    }

    /// The writer for a target; `None` where nobody has that part of the key space.
    async fn find(self: &Arc<Self>, routing: &Routing, target: Target) -> Result<Option<SegmentWriter>, Error> {
        match (routing.find(target), target) {
            (Some(writer), _) => Ok(Some(writer.clone())),
            (None, Target::Position(_)) => Ok(None),
            (None, Target::Segment(segment)) => self.writer_ahead(segment).await.map(Some),
        }
    }

    /// Finds out which segments have now what nobody had. Only that: what other segments have may have events waiting,
    /// which come before all that is submitted from now on.
    async fn fill(self: &Arc<Self>) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let known = self.routing.now();
        if let Some(known) = known.filter(|known| !known.is_whole()) {
            let segments = self.segments_of_now().await?;
            self.routing.publish(known.fill(&self.routes_to(&segments)));
        }
        Ok(())
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

    /// Waits for the turn to change the routing; one segment at a time hands over.
    pub(super) async fn turn(&self) -> Turn<'_> {
        if rules::holds(Rule::OneHandsOverAtATime) { Some(self.changing.lock().await) } else { None }
    }

    /// Gives the events of a sealed or vanished segment, in their order, to the segments that follow it, before any
    /// later event gets there.
    pub(super) async fn reroute(
        self: &Arc<Self>,
        _turn: Turn<'_>,
        segment: &SegmentName,
        events: VecDeque<PendingEvent>,
    ) {
        tracing::debug!(segment = %segment, events = events.len(), "handing over to successors");
        let mut events = self.fail_pinned(events);
        if let Err(error) = self.give_to_successors(&mut events).await {
            self.give_up(segment.id);
            self.fail(events, |_| error.clone());
        }
    }

    async fn give_to_successors(self: &Arc<Self>, events: &mut VecDeque<PendingEvent>) -> Result<(), Error> {
        let known = self.routing.now();
        let mut routing = match known {
            Some(known) => (*known).clone(),
            None => self.ask_routing().await?,
        };
        loop {
            routing = self.follow_up(routing, events).await?;
            if !rules::holds(Rule::RoutingComesLast) {
                self.routing.publish(routing.clone());
            }
            if self.give_all(&routing, events).await {
                break;
            }
        }
        self.routing.publish(routing);
        Ok(())
    }

    /// Replaces every closed segment by what follows it.
    async fn follow_up(
        self: &Arc<Self>,
        mut routing: Routing,
        events: &mut VecDeque<PendingEvent>,
    ) -> Result<Routing, Error> {
        let mut backoff = Backoff::default();
        while let Some(closed) = routing.closed() {
            let segment = closed.segment().clone();
            let following = tokio::time::timeout(ASK_TIMEOUT, self.routing_after(&segment, &routing)).await;
            match following {
                Ok(Ok(next)) => routing = next,
                Ok(Err(error)) if !is_passing(&error) => return Err(error),
                Ok(Err(_)) | Err(_) => {
                    events.retain(|event| !event.stub.is_withdrawn());
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
        Ok(routing)
    }

    /// Submits the events in order; `false` if a segment closed meanwhile, with the rest still there.
    async fn give_all(&self, routing: &Routing, events: &mut VecDeque<PendingEvent>) -> bool {
        while let Some(event) = events.pop_front() {
            let Some(writer) = routing.find(event.event.target) else {
                event.stub.resolve(Err(Error::StreamSealed(self.stream.clone())));
                continue;
            };
            match writer.reserve().await {
                Some(room) => room.send(Submission::One(event)),
                None => {
                    events.push_front(event);
                    return false;
                }
            }
        }
        true
    }

    /// The routing with what follows a segment in its place; the other segments keep theirs until they are found
    /// closed, because they may hold events that came earlier.
    async fn routing_after(self: &Arc<Self>, segment: &SegmentName, routing: &Routing) -> Result<Routing, Error> {
        if rules::holds(Rule::SegmentsAreAskedAnew) {
            self.controller().forget_stream(&self.stream);
        }
        let successors = self.controller().successors(segment).await?;
        let route =
            |successor: &Successor| Route { range: successor.range, writer: Some(self.writer_of(successor.id)) };
        let following = match successors.is_empty() {
            true => self.without_successors(segment).await?,
            false => successors.iter().map(route).collect(),
        };
        Ok(routing.replace(segment.id, &following))
    }

    /// The stream's segments of now, of which those count that hold the part of one without successors: nothing
    /// follows the last segment of a sealed stream, but a stream may be made anew, and successors may be named late.
    async fn without_successors(self: &Arc<Self>, segment: &SegmentName) -> Result<Vec<Route>, Error> {
        let segments = self.segments_of_now().await?;
        if segments.contains(segment.id) {
            if !rules::holds(Rule::CurrentIsTriedAgain) {
                return Err(Error::StreamSealed(self.stream.clone()));
            }
            tracing::warn!(segment = %segment, "closed for its store, active for the controller: trying it again");
            tokio::time::sleep(RETRY_ACTIVE).await;
        }
        Ok(self.routes_to(&segments))
    }

    fn routes_to(self: &Arc<Self>, segments: &StreamSegments) -> Vec<Route> {
        segments.iter().map(|(id, range)| Route { range, writer: Some(self.writer_of(id)) }).collect()
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
        let (pinned, movable) = events
            .into_iter()
            .partition(|event| matches!(event.event.target, Target::Segment(_)) && rules::holds(Rule::NamedStaysThere));
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

    /// The segment's writer ended before its events were handed over.
    pub(super) async fn abandon(&self, segment: SegmentId) {
        let _turn = self.turn().await;
        self.give_up(segment);
    }

    /// Nothing is known to follow the segment: the next caller finds out what there is.
    fn give_up(&self, segment: SegmentId) {
        if let Some(known) = self.routing.now() {
            self.routing.publish(known.abandon(segment));
        }
    }

    fn name_of(&self, segment: SegmentId) -> SegmentName {
        SegmentName::new(self.stream.clone(), segment)
    }

    fn controller(&self) -> &Controller {
        self.store.controller()
    }
}

/// Whether asking the controller again may help.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Controller(error) if error.is_retryable())
}
