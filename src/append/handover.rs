//! How a segment that takes no more appends hands its events over to the segments that follow it.
//!
//! ```text
//! sealed ─▶ settle_final_number ─▶ lock ─▶ close the queue ─▶ reroute ─▶ publish the routing
//! deleted ────────────────────────▲  │                         │  ▲
//!                                    │                         │  └─ a successor closed meanwhile
//!                                    │                         └─ events in their order, into the successors' queues
//!                                    └─ one segment at a time
//! ```
//!
//! The order of these steps keeps the order of events. A queue closes only after the lock is taken, and the next
//! routing is published only after everything earlier is in the successors' queues: a caller who finds a queue closed
//! waits for that routing, and so cannot pass what came before.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pravega_protocol::stream::{SegmentName, Successor};
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::{interval, sleep, timeout};

use super::callers::Callers;
use super::error::Error;
use super::event::{PendingEvent, Submission, fail};
use super::failure::Failure;
use super::recovery::{
    BlockQueue, Routing, Setup, ask_stand_ins, ask_successors, lock_handover, split_named, submit_in_order,
};
use super::router::StreamWriters;
use super::routing::Route;
use super::successors::may_pass;
use super::writer_task::{BATCH_SUBMISSIONS, SWEEP_EVERY, acknowledge};
use crate::retry::Backoff;
use crate::telemetry::metrics::Metrics;

/// Longest wait for the controller to name successors, before it is asked again.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A writer whose segment takes no more appends.
pub(super) struct Handover {
    pub(super) setup: Setup,
    pub(super) inbox: mpsc::Receiver<Submission>,
    pub(super) queue: BlockQueue<PendingEvent>,
    pub(super) stream: Weak<StreamWriters>,
    pub(super) metrics: Metrics,
}

impl Handover {
    /// Takes over what a writer whose connection is closed leaves.
    pub(super) fn new(
        setup: Setup,
        inbox: mpsc::Receiver<Submission>,
        mut queue: BlockQueue<PendingEvent>,
        stream: Weak<StreamWriters>,
        metrics: Metrics,
    ) -> Self {
        queue.on_disconnect();
        Self { setup, inbox, queue, stream, metrics }
    }

    /// Waits until the number of the writer's last event in a sealed segment is final, and acknowledges events up to
    /// it: a seal can be reported before earlier appends are committed. Source: StreamSegmentContainer.java,
    /// OperationProcessor.java.
    pub(super) async fn settle_final_number(&mut self) {
        let mut backoff = Backoff::default();
        let mut refused = Callers::default();
        while self.queue.has_in_flight() {
            let (setup, callers) = (self.setup.clone(), Callers::of(self.queue.events(), &refused));
            let asking = timeout(setup.reply_timeout, setup.final_number(&callers));
            match self.keep_queueing(asking).await {
                Ok(Ok(Some(last_number))) => {
                    let stored = self.queue.on_setup(last_number);
                    return acknowledge(stored, self.setup.segment.id, &self.metrics);
                }
                Ok(Err(Failure::Gone)) => return,
                Ok(Err(Failure::Moved)) => self.setup.forget_endpoint(),
                Ok(Err(failure)) if failure.is_refusal() && !callers.is_empty() => {
                    refused.add_all(callers);
                    self.queue.on_disconnect();
                    continue;
                }
                Ok(Err(failure)) if failure.is_refusal() => refused = Callers::default(),
                _ => {}
            }
            self.keep_queueing(sleep(backoff.next_delay())).await;
            self.queue.on_disconnect();
        }
    }

    /// Gives everything that is not stored in this segment to the segments that follow. What was sent to a deleted
    /// segment is deleted with it.
    pub(super) async fn hand_over(mut self) {
        let Some(stream) = self.stream.upgrade() else {
            return;
        };
        let lock = self.keep_queueing(lock_handover(&stream)).await;
        self.inbox.close();
        while let Some(submission) = self.inbox.recv().await {
            submission.into_iter().for_each(|event| self.queue.push(event));
        }
        let events = self.queue.take_unstored();
        assert!(!self.queue.has_work() && self.inbox.is_empty(), "a writer ends without events");
        self.metrics.append_handovers.inc();
        reroute(&stream, lock, &self.setup.segment, events).await;
    }

