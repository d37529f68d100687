//! Appends the events of one body, and reports what becomes of each.
//!
//! ```text
//! Source ─ next ─▶ Item ─ charge ─▶ gathered in `batch` ─ submit ─▶ `outstanding` ─ settle, in order ─▶ Tally
//!    ▲ admit          (budget)             │                              │
//!    └ read ◀──── more of the body         └── stop: given up, reported   └── late: withdrawn, reported
//!                                              as not written                 as failed
//! ```
//!
//! An upload takes events until its body ends, or until a [`StopReason`]:
//!
//! | reason | events gathered before it | events after it |
//! |---|---|---|
//! | `Event`: one cannot be appended | submitted | not written, counted to the body's end |
//! | `Body`: the body broke off | submitted | unknown |
//! | `Draining`: the gateway stops | submitted | not written, counted as far as they are there |
//! | `Failed`: one that was sent failed | not written | not written, counted to the body's end |
//!
//! In every case all events that were submitted are answered before the upload ends.

use std::collections::VecDeque;

use axum::body::Body;
use axum::response::Response;
use bytes::Buf as _;
use futures::FutureExt as _;

use crate::api::append::batch::document::Document;
use crate::api::append::batch::form::{BatchForm, Layout};
use crate::api::append::batch::frames::Frames;
use crate::api::append::batch::item::{Item, Remaining};
use crate::api::append::batch::lines::Lines;
use crate::api::append::batch::report::Tally;
use crate::api::append::batch::report_stream::{Sender, answer};
use crate::api::append::batch::source::Source;
use crate::api::append::batch::streamed_body::{Cutter, StreamedBody};
use crate::api::append::post::Appending;
use crate::api::edge::deadline::{Deadline, Elapsed};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::body::collect_in_time;
use crate::api::request::content_type::BYTE_ORDER_MARK;
use crate::append::{AppendOutcome, Batch, EVENT_OVERHEAD_BYTES, Error, Ticket};
use crate::budget::{Part, Permit};
use crate::telemetry::labels::Limit;

/// Events of one upload that may wait for their acknowledgement.
const MOST_OUTSTANDING: usize = 64 * 1024;

/// Bytes of one upload's events that may wait for their acknowledgement: as much as keeps a store busy, and little to wait
/// for those whose events come behind them.
const MOST_OUTSTANDING_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that are taken from the budget at a time for what events take beside their payloads.
const OVERHEAD_PORTION: usize = 16 * 1024;

/// Appends the events of a body. Bodies that are cut are consumed as they arrive, in memory that the budget bounds, so
/// that a slow Pravega slows their sender. The first event that fails ends the batch: events sent before it keep
/// their own outcomes, and nothing after it is sent.
///
/// # Errors
/// A document that is malformed or too large; everything else is reported in the answer.
pub(crate) async fn append(appending: Appending, form: BatchForm, body: Body) -> Result<Response, ApiError> {
    let source = source(&appending, &form.layout, body).await?;
    if form.reporting.streamed {
        let sender = Sender::default();
        let tally = Tally::streamed(form.reporting, sender.clone());
        let upload = Upload::new(appending, source, tally);
        // A task of its own, since the answer's body is polled only as its reader takes it, and an upload that is not
        // polled may hold what others wait for.
        return Ok(answer(sender, async move { upload.run().await.finish() }));
    }
    let tally = Tally::kept(form.reporting);
    Ok(Upload::new(appending, source, tally).run().await.into_response())
}

async fn source(appending: &Appending, layout: &Layout, body: Body) -> Result<Source, ApiError> {
    let app = &appending.app;
    let max_event = app.config().append.max_event.as_usize();
    let short = app.config().append.max_block.as_usize();
    let cut = |body, cutter| Source::Streamed(StreamedBody::new(app, body, cutter, short));
    let document = async |body| {
        let limit = app.config().limits.json_document.as_usize();
        let (mut text, permit) =
            collect_in_time(appending.deadline, body, limit, Limit::JsonDocument, app.budget()).await?;
        if text.starts_with(BYTE_ORDER_MARK) {
            text.advance(BYTE_ORDER_MARK.len());
        }
        Ok::<_, ApiError>((text, permit))
    };
    Ok(match layout {
        Layout::Lines => cut(body, Cutter::Lines(Lines::new(max_event))),
        Layout::Frames => cut(body, Cutter::Frames(Frames::new(max_event))),
        Layout::Described => {
            let (text, permit) = document(body).await?;
            Source::Document(Document::described(text, permit, max_event)?)
        }
        Layout::Elements(pointer) => {
            let (text, permit) = document(body).await?;
            Source::Document(Document::split(text, permit, pointer, max_event)?)
        }
    })
}

