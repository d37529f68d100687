//! The owner of one segment's writer: runs its [`BlockQueue`] on connections to the segment's store.
//!
//! ```text
//!            work to send           set up
//!   Down ─────────────────▶ Opening ───────▶ Open ── SegmentIsSealed ──▶ End::Sealed ─┐
//!    ▲                       │   ▲            │  └── NoSuchSegment ────▶ End::Gone ───┴─▶ Handover
//!    │ refused, failed:      │   │ lost,      │
//!    │ all events fail ◀─────┤   │ moved,     ├── no caller and no event left ──▶ End::Idle
//!    │                       │   │ overdue    │
//!    └───────────────────────┘   └────────────┘
//! ```
//!
//! Everything that happens comes through one `select!`, and is followed by [`WriterTask::pump`], which sends what may
//! be sent and waits for nothing: where the session has no room, that comes through the `select!`, too.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pravega_protocol::stream::{SegmentId, SegmentName};
use pravega_protocol::wire::{CommandType, DataAppended, NO_VALUE, RequestId, WireCommand};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::block;
use super::block_queue::Acknowledged;
use super::callers::Callers;
use super::error::Error;
use super::event::{PendingEvent, Submission, fail};
use super::failure::Failure;
use super::recovery::{BlockQueue, Handover, Setup, failure_of};
use super::reusable_ids::ReusableId;
use super::router::{StreamWriters, WriterContext};
use super::segment_writer::SegmentWriter;
use super::setup::ReadyFlow;
use super::stalls::{STALLED_AFTER, Stall};
use super::ticket::Written;
use crate::retry::Backoff;
use crate::segment_store::{Flow, FlowStep, Lost};
use crate::telemetry::labels::StoreError;
use crate::telemetry::metrics::Metrics;

/// Submissions taken from the queue at once.
pub(super) const BATCH_SUBMISSIONS: usize = 1024;

/// How long nothing is sent before a segment may have been sealed without any sign.
const QUIET: Duration = Duration::from_millis(100);

/// How long a block waits for its acknowledgement before later ones no longer wait for it.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// How often withdrawn events are dropped.
pub(super) const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// The reply to a token that a store does not take.
const REFUSED_TOKEN: &str = "AuthTokenCheckFailed";

/// State of the connection.
enum Link {
    Down,
    Opening(BoxFuture<'static, Result<ReadyFlow, Failure>>),
    Open(Flow),
}

/// Why the writer ends.
enum End {
    /// No one can submit any more, and every event is answered.
    Idle,
    /// The segment takes no more appends.
    Sealed,
    /// The segment does not exist.
    Gone,
}

/// What happens to the writer.
enum Step {
    Submitted(usize),
    Opened(Result<ReadyFlow, Failure>),
    Reply(Result<WireCommand, Arc<Lost>>),
    Room,
    Sweep,
}

/// A block on its way.
struct SentBlock {
    last_number: i64,
    request_id: RequestId,
    at: Instant,
}

struct WriterTask {
    setup: Setup,
    id: ReusableId,
    inbox: mpsc::Receiver<Submission>,
    queue: BlockQueue<PendingEvent>,
    link: Link,
    /// Those with whose credentials the link is opened.
    callers: Callers,
    /// Callers whom the controller refused since the last set-up.
    refused: Callers,
    /// Whether a block waits for room in the session.
    wants_room: bool,
    backoff: Backoff,
    /// The blocks in flight on this connection.
    sent: VecDeque<SentBlock>,
    /// Highest number sent on any connection.
    highest_sent: i64,
    /// Highest number sent on earlier connections.
    sent_before: i64,
    /// Highest number that the store is known to have.
    highest_stored: i64,
    /// Whether a connection ended with a block on its way, which may arrive at any time.
    has_stragglers: bool,
    /// When something was heard last, or the first of the events came.
    progress_at: Instant,
    stall: Arc<Stall>,
    ack_timeout: Duration,
    stream: Weak<StreamWriters>,
    metrics: Metrics,
}

/// Starts the writer of a segment. Where it panics, the segment is left without a writer until the next caller comes.
pub(super) fn start(stream: &Arc<StreamWriters>, segment: SegmentName) -> SegmentWriter {
    let stall = stream.context.stalls.writer();
    let queued_submissions = stream.context.settings.queued_submissions;
    let (writer, inbox) = SegmentWriter::new(segment.clone(), queued_submissions, Arc::clone(&stall));
    let task = WriterTask::new(stream, segment.clone(), inbox, stall);
    let stream = Arc::downgrade(stream);
    let writing = AssertUnwindSafe(task.run()).catch_unwind();
    tokio::spawn(async move {
        if writing.await.is_err() {
            tracing::error!(segment = %segment, "the segment's writer panicked, another one will be started");
            if let Some(stream) = stream.upgrade() {
                stream.abandon(segment.id).await;
            }
        }
    });
    writer
}

impl WriterTask {
    fn new(
        stream: &Arc<StreamWriters>,
        segment: SegmentName,
        inbox: mpsc::Receiver<Submission>,
        stall: Arc<Stall>,
    ) -> Self {
        let WriterContext { store, settings, ids, metrics, .. } = stream.context.clone();
        let id = ids.take(&segment);
        Self {
            setup: Setup::new(store, segment, id.id(), settings.setup_timeout),
            queue: BlockQueue::new(settings.blocks, id.first_event_number),
            id,
            inbox,
            link: Link::Down,
            callers: Callers::default(),
            refused: Callers::default(),
            wants_room: false,
            backoff: Backoff::default(),
            sent: VecDeque::new(),
            highest_sent: NO_VALUE,
            sent_before: NO_VALUE,
            highest_stored: NO_VALUE,
            has_stragglers: false,
            progress_at: Instant::now(),
            stall,
            ack_timeout: settings.ack_timeout,
            stream: Arc::downgrade(stream),
            metrics,
        }
    }

