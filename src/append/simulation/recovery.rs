//! Recovery as it would be without one of its rules: takes the place of what [`crate::append::recovery`] names.
//!
//! Everything here calls the real code, and does something else only where a rule is left out on this thread.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};
use std::time::Duration;

use pravega_protocol::stream::{KeyRange, SegmentId, SegmentName, StreamSegments, Successor};
use pravega_protocol::wire::{DelegationToken, NO_VALUE, WireCommand, WriterId};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};
use tokio::time::sleep;

use super::rules::{Rule, leaves_out};
use crate::append::block_queue::{self, Acknowledged, BlockLimits, QueuedEvent};
use crate::append::callers::Callers;
use crate::append::error::Error;
use crate::append::event::{self, PendingEvent, Submission};
use crate::append::failure::{self, Failure};
use crate::append::router::{self, StreamWriters};
use crate::append::routing::{self, Route, overlap};
use crate::append::setup::{self, ReadyFlow, send};
use crate::append::ticket::{self, TicketSender};
use crate::append::{handover, successors};
use crate::controller::Grant;
use crate::segment_store::SegmentStore;
use crate::telemetry::metrics::Metrics;

/// Reaches the real thing for all that is not replaced.
macro_rules! wraps {
    ($wrapper:ident $(<$event:ident>)? ($real:ty)) => {
        impl $(<$event>)? Deref for $wrapper $(<$event>)? {
            type Target = $real;

            fn deref(&self) -> &$real {
                &self.0
            }
        }

        impl $(<$event>)? DerefMut for $wrapper $(<$event>)? {
            fn deref_mut(&mut self) -> &mut $real {
                &mut self.0
            }
        }
    };
}

#[derive(Debug)]
pub(in crate::append) struct BlockQueue<E>(block_queue::BlockQueue<E>);

wraps!(BlockQueue<E>(block_queue::BlockQueue<E>));

impl<E: QueuedEvent> BlockQueue<E> {
    pub(in crate::append) fn new(limits: BlockLimits, next_number: i64) -> Self {
        let next_number = if leaves_out(Rule::ReusedIdGoesOn) { 0 } else { next_number };
        Self(block_queue::BlockQueue::new(limits, next_number))
    }

    pub(in crate::append) fn on_setup(&mut self, last_number: i64) -> Vec<Acknowledged<E>> {
        let reported = if leaves_out(Rule::StoredIsNotSentAgain) { NO_VALUE } else { last_number };
        let stored = self.0.on_setup(reported);
        if leaves_out(Rule::UnstoredIsSentAgain) {
            // Taken out as if they were sent.
            for _ in 0..self.0.in_flight.len() {
                self.0.next_block();
            }
        }
        if leaves_out(Rule::NumbersAreUsedOnce) {
            let last_in_flight = self.0.in_flight.back().map_or(NO_VALUE, |block| block.last_number);
            self.0.next_number = last_in_flight.max(last_number).saturating_add(1).max(0);
        }
        stored
    }

    pub(in crate::append) fn begin_alone(&mut self) {
        if !leaves_out(Rule::FirstBlockGoesAlone) {
            self.0.begin_alone();
        }
    }

    pub(in crate::append) fn on_disconnect(&mut self) {
        self.0.on_disconnect();
        if leaves_out(Rule::BlocksStayAsTheyAre) {
            let (sent, waiting) = self.0.drain();
            sent.into_iter().chain(waiting).for_each(|event| self.0.push(event));
            self.0.sweep();
        }
    }

    pub(in crate::append) fn take_unstored(&mut self) -> VecDeque<E> {
        if leaves_out(Rule::SentGoesFirst) {
            let (sent, waiting) = self.0.drain();
            sent.iter().for_each(QueuedEvent::unsend);
            return waiting.into_iter().chain(sent).collect();
        }
        self.0.take_unstored()
    }
}

#[derive(Debug, Clone, Default)]
pub(in crate::append) struct Routing(routing::Routing);

wraps!(Routing(routing::Routing));

impl Routing {
    pub(in crate::append) fn new(routes: Vec<Route>) -> Self {
        Self(routing::Routing::new(routes))
    }

    pub(in crate::append) fn abandon(&self, segment: SegmentId) -> Self {
        if leaves_out(Rule::OnePartIsGivenUp) {
            return Self(self.0.give(|_| true, &[Route { range: KeyRange::FULL, writer: None }]));
        }
        Self(self.0.abandon(segment))
    }

    pub(in crate::append) fn replace(&self, segment: SegmentId, successors: &[Route]) -> Self {
        if leaves_out(Rule::SuccessorTakesOnePart) {
            let is_followed = |route: &Route| successors.iter().any(|one| overlap(one.range, route.range).is_some());
            return Self(self.0.give(|route| route.leads_to(segment) || is_followed(route), successors));
        }
        Self(self.0.replace(segment, successors))
    }

    pub(in crate::append) fn fill(&self, others: &[Route]) -> Self {
        if leaves_out(Rule::OnlyGapsAreFilled) {
            return Self(self.0.give(|_| true, others));
        }
        Self(self.0.fill(others))
    }
}

#[derive(Debug, Clone)]
pub(in crate::append) struct Setup(setup::Setup);

wraps!(Setup(setup::Setup));

