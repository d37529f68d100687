//! A body with an event per line, appended as it arrives.

use std::collections::VecDeque;

use axum::body::Body;
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
    let mut held = upload.appending.app.budget().nothing();
    let app = upload.appending.app.clone();
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk,
            () = app.stopping() => return Ok(upload.stop(draining(), None).await),
        };
        let taken = match chunk {
            None => break,
            Some(Ok(chunk)) => upload.take_chunk(&chunk, &mut lines, &mut held).await,
            Some(Err(error)) => Err(read_error(error)),
        };
        if let Err(error) = taken {
            return Ok(upload.stop(error, None).await);
        }
    }
    match upload.take_line(lines.into_last(), held).await {
        Ok(()) => Ok(upload.finish().await),
        Err(error) => Ok(upload.stop(error, Some(0)).await),
    }
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

    /// Ends at a broken line or body: what came before goes as it goes, nothing from there on is written. `rest` is
    /// how many lines follow, where that is known.
    async fn stop(mut self, error: ApiError, rest: Option<u64>) -> Response {
        let broken = self.next_index;
        while !self.outstanding.is_empty() {
            self.settle_first().await;
        }
        self.tally.failed(broken, error);
        if rest != Some(0) {
            let detail = format!("the batch ended at event {broken}");
            self.tally.failed_run(broken + 1, rest, ApiError::new(ErrorCode::NotWritten, detail));
        }
        self.tally.into_response()
    }
}