    async fn run(mut self) {
        let end = self.write().await;
        self.stall.set(None);
        match end {
            End::Idle => {
                self.assert_idle();
                self.leave_connection();
                if !self.has_stragglers {
                    self.id.give_back(self.highest_sent.max(self.highest_stored));
                }
            }
            End::Sealed => {
                if let Some(stream) = self.stream.upgrade() {
                    stream.retried.note_sealed(self.setup.segment.id);
                }
                let mut handover = self.into_handover();
                handover.settle_final_number().await;
                handover.hand_over().await;
            }
            End::Gone => self.into_handover().hand_over().await,
        }
    }

    fn assert_idle(&self) {
        assert!(!self.queue.has_work(), "every event is answered");
        assert!(self.sent.is_empty(), "no block is in flight");
        assert!(self.inbox.is_empty(), "no submission is left");
    }

    fn into_handover(self) -> Handover {
        Handover::new(self.setup, self.inbox, self.queue, self.stream, self.metrics)
    }

    async fn write(&mut self) -> End {
        let mut batch = Vec::with_capacity(BATCH_SUBMISSIONS);
        let mut open_for_more = true;
        let mut sweeps = interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_work = self.queue.has_work();
            if !open_for_more && !has_work {
                return End::Idle;
            }
            // Biased so that a simulated schedule can be repeated. No arm starves those below it: sweeps come twice a
            // second, and replies only to what was sent, which the blocks in flight bound.
            let step = tokio::select! {
                biased;
                _ = sweeps.tick(), if has_work => Step::Sweep,
                step = self.link.step(self.wants_room) => step,
                count = self.inbox.recv_many(&mut batch, BATCH_SUBMISSIONS), if open_for_more => Step::Submitted(count),
            };
            let ended = match step {
                Step::Submitted(0) => {
                    open_for_more = false;
                    None
                }
                Step::Submitted(_) => {
                    if !has_work {
                        if self.progress_at.elapsed() >= QUIET {
                            self.queue.begin_alone();
                        }
                        self.progressed();
                    }
                    batch.drain(..).flatten().for_each(|event| self.queue.push(event));
                    None
                }
                Step::Opened(opened) => self.on_opened(opened),
                Step::Reply(reply) => self.on_reply(reply),
                Step::Room => None,
                Step::Sweep => {
                    self.sweep();
                    None
                }
            };
            if let Some(end) = ended {
                return end;
            }
            self.pump();
        }
    }

    /// Sends what may be sent, and connects where there is something to send.
    fn pump(&mut self) {
        if matches!(self.link, Link::Down) && self.queue.has_work() {
            self.open_link(Duration::ZERO);
        }
        let Link::Open(flow) = &mut self.link else {
            return;
        };
        self.wants_room = false;
        self.queue.set_slow(self.sent.front().is_some_and(|block| block.at.elapsed() >= SLOW_AFTER));
        if flow.is_ending() {
            return self.move_on();
        }
        while self.queue.has_next_block() {
            if !flow.has_room() {
                self.wants_room = true;
                return;
            }
            let Some(block) = self.queue.next_block() else { break };
            let request_id = flow.next_request_id();
            let payloads = block.events.iter().map(|event| &event.event.payload);
            let frames =
                block::encode(self.setup.writer_id, block.last_number, request_id, block.framed_bytes, payloads);
            self.sent.push_back(SentBlock { last_number: block.last_number, request_id, at: Instant::now() });
            if block.last_number > self.highest_sent {
                self.highest_sent = block.last_number;
                self.metrics.append_block_events.observe(block.events.len() as f64);
                self.metrics.append_block_bytes.observe(block.framed_bytes as f64);
            } else {
                self.metrics.append_resent_blocks.inc();
            }
            flow.send_now(frames);
        }
        flow.let_go_of_room();
    }