    /// Waits for something while events keep coming in, so that callers need not wait for it in order to submit, and
    /// withdrawn events are dropped.
    async fn keep_queueing<T>(&mut self, something: impl Future<Output = T>) -> T {
        let mut something = std::pin::pin!(something);
        let mut sweeps = interval(SWEEP_EVERY);
        let mut batch = Vec::new();
        loop {
            // Biased so that a simulated schedule can be repeated. Events come last, as they may never stop.
            tokio::select! {
                biased;
                done = &mut something => return done,
                _ = sweeps.tick() => self.queue.sweep(),
                count = self.inbox.recv_many(&mut batch, BATCH_SUBMISSIONS), if !self.inbox.is_closed() => {
                    tracing::trace!(count, "queueing events meanwhile");
                    batch.drain(..).flatten().for_each(|event| self.queue.push(event));
                }
            }
        }
    }
}

/// Gives the events of a closed segment, in their order, to the segments that follow it, before any later event gets
/// there. Events for the segment by name fail.
async fn reroute(
    writers: &Arc<StreamWriters>,
    _lock: OwnedMutexGuard<()>,
    segment: &SegmentName,
    events: VecDeque<PendingEvent>,
) {
    tracing::debug!(segment = %segment, events = events.len(), "handing over to successors");
    let (named, mut events) = split_named(events);
    fail(named, &Error::SegmentSealed(segment.clone()));
    match give_to_successors(writers, &mut events).await {
        Ok(()) => assert!(events.is_empty(), "every event has a successor's writer or an error"),
        Err(error) => {
            writers.give_up(segment.id);
            fail(events, &error);
        }
    }
}

async fn give_to_successors(writers: &Arc<StreamWriters>, events: &mut VecDeque<PendingEvent>) -> Result<(), Error> {
    let mut routing = match writers.routing.get() {
        Some(known) => (*known).clone(),
        None => loop {
            let callers = callers_of(events);
            match writers.ask_routing(&callers).await {
                Err(error) if fail_refused(&callers, events, &error) => {}
                routing => break routing?,
            }
        },
    };
    loop {
        routing = replace_closed(writers, routing, events).await?;
        if submit_in_order(writers, &routing, events).await {
            break;
        }
    }
    writers.routing.publish(routing);
    Ok(())
}

/// Replaces every closed segment by what follows it, however long it takes the controller to name that. One that cannot
/// be reached is not waited for.
async fn replace_closed(
    writers: &Arc<StreamWriters>,
    mut routing: Routing,
    events: &mut VecDeque<PendingEvent>,
) -> Result<Routing, Error> {
    let mut backoff = Backoff::default();
    while let Some(closed) = routing.closed() {
        let (segment, callers) = (closed.segment().clone(), callers_of(events));
        let asking = writers.while_reachable(routing_after(writers, &callers, &segment, &routing));
        match timeout(ASK_TIMEOUT, asking).await {
            Ok(Ok(next)) => routing = next,
            Ok(Err(error)) if fail_refused(&callers, events, &error) => {}
            Ok(Err(error)) if !may_pass(&error) => return Err(error),
            Ok(Err(_)) | Err(_) => {
                events.retain(|event| !event.ticket.is_withdrawn());
                sleep(backoff.next_delay()).await;
            }
        }
    }
    Ok(routing)
}

/// The routing with what follows a segment in its place. Other segments keep their parts until they are found closed,
/// because they may hold events that came earlier.
async fn routing_after(
    writers: &Arc<StreamWriters>,
    callers: &Callers,
    segment: &SegmentName,
    routing: &Routing,
) -> Result<Routing, Error> {
    let successors = ask_successors(writers, callers, segment).await?;
    let route = |successor: &Successor| Route { range: successor.range, writer: Some(writers.writer_of(successor.id)) };
    let following = if successors.is_empty() {
        let stand_ins = ask_stand_ins(writers, callers, segment).await?;
        writers.routes_to(&stand_ins)
    } else {
        successors.iter().map(route).collect()
    };
    Ok(routing.replace(segment.id, &following))
}

/// Fails the events of callers whom the controller refused, so that it is asked for the others. `false` if the error is no
/// refusal, or of no one's.
fn fail_refused(callers: &Callers, events: &mut VecDeque<PendingEvent>, error: &Error) -> bool {
    let is_refusal = matches!(error, Error::Controller(error) if error.is_refusal());
    if is_refusal {
        fail(callers.take_events(events), error);
    }
    is_refusal && !callers.is_empty()
}

/// Those for whom the controller is asked what follows.
fn callers_of(events: &VecDeque<PendingEvent>) -> Callers {
    Callers::of(events, &Callers::default())
}
