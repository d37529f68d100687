//! A body with an event per line, appended as it arrives.

use std::collections::VecDeque;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};

use super::append::Appending;
use super::body::read_error;
use super::deadline::Deadline;
use super::error::{ApiError, ErrorCode};
use super::lines::Lines;
use super::reports::Tally;
use crate::append::{Outcome, Ticket};
use crate::budget::Permit;

/// Events of one upload that may wait for their acknowledgement.
const MOST_OUTSTANDING: usize = 64 * 1024;

/// Appends each line of the body; answers when all are acknowledged. Memory is bounded by the budget, so that a slow
/// Pravega slows the sender.
pub(crate) async fn append(appending: Appending, body: Body) -> Result<Response, ApiError> {
    let mut upload = Upload::new(appending);
    let mut chunks = body.into_data_stream();
    let mut lines = Lines::default();
    match upload.take_all(&mut chunks, &mut lines).await {
        Ok(held) => match upload.take_line(lines.into_last(), held).await {
            Ok(()) => Ok(upload.finish().await),
            Err(error) => Ok(upload.stop(error, Rest::default()).await),
        },
        Err(Ended::Line(error)) => {
            let rest = upload.rest_of(&mut chunks, lines).await;
            Ok(upload.stop(error, rest).await)
        }
        Err(Ended::Body(error)) => Ok(upload.stop(error, Rest::default()).await),
        Err(Ended::Draining) => {
            let rest = Rest { events: lines.count_rest(), is_whole: false };
            Ok(upload.stop(draining(), rest).await)
        }
    }
}

/// Why an upload ended before its end.
enum Ended {
    /// A line cannot be appended.
    Line(ApiError),
    /// The body broke off.
    Body(ApiError),
    /// The gateway is about to stop.
    Draining,
}

/// Events that follow a broken one.
#[derive(Default)]
struct Rest {
    events: u64,
    /// Whether the body was read to its end, so that there are no more.
    is_whole: bool,
}

fn draining() -> ApiError {
    ApiError::new(ErrorCode::Draining, "the gateway is about to stop; the rest of the batch was not read")
}

struct Upload {
    appending: Appending,
    outstanding: VecDeque<(u64, Ticket)>,
    tally: Tally,
    next_index: u64,
    /// Counts from the last progress: bytes that came or an event that was answered.
    deadline: Deadline,
}

impl Upload {
    fn new(appending: Appending) -> Self {
        let deadline = appending.deadline;
        Self { appending, outstanding: VecDeque::new(), tally: Tally::default(), next_index: 0, deadline }
    }

    /// Takes the body's lines up to the last one that has an end; gives what is held for the rest.
    async fn take_all(&mut self, chunks: &mut BodyDataStream, lines: &mut Lines) -> Result<Permit, Ended> {
        let app = self.appending.app.clone();
        let mut held = app.budget().nothing();
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk,
                () = app.stopping() => return Err(Ended::Draining),
            };
            match chunk {
                None => return Ok(held),
                Some(Ok(chunk)) => self.take_chunk(&chunk, lines, &mut held).await.map_err(Ended::Line)?,
                Some(Err(error)) => return Err(Ended::Body(read_error(error))),
            }
        }
    }

    /// Counts the events after a broken one, reading on as far as refused bodies are read.
    async fn rest_of(&self, chunks: &mut BodyDataStream, mut lines: Lines) -> Rest {
        let limits = &self.appending.app.config().limits;
        let mut events = lines.count_rest();
        let mut left = limits.drain_bytes.as_usize();
        let reading = async {
            while let Some(Ok(chunk)) = chunks.next().await {
                let Some(still) = left.checked_sub(chunk.len()) else {
                    return false;
                };
                left = still;
                lines.push(&chunk);
                events += lines.count_rest();
            }
            true
        };
        let is_whole = tokio::time::timeout(limits.drain_time, reading).await.unwrap_or(false);
        events += u64::from(lines.has_last());
        Rest { events, is_whole }
    }

    async fn take_chunk(&mut self, chunk: &Bytes, lines: &mut Lines, held: &mut Permit) -> Result<(), ApiError> {
        self.deadline = self.deadline.renewed();
        self.settle_ready();
        held.merge(self.appending.app.budget().reserve_while_progress(chunk.len()).await?);
        lines.push(chunk);
        while let Some((line, taken)) = lines.next_line() {
            let permit = held.split(taken).expect("every byte of the buffer was reserved");
            self.take_line(line, permit).await?;
        }
        self.check_len(lines.pending())
    }

    async fn take_line(&mut self, line: Bytes, permit: Permit) -> Result<(), ApiError> {
        if line.is_empty() {
            return Ok(());
        }
        self.check_len(line.len())?;
        if self.outstanding.len() >= MOST_OUTSTANDING {
            self.settle_first().await;
        }
        let event = self.appending.event(line, permit)?;
        let ticket = self.deadline.timeout(self.appending.appender().submit(event)).await??;
        self.outstanding.push_back((self.next_index, ticket));
        self.next_index += 1;
        Ok(())
    }

    fn check_len(&self, len: usize) -> Result<(), ApiError> {
        let limit = self.appending.app.config().append.max_event.as_usize();
        if len > limit {
            let detail = format!("line {} has more than {limit} bytes", self.next_index);
            return Err(ApiError::new(ErrorCode::EventTooLarge, detail));
        }
        Ok(())
    }

    /// Takes what is acknowledged already, so that its memory is free.
    fn settle_ready(&mut self) {
        while let Some((index, ticket)) = self.outstanding.front_mut() {
            let Some(outcome) = ticket.outcome().now_or_never() else {
                return;
            };
            let index = *index;
            self.outstanding.pop_front();
            self.tell(index, outcome);
        }
    }

    async fn settle_first(&mut self) {
        let Some((index, mut ticket)) = self.outstanding.pop_front() else {
            return;
        };
        match self.deadline.timeout(ticket.outcome()).await {
            Ok(outcome) => {
                self.deadline = self.deadline.renewed();
                self.tell(index, outcome);
            }
            Err(elapsed) if ticket.withdraw() => self.tally.failed(index, ApiError::from(elapsed).possible()),
            Err(elapsed) => self.tally.failed(index, elapsed.into()),
        }
    }

    fn tell(&mut self, index: u64, outcome: Outcome) {
        match outcome {
            Ok(written) => self.tally.written(written),
            Err(error) => self.tally.failed(index, error.into()),
        }
    }

    async fn finish(mut self) -> Response {
        while !self.outstanding.is_empty() {
            self.settle_first().await;
        }
        self.tally.into_response()
    }

    /// Ends at a broken line or body: what came before goes as it goes, nothing from there on is written.
    async fn stop(mut self, error: ApiError, rest: Rest) -> Response {
        let broken = self.next_index;
        while !self.outstanding.is_empty() {
            self.settle_first().await;
        }
        self.tally.failed(broken, error);
        if rest.events > 0 {
            let detail = format!("the batch ended at event {broken}");
            self.tally.failed_run(broken + 1, rest.events, ApiError::new(ErrorCode::NotWritten, detail));
        }
        if !rest.is_whole && rest.events > 0 {
            self.tally.truncate();
        }
        self.tally.into_response()
    }
}