    fn on_opened(&mut self, opened: Result<ReadyFlow, Failure>) -> Option<End> {
        match opened {
            Ok(ReadyFlow { flow, last_number }) => {
                self.metrics.append_set_ups.inc();
                self.highest_stored = self.highest_stored.max(last_number);
                let stored = self.queue.on_setup(last_number);
                self.acknowledge(stored);
                self.sent_before = self.highest_sent;
                (self.callers, self.refused) = Default::default();
                self.queue.begin_alone();
                self.progressed();
                self.link = Link::Open(flow);
                None
            }
            Err(failure) => {
                if let Some(error) = failure.of_store() {
                    self.metrics.store_failed(error);
                }
                self.on_failure(failure)
            }
        }
    }

    fn on_reply(&mut self, reply: Result<WireCommand, Arc<Lost>>) -> Option<End> {
        self.count_failure(&reply);
        match reply {
            Ok(WireCommand::DataAppended(ack)) => {
                self.on_ack(&ack);
                None
            }
            Ok(other) => {
                let failure = failure_of(&other);
                if matches!(failure, Failure::Refused(_) | Failure::Failed(_)) {
                    self.on_refused_block(other.request_id());
                }
                self.on_failure(failure)
            }
            Err(_) => self.on_failure(Failure::Disconnected),
        }
    }

    /// The end of a connection on which nothing was awaited is no failure.
    fn count_failure(&self, reply: &Result<WireCommand, Arc<Lost>>) {
        match reply {
            Ok(reply) => self.setup.store.count_reply(&[CommandType::DataAppended], reply),
            Err(lost) if self.queue.has_work() => self.setup.store.count_error(&lost.clone().into()),
            Err(_) => {}
        }
    }

    fn on_ack(&mut self, ack: &DataAppended) {
        let DataAppended { event_number, previous_event_number, current_segment_write_offset, .. } = ack;
        match self.queue.on_ack(event_number.0, previous_event_number.0, current_segment_write_offset.0) {
            Ok(acknowledged) => {
                self.backoff.reset();
                self.progressed();
                self.highest_stored = self.highest_stored.max(event_number.0);
                self.measure(event_number.0);
                self.acknowledge(acknowledged);
            }
            Err(unknown) => {
                tracing::warn!(segment = %self.setup.segment, error = %unknown, "reconnecting");
                self.reconnect();
            }
        }
    }

    /// A block that was refused is not stored, nor is one behind it, as each follows the number of the one before. One
    /// that was sent on an earlier connection, too, may be stored from there.
    fn on_refused_block(&mut self, request_id: Option<RequestId>) {
        let refused = self.sent.iter().find(|block| Some(block.request_id) == request_id);
        if let Some(refused) = refused.filter(|block| block.last_number > self.sent_before) {
            self.queue.unsend_from(refused.last_number);
        }
    }

    fn on_failure(&mut self, failure: Failure) -> Option<End> {
        if failure.is_refusal() && self.has_others_than_refused(&failure) {
            self.reconnect();
            return None;
        }
        match failure {
            Failure::Sealed => return Some(End::Sealed),
            Failure::Gone => return Some(End::Gone),
            Failure::Disconnected => self.reconnect(),
            Failure::Moved => {
                self.setup.forget_endpoint();
                self.reconnect();
            }
            Failure::Refused(reason) => self.fail_all(|segment, may_have_been_written| Error::Refused {
                segment: segment.clone(),
                reason,
                may_have_been_written,
            }),
            Failure::Failed(message) => self.fail_all(|segment, may_have_been_written| Error::Failed {
                segment: segment.clone(),
                message: Arc::clone(&message),
                may_have_been_written,
            }),
            Failure::Unreachable(error) => {
                self.fail_all(|_, may_have_been_written| Error::Store { error: error.clone(), may_have_been_written })
            }
        }
        None
    }

    fn progressed(&mut self) {
        self.progress_at = Instant::now();
        self.stall.set(None);
    }

