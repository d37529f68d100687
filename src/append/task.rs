//! The owner of one segment's writer: runs the machine against a session of the store.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::{
    Command, CommandType, DataAppended, DelegationToken, GetStreamSegmentInfo, NO_VALUE, ServerErrorCode, SetupAppend,
    WireCommand, WriterId,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::block;
use super::error::Error;
use super::event::{PendingEvent, Submission};
use super::machine::{Done, Limits, Machine};
use super::rules::{self, Rule};
use super::stream::Shared;
use super::ticket::Written;
use crate::random;
use crate::retry::Backoff;
use crate::segment_store::{self, Flow, Lost, Purpose, SegmentStore, wire_name};
use crate::telemetry::labels::StoreError;
use crate::telemetry::metrics::Metrics;

/// Submissions taken from the queue at once.
const BATCH_SUBMISSIONS: usize = 1024;

/// How often events that nobody waits for any more are let go.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// Longest wait for the answer to SetupAppend; then another session is tried.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for an acknowledgement; the store itself gives an append up after 60 s and closes the connection.
const ACK_TIMEOUT: Duration = Duration::from_secs(75);

/// Event numbers that a store may tell: anything else would run over before the segment is full.
const PLAUSIBLE_NUMBERS: RangeInclusive<i64> = 0..=i64::MAX / 2;

/// One segment's writer and what it needs.
pub(super) struct Task {
    pub(super) segment: SegmentName,
    pub(super) inbox: mpsc::Receiver<Submission>,
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
    /// The store can't for now, and says why.
    Failed(Arc<str>),
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
    Reply(Result<WireCommand, Arc<Lost>>),
    Sweep,
}

struct Writer {
    task: Task,
    writer_id: WriterId,
    machine: Machine<PendingEvent>,
    link: Link,
    backoff: Backoff,
    /// Last number of each block in flight, and when it was sent.
    sent_at: VecDeque<(i64, Instant)>,
    /// Highest number that was ever sent.
    highest_sent: i64,
}

pub(super) fn spawn(task: Task) {
    let (stream, segment) = (task.stream.clone(), task.segment.clone());
    let writing = AssertUnwindSafe(Writer::new(task).run()).catch_unwind();
    tokio::spawn(async move {
        if writing.await.is_err() {
            tracing::error!(segment = %segment, "the segment's writer panicked, another one will be started");
            if let Some(stream) = stream.upgrade() {
                stream.abandon(segment.id).await;
            }
        }
    });
}

impl Writer {
    fn new(task: Task) -> Self {
        let machine = Machine::new(task.limits);
        let writer_id = WriterId(random::fresh_id());
        Self {
            task,
            writer_id,
            machine,
            link: Link::Down,
            backoff: Backoff::default(),
            sent_at: VecDeque::new(),
            highest_sent: NO_VALUE,
        }
    }

    async fn run(mut self) {
        match self.write().await {
            End::Idle => {}
            End::Sealed => {
                if rules::holds(Rule::FinalNumberComesFirst) {
                    self.settle_final_number().await;
                }
                self.hand_over().await;
            }
            End::Gone => self.hand_over().await,
        }
    }

    async fn write(&mut self) -> End {
        let mut batch = Vec::with_capacity(BATCH_SUBMISSIONS);
        let mut open_for_more = true;
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_work = self.machine.has_work();
            if !open_for_more && !has_work {
                return End::Idle;
            }
            // In order, so that a simulation runs the same way again. Nothing starves what stands below it: sweeps come
            // twice a second, and replies only to what was sent, which the blocks in flight bound.
            let step = tokio::select! {
                biased;
                _ = sweeps.tick(), if has_work => Step::Sweep,
                step = self.link.step() => step,
                count = self.task.inbox.recv_many(&mut batch, BATCH_SUBMISSIONS), if open_for_more => Step::Submitted(count),
            };
            let ended = match step {
                Step::Submitted(0) => {
                    open_for_more = false;
                    None
                }
                Step::Submitted(_) => {
                    batch.drain(..).flatten().for_each(|event| self.machine.push(event));
                    None
                }
                Step::Opened(opened) => self.opened(opened),
                Step::Reply(reply) => self.replied(reply),
                Step::Sweep => {
                    self.sweep();
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
            self.sent_at.push_back((block.last_number, Instant::now()));
            if block.last_number > self.highest_sent {
                self.highest_sent = block.last_number;
                self.task.metrics.append_block_events.observe(block.items.len() as f64);
                self.task.metrics.append_block_bytes.observe(block.framed_bytes as f64);
            } else {
                self.task.metrics.append_resent_blocks.inc();
            }
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
                self.task.metrics.append_set_ups.inc();
                let done = self.machine.set_up(last_number);
                self.acknowledge(done);
                self.link = Link::Open(flow);
            }
            Err(error) => return self.not_opened(error),
        }
        None
    }