/// Why an upload ended before its body's end.
enum StopReason {
    /// An event cannot be appended.
    Event(ApiError),
    /// The body broke off.
    Body(ApiError),
    /// An event that was sent failed, as its report says.
    Failed,
    /// The gateway is about to stop.
    Draining,
}

struct Upload {
    appending: Appending,
    source: Source,
    /// Events that are to be submitted together.
    batch: Batch,
    batch_bytes: usize,
    /// Taken from the budget for what events take beside their payloads.
    spare: Permit,
    next_index: u64,
    pending: Pending,
}

/// An event that is not answered yet.
struct Outstanding {
    index: u64,
    bytes: usize,
    ticket: Ticket,
}

/// The events that are not answered yet, and the reports on the others.
struct Pending {
    outstanding: VecDeque<Outstanding>,
    outstanding_bytes: usize,
    tally: Tally,
    /// Counts from the last progress: an event that was answered, or the first that was submitted.
    deadline: Deadline,
    late: Option<Elapsed>,
    has_failed: bool,
}

impl Upload {
    fn new(appending: Appending, source: Source, tally: Tally) -> Self {
        let (outstanding, deadline) = (VecDeque::new(), appending.deadline);
        Self {
            source,
            batch: Batch::default(),
            batch_bytes: 0,
            spare: appending.app.budget().nothing(Part::StreamedBodies),
            next_index: 0,
            pending: Pending { outstanding, outstanding_bytes: 0, tally, deadline, late: None, has_failed: false },
            appending,
        }
    }

    /// Works until every event that was sent is answered.
    async fn run(mut self) -> Tally {
        let ended = match self.take_all().await {
            Ok(()) => None,
            Err(ended) => Some(self.stop(ended).await),
        };
        let index = self.next_index;
        self.pending.settle_all().await;
        self.spare = self.appending.app.budget().nothing(Part::StreamedBodies);
        self.check_end(ended.is_none());
        let mut tally = self.pending.tally;
        if let Some(end) = ended {
            end.tell(&mut tally, index, self.source).await;
        }
        tally
    }

    /// Nothing is gathered, nothing awaited, and a body that was read to its end holds no memory.
    fn check_end(&self, is_whole: bool) {
        assert!(self.batch.is_empty(), "every event that was taken is submitted or given up");
        assert!(self.pending.outstanding.is_empty(), "every event that was submitted is answered");
        assert!(!is_whole || self.source.held_bytes() == 0, "a body that is used up holds no bytes of the budget");
    }

    /// Takes the events of the body until its end.
    async fn take_all(&mut self) -> Result<(), StopReason> {
        loop {
            self.take_what_is_there().await?;
            if !self.source.brings_more_soon().await {
                self.submit().await?;
                // many uploads that bring nothing must not hold what others need
                self.spare = self.appending.app.budget().nothing(Part::StreamedBodies);
            }
            let app = &self.appending.app;
            self.pending.tally.taken().await;
            let more = tokio::select! {
                more = self.pending.meanwhile(self.source.read(), false) => more?.map_err(StopReason::Body)?,
                () = app.stopping() => return Err(StopReason::Draining),
            };
            if !more {
                self.take_what_is_there().await?;
                return self.submit().await;
            }
            self.admit().await?;
        }
    }

    /// Makes room for what was read. Where there is no room at once, gathered events must go out to make some.
    async fn admit(&mut self) -> Result<(), StopReason> {
        if self.source.admit().now_or_never().is_none() {
            self.submit().await?;
        }
        self.pending.meanwhile(self.source.admit(), true).await?.map_err(StopReason::Event)
    }

