//! A body whose events are cut out of it as it arrives.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use bytes::Bytes;
use futures::StreamExt as _;

use crate::api::append::batch::frames::Frames;
use crate::api::append::batch::item::{CutEvent, Item, MalformedEvent, Remaining};
use crate::api::append::batch::lines::Lines;
use crate::api::error::ApiError;
use crate::api::request::body::read_error;
use crate::app::App;
use crate::budget::{Budget, Part, Permit};

/// Finds the events in bytes that arrive piece by piece.
#[derive(Debug)]
pub(super) enum Cutter {
    Lines(Lines),
    Frames(Frames),
}

macro_rules! forward {
    ($self:ident, $cutter:ident => $what:expr) => {
        match $self {
            Self::Lines($cutter) => $what,
            Self::Frames($cutter) => $what,
        }
    };
}

impl Cutter {
    fn push(&mut self, chunk: &[u8]) {
        forward!(self, cutter => cutter.push(chunk));
    }

    fn next(&mut self) -> Result<Option<CutEvent>, MalformedEvent> {
        forward!(self, cutter => cutter.next())
    }

    fn last(&mut self) -> Result<Option<CutEvent>, MalformedEvent> {
        forward!(self, cutter => cutter.last())
    }

    fn pending(&self) -> usize {
        forward!(self, cutter => cutter.pending())
    }

    fn count_rest(&mut self) -> u64 {
        forward!(self, cutter => cutter.count_rest())
    }

    /// Whether the body, if it were over, ended with an event that is not counted yet.
    fn has_last(&self) -> bool {
        match self {
            Self::Lines(lines) => lines.has_last(),
            Self::Frames(_) => false,
        }
    }

    fn can_count(&self) -> bool {
        match self {
            Self::Lines(_) => true,
            Self::Frames(frames) => frames.can_count(),
        }
    }
}

/// A body and what is there of it.
pub(super) struct StreamedBody {
    chunks: BodyDataStream,
    cutter: Cutter,
    /// Read, and without its share of the budget yet.
    arrived: Option<Bytes>,
    /// Stands for what the cutter holds.
    held: Permit,
    budget: Budget,
    /// Bytes of the rest of a broken batch that are read, and the time for that.
    drain: (usize, Duration),
    is_over: bool,
    /// Why the body broke off, if it did.
    broken: Option<ApiError>,
    pub(super) is_short: bool,
}

impl StreamedBody {
    /// `short` is the most bytes of a body whose end is worth waiting for.
    pub(super) fn new(app: &App, body: Body, cutter: Cutter, short: usize) -> Self {
        let is_short = body.size_hint().exact().is_some_and(|length| length <= short as u64);
        let limits = &app.config().limits;
        Self {
            chunks: body.into_data_stream(),
            cutter,
            arrived: None,
            held: app.budget().nothing(Part::StreamedBodies),
            budget: app.budget().clone(),
            drain: (limits.drain_bytes.as_usize(), limits.drain_time),
            is_over: false,
            broken: None,
            is_short,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Item>, MalformedEvent> {
        let cut = match self.cutter.next()? {
            None if self.is_over => self.cutter.last()?,
            cut => cut,
        };
        let Some(CutEvent { payload, taken }) = cut else {
            self.let_go();
            return Ok(None);
        };
        let permit = self.held.split(taken).expect("what the cutter holds was reserved");
        Ok(Some(Item { payload, key: None, own_bytes: 0, permit }))
    }

    /// Gives back what stood for bytes that are no events, such as empty lines.
    fn let_go(&mut self) {
        let surplus = self.held.bytes().saturating_sub(self.cutter.pending());
        drop(self.held.split(surplus));
    }

    pub(super) async fn read(&mut self) -> Result<bool, ApiError> {
        if self.arrived.is_none() && self.broken.is_none() && !self.is_over {
            match self.chunks.next().await {
                None => self.is_over = true,
                Some(Ok(chunk)) => self.arrived = Some(chunk),
                Some(Err(error)) => self.broken = Some(read_error(error)),
            }
        }
        match &self.broken {
            Some(error) => Err(error.clone()),
            None => Ok(!self.is_over),
        }
    }

    pub(super) async fn admit(&mut self) -> Result<(), ApiError> {
        if let Some(chunk) = &self.arrived {
            let permit = match self.budget.try_reserve_for_stream(chunk.len()) {
                Some(permit) => permit,
                None => self.budget.reserve_while_progress(chunk.len()).await?,
            };
            self.held.merge(permit);
            self.cutter.push(chunk);
            self.arrived = None;
        }
        Ok(())
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    pub(super) fn count_buffered(&mut self) -> u64 {
        if let Some(chunk) = self.arrived.take() {
            self.cutter.push(&chunk);
        }
        self.cutter.count_rest()
    }

    /// Counts to the body's end, as far as refused bodies are read.
    pub(super) async fn rest(mut self) -> Remaining {
        let mut events = self.count_buffered();
        let (mut left, time) = self.drain;
        let is_over = self.is_over;
        let reading = async {
            while let Some(Ok(chunk)) = self.chunks.next().await {
                let Some(still) = left.checked_sub(chunk.len()) else {
                    return false;
                };
                left = still;
                self.cutter.push(&chunk);
                events += self.cutter.count_rest();
            }
            true
        };
        let is_read = is_over || tokio::time::timeout(time, reading).await.unwrap_or(false);
        events += u64::from(self.cutter.has_last());
        Remaining { events, is_whole: is_read && self.cutter.can_count() }
    }
}