    fn not_opened(&mut self, error: OpenError) -> Option<End> {
        if let Some(error) = error.of_store() {
            self.task.metrics.store_failed(error);
        }
        match error {
            OpenError::Gone => return Some(End::Gone),
            OpenError::Retry => self.reopen(),
            OpenError::Moved => self.reopen_elsewhere(),
            OpenError::Refused(reason) => self.refuse_all(reason),
            OpenError::Failed(message) => self.fail_all_with(&message),
            OpenError::Unreachable(error) => {
                self.fail_all(|written| Error::Store { error: error.clone(), may_have_been_written: written });
            }
        }
        None
    }

    fn replied(&mut self, reply: Result<WireCommand, Arc<Lost>>) -> Option<End> {
        self.count_failure(&reply);
        match reply {
            Ok(WireCommand::DataAppended(ack)) => self.acked(&ack),
            Ok(WireCommand::SegmentIsSealed(_)) => return Some(End::Sealed),
            Ok(WireCommand::NoSuchSegment(_)) => return Some(End::Gone),
            Ok(WireCommand::InvalidEventNumber(_)) if rules::holds(Rule::ConflictIsSetUpAnew) => self.reopen(),
            Err(_) => self.reopen(),
            Ok(WireCommand::WrongHost(_)) => self.reopen_elsewhere(),
            Ok(WireCommand::ErrorMessage(error)) if error.error_code != ServerErrorCode::ILLEGAL_ARGUMENT => {
                self.machine.lost();
                self.link = Link::Down;
                self.fail_all_with(&Arc::from(error.message.as_str()));
            }
            Ok(other) => {
                self.machine.lost();
                self.link = Link::Down;
                self.refuse_all(other.command_type().info().name);
            }
        }
        None
    }

    /// The end of a connection on which nothing was awaited harms nobody.
    fn count_failure(&self, reply: &Result<WireCommand, Arc<Lost>>) {
        match reply {
            Ok(reply) => self.task.store.count_reply(&[CommandType::DataAppended], reply),
            Err(lost) if self.machine.has_work() => self.task.store.count_error(&lost.clone().into()),
            Err(_) => {}
        }
    }

    fn acked(&mut self, ack: &DataAppended) {
        let DataAppended { event_number, previous_event_number, current_segment_write_offset, .. } = ack;
        match self.machine.acked(event_number.0, previous_event_number.0, current_segment_write_offset.0) {
            Ok(done) => {
                self.backoff.reset();
                self.measure(event_number.0);
                self.acknowledge(done);
            }
            Err(violation) => {
                tracing::warn!(segment = %self.task.segment, error = %violation, "reconnecting");
                self.reopen();
            }
        }
    }

    /// Lets go of events that nobody waits for, and of a connection on which an acknowledgement is overdue.
    fn sweep(&mut self) {
        self.machine.sweep();
        let is_overdue = self.sent_at.front().is_some_and(|(_, sent_at)| sent_at.elapsed() > ACK_TIMEOUT);
        if is_overdue && rules::holds(Rule::AckIsNotAwaitedForEver) {
            tracing::warn!(segment = %self.task.segment, "an acknowledgement is overdue, reconnecting");
            self.task.metrics.store_failed(StoreError::TimedOut);
            self.reopen();
        }
    }