    async fn take_what_is_there(&mut self) -> Result<(), StopReason> {
        while let Some(item) = self.source.next(self.next_index).map_err(StopReason::Event)? {
            self.take(item).await?;
            if self.batch_bytes >= self.appending.app.config().append.max_block.as_usize() {
                self.submit().await?;
            }
        }
        Ok(())
    }

    async fn take(&mut self, mut item: Item) -> Result<(), StopReason> {
        if self.pending.is_full() {
            self.submit().await?;
            while self.pending.is_full() {
                self.pending.settle_first().await;
            }
        }
        self.charge(&mut item).await?;
        let event = self.appending.event(item.payload, item.key.as_deref(), item.permit).map_err(StopReason::Event)?;
        let bytes = event.payload.len();
        self.batch_bytes += bytes;
        let ticket = self.batch.push(event);
        self.pending.push(Outstanding { index: self.next_index, bytes, ticket });
        self.next_index += 1;
        Ok(())
    }

    /// Takes what the event needs beside its payload from the budget.
    async fn charge(&mut self, item: &mut Item) -> Result<(), StopReason> {
        let needed = item.own_bytes + EVENT_OVERHEAD_BYTES.min(self.appending.app.budget().most() / 4);
        if self.spare.bytes() < needed {
            let portion = OVERHEAD_PORTION.min(self.appending.app.budget().most() / 4).max(needed);
            let permit = match self.appending.app.budget().try_reserve_for_stream(portion) {
                Some(permit) => permit,
                None => {
                    self.submit().await?;
                    let reserving = self.appending.app.budget().reserve_while_progress(portion);
                    self.pending.meanwhile(reserving, true).await?.map_err(|error| StopReason::Event(error.into()))?
                }
            };
            self.spare.merge(permit);
        }
        item.permit.merge(self.spare.split(needed).expect("just taken"));
        Ok(())
    }

    /// Submits what was gathered; answers that come meanwhile are taken.
    async fn submit(&mut self) -> Result<(), StopReason> {
        self.pending.settle_ready();
        if self.pending.has_failed {
            return Err(StopReason::Failed);
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.pending.meanwhile(self.appending.appender().submit_all(batch), true).await
    }

    /// Lets go of what is not submitted.
    async fn stop(&mut self, ended: StopReason) -> EarlyEnd {
        let mut end = EarlyEnd { unsent: 0, why: ended };
        if !matches!(end.why, StopReason::Failed) {
            // what stands before the end goes out as ever
            if let Err(failed) = self.submit().await {
                // an event that is broken, and was taken from the source, now is one that is not written
                end.unsent += u64::from(matches!(end.why, StopReason::Event(_)));
                end.why = failed;
            }
        }
        self.spare = self.appending.app.budget().nothing(Part::StreamedBodies);
        let gathered = std::mem::take(&mut self.batch).len();
        self.pending.forget_last(gathered);
        self.next_index -= gathered as u64;
        end.unsent += gathered as u64;
        end
    }
}

/// A batch that ended before its body did.
struct EarlyEnd {
    /// Events that were taken from the source and not sent.
    unsent: u64,
    why: StopReason,
}

impl EarlyEnd {
    /// Reports the events from `index` on, which were not sent.
    async fn tell(self, tally: &mut Tally, index: u64, source: Source) {
        let rest = match self.why {
            StopReason::Event(_) | StopReason::Failed => source.rest().await,
            StopReason::Draining => source.rest_so_far(),
            StopReason::Body(_) => Remaining::default(),
        };
        let (first, cause) = match self.why {
            StopReason::Event(error) | StopReason::Body(error) => {
                (Some(error), format!("the batch ended at event {index}"))
            }
            StopReason::Draining => (Some(draining()), "the gateway is shutting down".to_owned()),
            StopReason::Failed => (None, "an event before it failed".to_owned()),
        };
        let mut next = index;
        if let Some(error) = first {
            tally.failed(next, 1, error).await;
            next += 1;
        }
        let unwritten = self.unsent + rest.events;
        if unwritten > 0 {
            tally.failed(next, unwritten, ApiError::new(ErrorCode::NotWritten, cause)).await;
        }
        if rest.events > 0 && !rest.is_whole {
            tally.truncate();
        }
    }
}

fn draining() -> ApiError {
    ApiError::new(ErrorCode::Draining, "the gateway is shutting down and did not read the rest of the batch")
}

impl Pending {
    fn is_full(&self) -> bool {
        self.outstanding.len() >= MOST_OUTSTANDING || self.outstanding_bytes >= MOST_OUTSTANDING_BYTES
    }

