//! The owner of one segment's writer: runs the machine against a session of the store.

use std::sync::Weak;
use std::time::Duration;

use bytes::BytesMut;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::block;
use super::error::Error;
use super::event::PendingEvent;
use super::machine::{Done, Limits, Machine};
use super::stream::Shared;
use super::ticket::Written;
use crate::retry::Backoff;
use crate::segment_store::{self, Flow, Purpose, SegmentStore};
use crate::stream::SegmentName;
use crate::telemetry::metrics::Metrics;
use crate::wire::{
    Command as _, DataAppended, DelegationToken, GetStreamSegmentInfo, JavaStr, RequestId, Segment, SetupAppend,
    WireCommand, WriterId,
};

/// Events taken from the queue at once.
const BATCH_EVENTS: usize = 1024;

/// How often events that nobody waits for any more are let go.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// Longest wait for the answer to SetupAppend; then another session is tried.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

/// One segment's writer and what it needs.
pub(super) struct Task {
    pub(super) segment: SegmentName,
    pub(super) inbox: mpsc::Receiver<PendingEvent>,
    pub(super) store: SegmentStore,
    pub(super) stream: Weak<Shared>,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
}

/// Where the connection stands.
enum Link {
    Down,
    Opening(BoxFuture<'static, Result<Opened, OpenError>>),
    Open(Flow),
}

/// A flow on which the writer is set up.
struct Opened {
    flow: Flow,
    last_number: i64,
}

enum OpenError {
    /// Worth another try.
    Retry,
    /// Worth another try, at the place that the controller names then.
    Moved,
    /// The segment is not there.
    Gone,
    /// The store says no.
    Refused(&'static str),
    /// Nobody can be reached.
    Unreachable(segment_store::Error),
}

/// Why the writer ends.
enum End {
    /// Nobody can submit any more and all is answered.
    Idle,
    /// The segment takes no more appends.
    Sealed,
    /// The segment is not there.
    Gone,
}

enum Step {
    Submitted(usize),
    Opened(Result<Opened, OpenError>),
    Reply(Result<WireCommand, std::sync::Arc<segment_store::Lost>>),
    Sweep,
}

struct Writer {
    task: Task,
    writer_id: WriterId,
    machine: Machine<PendingEvent>,
    link: Link,
    backoff: Backoff,
    sent_at: std::collections::VecDeque<(i64, Instant)>,
}

pub(super) fn spawn(task: Task) {
    let machine = Machine::new(task.limits);
    let writer_id = WriterId(Uuid::new_v4());
    let writer =
        Writer { task, writer_id, machine, link: Link::Down, backoff: Backoff::default(), sent_at: Default::default() };
    tokio::spawn(writer.run());
}

impl Writer {
    async fn run(mut self) {
        match self.write().await {
            End::Idle => {}
            End::Sealed => {
                self.settle_final_number().await;
                self.hand_over().await;
            }
            End::Gone => self.hand_over().await,
        }
    }

    async fn write(&mut self) -> End {
        let mut batch = Vec::with_capacity(BATCH_EVENTS);
        let mut open_for_more = true;
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_work = self.machine.has_work();
            if !open_for_more && !has_work {
                return End::Idle;
            }
            let step = tokio::select! {
                count = self.task.inbox.recv_many(&mut batch, BATCH_EVENTS), if open_for_more => Step::Submitted(count),
                step = self.link.step() => step,
                _ = sweeps.tick(), if has_work => Step::Sweep,
            };
            let ended = match step {
                Step::Submitted(0) => {
                    open_for_more = false;
                    None
                }
                Step::Submitted(_) => {
                    batch.drain(..).for_each(|event| self.machine.push(event));
                    None
                }
                Step::Opened(opened) => self.opened(opened),
                Step::Reply(reply) => self.replied(reply),
                Step::Sweep => {
                    self.machine.sweep();
                    None
                }
            };
            if let Some(end) = ended {
                return end;
            }
            self.pump().await;
        }
    }