    fn measure(&mut self, number: i64) {
        while let Some((_, sent_at)) = self.sent_at.pop_front_if(|(last_number, _)| *last_number <= number) {
            self.task.metrics.append_blocks.inc();
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
    fn reopen(&mut self) {
        self.machine.lost();
        self.sent_at.clear();
        self.link = match self.machine.has_work() {
            true => self.task.opening(self.writer_id, self.backoff.next_delay()),
            false => Link::Down,
        };
    }

    fn reopen_elsewhere(&mut self) {
        moved(&self.task.store, &self.task.segment);
        self.reopen();
    }

    fn refuse_all(&mut self, reason: &'static str) {
        let segment = self.task.segment.clone();
        self.fail_all(|may_have_been_written| Error::Refused {
            segment: segment.clone(),
            reason,
            may_have_been_written,
        });
    }

    fn fail_all_with(&mut self, message: &Arc<str>) {
        let segment = self.task.segment.clone();
        self.fail_all(|may_have_been_written| Error::Failed {
            segment: segment.clone(),
            message: Arc::clone(message),
            may_have_been_written,
        });
    }

    fn fail_all(&mut self, error: impl Fn(bool) -> Error) {
        self.sent_at.clear();
        let (sent, waiting) = self.machine.drain();
        sent.into_iter().for_each(|event| event.stub.resolve(Err(error(true))));
        waiting.into_iter().for_each(|event| {
            let written = event.stub.was_sent();
            event.stub.resolve(Err(error(written)));
        });
    }

    /// After a seal, waits until the number of the writer's last stored event is final: the seal can be told before
    /// earlier appends are committed. Source: StreamSegmentContainer.java, OperationProcessor.java.
    async fn settle_final_number(&mut self) {
        self.machine.lost();
        self.link = Link::Down;
        let mut backoff = Backoff::default();
        while self.machine.has_in_flight() {
            let (store, segment) = (self.task.store.clone(), self.task.segment.clone());
            let asking = final_number(store, segment, self.writer_id);
            match self.meanwhile(tokio::time::timeout(SETUP_TIMEOUT, asking)).await {
                Ok(Ok(Some(last_number))) => {
                    let done = self.machine.set_up(last_number);
                    return self.acknowledge(done);
                }
                Ok(Err(OpenError::Gone)) => return,
                _ => self.meanwhile(tokio::time::sleep(backoff.next_delay())).await,
            }
            self.machine.lost();
        }
    }

    /// Gives everything that is not stored here to the segments that follow. What was sent to a segment that is gone
    /// is gone with it. The writer closes when its turn has come, not before: a caller who finds it closed may rely on
    /// the next routing to hold everything that came earlier.
    async fn hand_over(mut self) {
        self.link = Link::Down;
        let Some(stream) = self.task.stream.upgrade() else {
            return;
        };
        if !rules::holds(Rule::QueueClosesInTurn) {
            self.task.inbox.close();
        }
        let turn = self.meanwhile(stream.turn()).await;
        self.task.inbox.close();
        while let Some(submission) = self.task.inbox.recv().await {
            submission.into_iter().for_each(|event| self.machine.push(event));
        }
        let (sent, waiting) = self.machine.drain();
        sent.iter().for_each(|event| event.stub.unsend());
        self.task.metrics.append_handovers.inc();
        let in_order = if rules::holds(Rule::SentGoesFirst) { [sent, waiting] } else { [waiting, sent] };
        stream.reroute(turn, &self.task.segment, in_order.into_iter().flatten().collect()).await;
    }

    /// Waits for something while events go on coming in, so that nobody who submits has to wait for it, and those who
    /// leave are let go.
    async fn meanwhile<T>(&mut self, something: impl Future<Output = T>) -> T {
        let mut something = std::pin::pin!(something);
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        let mut batch = Vec::new();
        loop {
            // In order, for the same reason as above, with what comes without end at the end.
            tokio::select! {
                biased;
                done = &mut something => return done,
                _ = sweeps.tick() => self.machine.sweep(),
                count = self.task.inbox.recv_many(&mut batch, BATCH_SUBMISSIONS), if !self.task.inbox.is_closed() => {
                    tracing::trace!(count, "events came in meanwhile");
                    batch.drain(..).flatten().for_each(|event| self.machine.push(event));
                }
            }
        }
    }
}

impl OpenError {
    /// What the store is to be blamed for, unless that was counted where it was tried.
    fn of_store(&self) -> Option<StoreError> {
        match self {
            Self::Retry => Some(StoreError::Lost),
            Self::Moved => Some(StoreError::Reply(CommandType::WrongHost)),
            Self::Gone => Some(StoreError::Reply(CommandType::NoSuchSegment)),
            Self::Refused(reply) => CommandType::from_name(reply).map(StoreError::Reply),
            Self::Failed(_) => Some(StoreError::Reply(CommandType::ErrorMessage)),
            Self::Unreachable(_) => None,
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
}

/// Sets the writer up on a session of the segment's store.
async fn open(store: &SegmentStore, segment: &SegmentName, writer_id: WriterId) -> Result<Opened, OpenError> {
    set_up(open_flow(store, segment).await?, segment, writer_id).await
}

async fn open_flow(store: &SegmentStore, segment: &SegmentName) -> Result<Flow, OpenError> {
    let session = store.session(segment, Purpose::Append).await.map_err(OpenError::Unreachable)?;
    session.open_flow().await.map_err(|_| OpenError::Retry)
}

/// Forgets where the segment was.
fn moved(store: &SegmentStore, segment: &SegmentName) {
    if rules::holds(Rule::PlaceIsAskedAnew) {
        store.forget_endpoint(segment);
    }
}

/// The last stored number of the writer, asked on the connection on which the segment says that it is sealed; `None`
/// while it does not.
async fn final_number(
    store: SegmentStore,
    segment: SegmentName,
    writer_id: WriterId,
) -> Result<Option<i64>, OpenError> {
    let mut flow = open_flow(&store, &segment).await?;
    let question = GetStreamSegmentInfo {
        request_id: flow.next_request_id(),
        segment_name: wire_name(&segment),
        delegation_token: DelegationToken::none(),
    };
    match ask(&mut flow, question).await? {
        WireCommand::StreamSegmentInfo(info) if info.is_sealed || !rules::holds(Rule::SealedBeforeFinal) => {
            if !rules::holds(Rule::FinalOnOneConnection) {
                moved(&store, &segment);
                flow = open_flow(&store, &segment).await?;
            }
            set_up(flow, &segment, writer_id).await.map(|opened| Some(opened.last_number))
        }
        WireCommand::StreamSegmentInfo(_) => Ok(None),
        WireCommand::NoSuchSegment(_) => Err(OpenError::Gone),
        WireCommand::WrongHost(_) => {
            moved(&store, &segment);
            Err(OpenError::Moved)
        }
        other => Err(OpenError::Refused(other.command_type().info().name)),
    }
}

async fn set_up(mut flow: Flow, segment: &SegmentName, writer_id: WriterId) -> Result<Opened, OpenError> {
    let request = SetupAppend {
        request_id: flow.next_request_id(),
        writer_id,
        segment: wire_name(segment),
        delegation_token: DelegationToken::none(),
    };
    if !rules::holds(Rule::SetUpIsAwaited) {
        send(&flow, request).await?;
        return Ok(Opened { flow, last_number: NO_VALUE });
    }
    match ask(&mut flow, request).await? {
        WireCommand::AppendSetup(setup) => {
            let last_number = setup.last_event_number.0;
            if last_number != NO_VALUE && !PLAUSIBLE_NUMBERS.contains(&last_number) {
                return Err(OpenError::Refused("AppendSetup with an impossible event number"));
            }
            Ok(Opened { flow, last_number })
        }
        WireCommand::WrongHost(_) => Err(OpenError::Moved),
        WireCommand::NoSuchSegment(_) => Err(OpenError::Gone),
        WireCommand::ErrorMessage(error) if error.error_code != ServerErrorCode::ILLEGAL_ARGUMENT => {
            Err(OpenError::Failed(error.message.as_str().into()))
        }
        other => Err(OpenError::Refused(other.command_type().info().name)),
    }
}

async fn ask(flow: &mut Flow, request: impl Command) -> Result<WireCommand, OpenError> {
    send(flow, request).await?;
    let limit = if rules::holds(Rule::SetUpIsNotAwaitedForEver) { SETUP_TIMEOUT } else { Duration::MAX };
    match tokio::time::timeout(limit, flow.receive()).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(_)) | Err(_) => Err(OpenError::Retry),
    }
}

async fn send(flow: &Flow, request: impl Command) -> Result<(), OpenError> {
    let mut frame = BytesMut::new();
    request.encode_frame(&mut frame);
    flow.send(frame.freeze()).await.map_err(|_| OpenError::Retry)
}