    /// Drops withdrawn events, and a connection on which an acknowledgement is overdue.
    fn sweep(&mut self) {
        self.queue.sweep();
        if self.progress_at.elapsed() >= STALLED_AFTER {
            self.stall.set(Some(self.queue.framed_bytes()));
        }
        if self.sent.front().is_some_and(|block| block.at.elapsed() > self.ack_timeout) {
            tracing::warn!(segment = %self.setup.segment, "an acknowledgement is overdue, reconnecting");
            self.metrics.store_failed(StoreError::TimedOut);
            self.reconnect();
        }
    }

    fn measure(&mut self, number: i64) {
        while let Some(block) = self.sent.pop_front_if(|block| block.last_number <= number) {
            self.metrics.append_blocks.inc();
            self.metrics.append_ack_seconds.observe(block.at.elapsed().as_secs_f64());
        }
    }

    fn acknowledge(&self, acknowledged: Vec<Acknowledged<PendingEvent>>) {
        acknowledge(acknowledged, self.setup.segment.id, &self.metrics);
    }

    /// Gives the connection up; the next one begins after a pause that grows until an acknowledgement comes.
    fn reconnect(&mut self) {
        self.leave_connection();
        self.queue.on_disconnect();
        self.sent.clear();
        self.link = Link::Down;
        if self.queue.has_work() {
            let delay = self.backoff.next_delay();
            self.open_link(delay);
        } else {
            (self.callers, self.refused) = Default::default();
        }
    }

    fn open_link(&mut self, delay: Duration) {
        self.callers = Callers::of(self.queue.events(), &self.refused);
        if self.callers.is_empty() {
            // Who comes again may have got the right back.
            self.refused = Callers::default();
            self.callers = Callers::of(self.queue.events(), &self.refused);
        }
        self.link = Link::opening(self.setup.clone(), self.callers.clone(), delay);
    }

    /// Leaves a connection that the store will close, once everything that was sent on it is acknowledged.
    fn move_on(&mut self) {
        if self.sent.is_empty() && self.queue.has_work() {
            self.queue.on_disconnect();
            self.open_link(Duration::ZERO);
        }
    }

    /// Answers the events of callers who were refused and that were never sent. Returns whether there are others, who may
    /// have more luck.
    fn has_others_than_refused(&mut self, failure: &Failure) -> bool {
        let segment = self.setup.segment.clone();
        let error = match failure {
            Failure::Unreachable(error) => Error::Store { error: error.clone(), may_have_been_written: false },
            _ => Error::Refused { segment, reason: REFUSED_TOKEN, may_have_been_written: false },
        };
        self.refused.add_all(std::mem::take(&mut self.callers));
        let refused = &self.refused;
        fail(self.queue.take_waiting(|event| refused.include(&event.event.caller)), &error);
        !Callers::of(self.queue.events(), &self.refused).is_empty()
    }

    /// Takes note of what is on its way on the connection.
    fn leave_connection(&mut self) {
        self.has_stragglers |= self.highest_stored < self.highest_sent;
    }

    /// Gives the connection up and answers every event with an error, made from the segment and whether the event may
    /// have been written.
    fn fail_all(&mut self, error: impl Fn(&SegmentName, bool) -> Error) {
        self.leave_connection();
        self.link = Link::Down;
        (self.callers, self.refused) = Default::default();
        self.sent.clear();
        self.stall.set(None);
        let (sent, waiting) = self.queue.drain();
        let segment = &self.setup.segment;
        sent.into_iter().chain(waiting).for_each(|event| {
            let may_have_been_written = event.ticket.was_sent();
            event.ticket.resolve(Err(error(segment, may_have_been_written)));
        });
    }
}

/// Answers events that are stored.
pub(super) fn acknowledge(stored: Vec<Acknowledged<PendingEvent>>, segment: SegmentId, metrics: &Metrics) {
    for Acknowledged { event, place } in stored {
        metrics.append_events.inc();
        metrics.append_bytes.inc_by(event.event.payload.len() as u64);
        event.ticket.resolve(Ok(Written { segment, place }));
    }
}

impl Link {
    fn opening(setup: Setup, callers: Callers, delay: Duration) -> Self {
        Self::Opening(Box::pin(async move {
            sleep(delay).await;
            setup.open(&callers).await
        }))
    }

    /// The next step of the connection; pending while there is no connection.
    async fn step(&mut self, wants_room: bool) -> Step {
        match self {
            Self::Down => std::future::pending().await,
            Self::Opening(opening) => Step::Opened(opening.await),
            Self::Open(flow) => match flow.step(wants_room).await {
                FlowStep::Reply(reply) => Step::Reply(reply),
                FlowStep::Room => Step::Room,
            },
        }
    }
}