    /// Sends what may be sent, and connects where there is something to send.
    async fn pump(&mut self) {
        if matches!(self.link, Link::Down) && self.machine.has_work() {
            self.link = self.task.opening(self.writer_id, Duration::ZERO);
        }
        let Link::Open(flow) = &mut self.link else {
            return;
        };
        while let Some(block) = self.machine.next_block() {
            let request_id = flow.next_request_id();
            let payloads = block.items.iter().map(|item| &item.event.payload);
            let frames = block::encode(self.writer_id, block.last_number, request_id, block.framed_bytes, payloads);
            self.task.metrics.append_blocks.inc();
            self.sent_at.push_back((block.last_number, Instant::now()));
            // A session that has ended says so to the next receive.
            if flow.send(frames).await.is_err() {
                return;
            }
        }
    }

    fn opened(&mut self, opened: Result<Opened, OpenError>) -> Option<End> {
        self.link = Link::Down;
        match opened {
            Ok(Opened { flow, last_number }) => {
                self.sent_at.clear();
                let done = self.machine.set_up(last_number);
                self.acknowledge(done);
                self.link = Link::Open(flow);
                None
            }
            Err(OpenError::Gone) => Some(End::Gone),
            Err(OpenError::Retry) => self.reopen(),
            Err(OpenError::Moved) => {
                self.task.store.moved(&self.task.segment);
                self.reopen()
            }
            Err(OpenError::Refused(reason)) => self.refuse_all(reason),
            Err(OpenError::Unreachable(error)) => {
                let store = |written| Error::Store { error: error.clone(), may_have_been_written: written };
                self.fail_all(&store)
            }
        }
    }

    fn replied(&mut self, reply: Result<WireCommand, std::sync::Arc<segment_store::Lost>>) -> Option<End> {
        match reply {
            Ok(WireCommand::DataAppended(ack)) => self.acked(&ack),
            Ok(WireCommand::SegmentIsSealed(_)) => Some(End::Sealed),
            Ok(WireCommand::NoSuchSegment(_)) => Some(End::Gone),
            Ok(WireCommand::InvalidEventNumber(_)) | Err(_) => self.reopen(),
            Ok(WireCommand::WrongHost(_)) => {
                self.task.store.moved(&self.task.segment);
                self.reopen()
            }
            Ok(other) => {
                let reason = other.command_type().info().name;
                self.machine.lost();
                self.link = Link::Down;
                self.refuse_all(reason)
            }
        }
    }

    fn acked(&mut self, ack: &DataAppended) -> Option<End> {
        let DataAppended { event_number, previous_event_number, current_segment_write_offset, .. } = ack;
        match self.machine.acked(event_number.0, previous_event_number.0, current_segment_write_offset.0) {
            Ok(done) => {
                self.backoff.reset();
                self.measure(event_number.0);
                self.acknowledge(done);
                None
            }
            Err(violation) => {
                tracing::warn!(segment = %self.task.segment, error = %violation, "reconnecting");
                self.reopen()
            }
        }
    }

    fn measure(&mut self, number: i64) {
        while let Some((_, sent_at)) = self.sent_at.pop_front_if(|(last_number, _)| *last_number <= number) {
            self.task.metrics.append_ack_seconds.observe(sent_at.elapsed().as_secs_f64());
        }
    }

    fn acknowledge(&self, done: Vec<Done<PendingEvent>>) {
        let segment = self.task.segment.id;
        for Done { item, place } in done {
            self.task.metrics.append_events.inc();
            self.task.metrics.append_bytes.inc_by(item.event.payload.len() as u64);
            item.stub.resolve(Ok(Written { segment, place }));
        }
    }

    /// Gives the connection up; the next one begins after a pause that grows until an acknowledgement comes.
    fn reopen(&mut self) -> Option<End> {
        self.machine.lost();
        self.link = match self.machine.has_work() {
            true => self.task.opening(self.writer_id, self.backoff.next_delay()),
            false => Link::Down,
        };
        None
    }

    fn refuse_all(&mut self, reason: &'static str) -> Option<End> {
        let segment = self.task.segment.clone();
        let refused =
            |may_have_been_written| Error::Refused { segment: segment.clone(), reason, may_have_been_written };
        self.fail_all(&refused)
    }

    fn fail_all(&mut self, error: &dyn Fn(bool) -> Error) -> Option<End> {
        let (sent, waiting) = self.machine.drain();
        sent.into_iter().for_each(|event| event.stub.resolve(Err(error(true))));
        waiting.into_iter().for_each(|event| {
            let written = event.stub.was_sent();
            event.stub.resolve(Err(error(written)));
        });
        None
    }

