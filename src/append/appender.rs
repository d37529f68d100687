//! The door of the appending side: the appenders of all streams, and what callers do with one.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use pravega_protocol::stream::ScopedStream;

use super::batch::{Batch, submit_by_segment};
use super::block_queue::BlockLimits;
use super::callers::Callers;
use super::error::Error;
use super::event::{NewEvent, PendingEvent, Submission, fail};
use super::reusable_ids::ReusableIds;
use super::router::{StreamWriters, WriterContext};
use super::segment_writer::WriterSettings;
use super::stalls::Stalls;
use super::ticket::{Ticket, ticket};
use crate::config;
use crate::controller::Grant;
use crate::segment_store::SegmentStore;
use crate::telemetry::metrics::Metrics;

/// A stream's writers end after this long without an append.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Streams whose writers are kept at the same time.
const MOST_STREAMS: u64 = 10_000;

/// The appenders of all streams in use. Clones share them.
#[derive(Debug, Clone)]
pub struct Appenders {
    streams: Cache<ScopedStream, Arc<StreamWriters>>,
    context: WriterContext,
}

impl Appenders {
    /// Creates an empty collection; nothing is connected yet. Events for stores that do not answer may be `stalled_bytes`
    /// in all.
    pub fn new(store: SegmentStore, settings: &config::Append, stalled_bytes: usize, metrics: Metrics) -> Self {
        let streams = Cache::builder().max_capacity(MOST_STREAMS).time_to_idle(IDLE).build();
        let settings = WriterSettings::new(BlockLimits {
            max_block_bytes: settings.max_block.as_usize(),
            max_in_flight_blocks: settings.max_in_flight_blocks,
        });
        let (stalls, ids) = (Stalls::new(stalled_bytes), ReusableIds::new());
        Self { streams, context: WriterContext { store, settings, stalls, ids, metrics } }
    }

    /// The appender of a stream, which need not exist: [`StreamAppender::ready`] finds out. It is its caller's, who has
    /// shown with `grant` that the stream may be appended to; its writers are shared.
    pub fn stream(&self, stream: &ScopedStream, grant: &Grant) -> StreamAppender {
        let writers = self.streams.get_with_by_ref(stream, || writers_of(stream.clone(), self.context.clone()));
        StreamAppender { writers, callers: Callers::one(grant) }
    }
}

fn writers_of(stream: ScopedStream, context: WriterContext) -> Arc<StreamWriters> {
    Arc::new(StreamWriters::new(stream, context))
}

/// Appends to one stream for one caller. Clones share its writers, which end with the last clone.
#[derive(Debug, Clone)]
pub struct StreamAppender {
    writers: Arc<StreamWriters>,
    callers: Callers,
}

impl StreamAppender {
    #[cfg(test)]
    pub(super) fn new(stream: ScopedStream, context: WriterContext) -> Self {
        Self { writers: writers_of(stream, context), callers: Callers::default() }
    }

    /// Finds out whether the stream takes events.
    ///
    /// # Errors
    /// [`Error::Controller`] for an unknown stream, [`Error::StreamSealed`].
    ///
    /// # Cancel safety
    /// Awaits only the controller; nothing is left half done.
    pub async fn ready(&self) -> Result<(), Error> {
        let known = self.writers.routing(&self.callers).await?;
        // Parts that have a writer take events whatever became of the others.
        if known.is_vacant() {
            self.writers.fill_gaps(&self.callers).await?;
        }
        Ok(())
    }

    /// Gives an event to the writer of its segment. Events that one caller submits one after the other keep their
    /// order per routing key, also while the stream scales.
    ///
    /// # Errors
    /// [`Error::Controller`] for an unknown stream, [`Error::StreamSealed`], and for a named segment
    /// [`Error::SegmentSealed`] or [`Error::SegmentNotFound`]; [`Error::Stalled`]. In all these cases nothing was written.
    ///
    /// # Cancel safety
    /// Awaits the controller and room in the writer's queue: dropped, the event is not submitted.
    pub async fn submit(&self, event: NewEvent) -> Result<Ticket, Error> {
        let (sender, ticket) = ticket();
        let event = PendingEvent::new(event, sender);
        let target = event.event.target;
        loop {
            let known = self.writers.routing(&self.callers).await?;
            let Some(writer) = self.writers.find(&self.callers, &known, target).await? else {
                self.writers.fill_gaps(&self.callers).await?;
                continue;
            };
            writer.admit(event.event.payload.len())?;
            match writer.reserve().await {
                Some(room) => {
                    room.send(Submission::One(event));
                    return Ok(ticket);
                }
                None => self.writers.routing.changed_from(&known).await,
            }
        }
    }

    /// Gives several events to the writers of their segments. The events of one segment go as one, so that they share
    /// blocks as far as the limits of a block allow, and keep their order as those of [`submit`](Self::submit) do.
    /// An event that could not be submitted is reported by its own ticket.
    ///
    /// # Cancel safety
    /// Awaits the controller and room in the writers' queues. Dropped, some events are submitted; the tickets of the
    /// others report that nothing was written.
    pub async fn submit_all(&self, batch: Batch) {
        let mut left = batch.events;
        // An upload may take longer than its caller keeps the right.
        if let Err(error) = self.callers.keep_rights().await {
            return fail(left, &error.into());
        }
        while !left.is_empty() {
            left = match self.writers.routing(&self.callers).await {
                Ok(known) => submit_by_segment(&self.writers, &self.callers, &known, left).await,
                Err(error) => return fail(left, &error),
            };
        }
    }
}