    fn push(&mut self, event: Outstanding) {
        if self.outstanding.is_empty() {
            self.deadline = self.deadline.renewed();
        }
        self.outstanding_bytes += event.bytes;
        self.outstanding.push_back(event);
    }

    fn pop(&mut self) -> Option<Outstanding> {
        let event = self.outstanding.pop_front()?;
        self.outstanding_bytes -= event.bytes;
        Some(event)
    }

    fn forget_last(&mut self, count: usize) {
        let forgotten = self.outstanding.split_off(self.outstanding.len() - count);
        self.outstanding_bytes -= forgotten.iter().map(|event| event.bytes).sum::<usize>();
    }

    /// Awaits something while answers are taken; gives up when none came for too long, which counts only while some are
    /// awaited, or if `is_timed`.
    async fn meanwhile<T>(&mut self, something: impl Future<Output = T>, is_timed: bool) -> Result<T, StopReason> {
        let mut something = std::pin::pin!(something);
        loop {
            let has_outstanding = !self.outstanding.is_empty();
            tokio::select! {
                // answers free memory, for which others wait
                biased;
                outcome = first_outcome(&mut self.outstanding), if has_outstanding => self.settle(outcome),
                done = &mut something => return Ok(done),
                elapsed = self.deadline.passed(), if has_outstanding || is_timed => {
                    self.late = Some(elapsed);
                    self.has_failed = true;
                }
            }
            if self.has_failed {
                return Err(StopReason::Failed);
            }
        }
    }

    /// Takes what is answered already.
    fn settle_ready(&mut self) {
        while let Some(Some(outcome)) = self.outstanding.front_mut().map(|event| event.ticket.outcome().now_or_never())
        {
            self.settle(outcome);
        }
    }

    async fn settle_all(&mut self) {
        while !self.outstanding.is_empty() {
            self.settle_first().await;
        }
    }

    async fn settle_first(&mut self) {
        match self.deadline.timeout(first_outcome(&mut self.outstanding)).await {
            Ok(outcome) => self.settle(outcome),
            Err(elapsed) => self.give_up(elapsed),
        }
    }

    /// Reports the first event's outcome. Waits for nothing: whoever awaits answers may hold what others wait for.
    fn settle(&mut self, outcome: AppendOutcome) {
        let Some(Outstanding { index, .. }) = self.pop() else {
            return;
        };
        match (outcome, self.late) {
            (Ok(written), _) => {
                self.deadline = self.deadline.renewed();
                self.tally.written(index, written);
            }
            (Err(Error::Stopped { may_have_been_written }), Some(elapsed)) => {
                self.fail(index, late(elapsed, may_have_been_written));
            }
            (Err(Error::Stopped { may_have_been_written: false }), None) if self.has_failed => {
                self.fail(index, ApiError::new(ErrorCode::NotWritten, "an event before it failed"));
            }
            (Err(error), _) => self.fail(index, error.into()),
        }
    }

    /// Withdraws the first event, whose answer did not come in time.
    fn give_up(&mut self, elapsed: Elapsed) {
        if let Some(Outstanding { index, ticket, .. }) = self.pop() {
            let may_have_been_written = ticket.withdraw();
            self.fail(index, late(elapsed, may_have_been_written));
        }
    }

    fn fail(&mut self, index: u64, error: ApiError) {
        self.has_failed = true;
        self.tally.failed_one(index, error);
    }
}

fn late(elapsed: Elapsed, may_have_been_written: bool) -> ApiError {
    let error = ApiError::from(elapsed);
    if may_have_been_written { error.possible() } else { error }
}

/// The outcome of the event that was submitted first. May be dropped and awaited again.
async fn first_outcome(outstanding: &mut VecDeque<Outstanding>) -> AppendOutcome {
    match outstanding.front_mut() {
        Some(event) => event.ticket.outcome().await,
        None => std::future::pending().await,
    }
}