impl Setup {
    pub(in crate::append) fn new(
        store: SegmentStore,
        segment: SegmentName,
        writer_id: WriterId,
        reply_timeout: Duration,
    ) -> Self {
        Self(setup::Setup::new(store, segment, writer_id, reply_timeout))
    }

    pub(in crate::append) async fn open(&self, callers: &Callers) -> Result<ReadyFlow, Failure> {
        if leaves_out(Rule::SetupIsAwaited) {
            let mut flow = self.0.open_flow(&Grant::open()).await?;
            let request = self.0.request(&mut flow, DelegationToken::none());
            send(&flow, request).await?;
            return Ok(ReadyFlow { flow, last_number: NO_VALUE });
        }
        self.0.open(callers).await
    }

    pub(in crate::append) async fn final_number(&self, callers: &Callers) -> Result<Option<i64>, Failure> {
        let (ignores_seal, asks_another) =
            (leaves_out(Rule::SealedBeforeFinal), leaves_out(Rule::FinalOnOneConnection));
        if !ignores_seal && !asks_another {
            return self.0.final_number(callers).await;
        }
        let mut flow = self.0.open_flow(&Grant::open()).await?;
        if !self.0.is_sealed(&mut flow, &Grant::open()).await? && !ignores_seal {
            return Ok(None);
        }
        if asks_another {
            self.forget_endpoint();
            flow = self.0.open_flow(&Grant::open()).await?;
        }
        let ready = self.0.set_up(flow, &Grant::open()).await?;
        Ok(Some(ready.last_number))
    }

    pub(in crate::append) fn forget_endpoint(&self) {
        if !leaves_out(Rule::EndpointIsAskedAgain) {
            self.0.forget_endpoint();
        }
    }
}

pub(in crate::append) fn failure_of(reply: &WireCommand) -> Failure {
    match reply {
        WireCommand::InvalidEventNumber(_) if leaves_out(Rule::ConflictMeansNewSetup) => {
            Failure::Refused(reply.command_type().info().name)
        }
        reply => failure::failure_of(reply),
    }
}

pub(in crate::append) struct Handover(handover::Handover);

wraps!(Handover(handover::Handover));

impl Handover {
    pub(in crate::append) fn new(
        setup: Setup,
        inbox: mpsc::Receiver<Submission>,
        queue: BlockQueue<PendingEvent>,
        stream: Weak<StreamWriters>,
        metrics: Metrics,
    ) -> Self {
        Self(handover::Handover::new(setup, inbox, queue, stream, metrics))
    }

    pub(in crate::append) async fn settle_final_number(&mut self) {
        if !leaves_out(Rule::FinalNumberComesFirst) {
            self.0.settle_final_number().await;
        }
    }

    pub(in crate::append) async fn hand_over(mut self) {
        if leaves_out(Rule::QueueClosesInTurn) {
            self.0.inbox.close();
        }
        self.0.hand_over().await;
    }
}

pub(in crate::append) async fn lock_handover(writers: &StreamWriters) -> OwnedMutexGuard<()> {
    if leaves_out(Rule::OneHandsOverAtATime) {
        return Arc::<Mutex<()>>::default().lock_owned().await;
    }
    router::lock_handover(writers).await
}

pub(in crate::append) async fn submit_in_order(
    writers: &StreamWriters,
    routing: &Routing,
    events: &mut VecDeque<PendingEvent>,
) -> bool {
    if leaves_out(Rule::RoutingComesLast) {
        writers.routing.publish(routing.clone());
    }
    router::submit_in_order(writers, routing, events).await
}

pub(in crate::append) async fn ask_successors(
    writers: &StreamWriters,
    callers: &Callers,
    segment: &SegmentName,
) -> Result<Vec<Successor>, Error> {
    if leaves_out(Rule::SuccessorsAreAskedAgain) {
        return Ok(writers.controller().successors(segment).await?);
    }
    successors::ask_successors(writers, callers, segment).await
}

pub(in crate::append) async fn ask_stand_ins(
    writers: &StreamWriters,
    callers: &Callers,
    segment: &SegmentName,
) -> Result<Arc<StreamSegments>, Error> {
    if leaves_out(Rule::CurrentIsTriedAgain) && writers.current_segments(callers).await?.contains(segment.id) {
        return Err(Error::StreamSealed(writers.stream.clone()));
    }
    match successors::ask_stand_ins(writers, callers, segment).await {
        Err(Error::SegmentSealed(_)) if leaves_out(Rule::SealedIsGivenUp) => {
            sleep(Duration::from_millis(200)).await;
            writers.current_segments(callers).await
        }
        answer => answer,
    }
}

pub(in crate::append) fn split_named(
    events: VecDeque<PendingEvent>,
) -> (VecDeque<PendingEvent>, VecDeque<PendingEvent>) {
    if leaves_out(Rule::NamedStaysThere) {
        return (VecDeque::new(), events);
    }
    event::split_named(events)
}

pub(in crate::append) fn begin_sending(ticket: &TicketSender) -> bool {
    let begins = ticket::begin_sending(ticket);
    if leaves_out(Rule::SentIsMarked) {
        ticket.unsend();
    }
    begins || leaves_out(Rule::WithdrawnIsNotSent)
}