    /// After a seal, waits until the number of the writer's last stored event is final: the seal can be told before
    /// earlier appends are committed. Source: StreamSegmentContainer.java, OperationProcessor.java.
    async fn settle_final_number(&mut self) {
        if !self.machine.has_in_flight() {
            return;
        }
        self.machine.lost();
        self.link = Link::Down;
        let mut backoff = Backoff::default();
        while self.machine.has_in_flight() {
            if let Ok(Some(last_number)) = self.task.final_number(self.writer_id).await {
                let done = self.machine.set_up(last_number);
                self.acknowledge(done);
                return;
            }
            tokio::time::sleep(backoff.next_delay()).await;
            self.machine.lost();
        }
    }

    /// Gives everything that is not stored here to the segments that follow. What was sent to a segment that is gone
    /// is gone with it.
    async fn hand_over(mut self) {
        self.link = Link::Down;
        self.task.inbox.close();
        while let Some(event) = self.task.inbox.recv().await {
            self.machine.push(event);
        }
        let (sent, waiting) = self.machine.drain();
        sent.iter().for_each(|event| event.stub.unsend());
        let events = sent.into_iter().chain(waiting).collect();
        match self.task.stream.upgrade() {
            Some(stream) => stream.reroute(&self.task.segment, events).await,
            None => drop(events),
        }
    }
}

impl Link {
    /// What comes next from the connection; never, while there is none.
    async fn step(&mut self) -> Step {
        match self {
            Self::Down => std::future::pending().await,
            Self::Opening(opening) => Step::Opened(opening.await),
            Self::Open(flow) => Step::Reply(flow.receive().await),
        }
    }
}

impl Task {
    fn opening(&self, writer_id: WriterId, delay: Duration) -> Link {
        let (store, segment) = (self.store.clone(), self.segment.clone());
        Link::Opening(Box::pin(async move {
            tokio::time::sleep(delay).await;
            open(&store, &segment, writer_id).await
        }))
    }

    /// The last stored number of the writer once the segment says that it is sealed; `None` while it does not.
    async fn final_number(&self, writer_id: WriterId) -> Result<Option<i64>, OpenError> {
        let info = |request_id| GetStreamSegmentInfo {
            request_id,
            segment_name: segment_field(&self.segment),
            delegation_token: DelegationToken::none(),
        };
        match self.store.call(&self.segment, info).await.map_err(OpenError::Unreachable)? {
            WireCommand::StreamSegmentInfo(info) if info.is_sealed => {
                open(&self.store, &self.segment, writer_id).await.map(|opened| Some(opened.last_number))
            }
            WireCommand::NoSuchSegment(_) => Err(OpenError::Gone),
            _ => Ok(None),
        }
    }
}

fn segment_field(segment: &SegmentName) -> Segment {
    Segment(JavaStr::new(segment.to_string()).expect("names are far shorter than 65,535 bytes"))
}

/// Sets the writer up on a session of the segment's store.
async fn open(store: &SegmentStore, segment: &SegmentName, writer_id: WriterId) -> Result<Opened, OpenError> {
    let session = store.session(segment, Purpose::Append).await.map_err(OpenError::Unreachable)?;
    let mut flow = session.open_flow().await.map_err(|_| OpenError::Retry)?;
    let request_id = flow.next_request_id();
    let mut frame = BytesMut::new();
    setup(segment, writer_id, request_id).encode_frame(&mut frame);
    flow.send(frame.freeze()).await.map_err(|_| OpenError::Retry)?;
    let reply = tokio::time::timeout(SETUP_TIMEOUT, flow.receive()).await;
    match reply.map_err(|_| OpenError::Retry)?.map_err(|_| OpenError::Retry)? {
        WireCommand::AppendSetup(setup) => Ok(Opened { flow, last_number: setup.last_event_number.0 }),
        WireCommand::WrongHost(_) => Err(OpenError::Moved),
        WireCommand::NoSuchSegment(_) => Err(OpenError::Gone),
        other => Err(OpenError::Refused(other.command_type().info().name)),
    }
}

fn setup(segment: &SegmentName, writer_id: WriterId, request_id: RequestId) -> SetupAppend {
    let delegation_token = DelegationToken::none();
    SetupAppend { request_id, writer_id, segment: segment_field(segment), delegation_token }
}
