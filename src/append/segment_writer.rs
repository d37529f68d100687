use std::sync::Arc;
use std::time::Duration;

use pravega_protocol::stream::SegmentName;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::block_queue::BlockLimits;
use super::error::Error;
use super::event::Submission;
use super::stalls::Stall;

/// How often events that wait for a stalled writer try again.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Bounds of every segment's writer.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriterSettings {
    pub(super) blocks: BlockLimits,
    /// Submissions that may wait for the writer's task; their bytes are bounded by the permits that they hold.
    pub(super) queued_submissions: usize,
    /// Longest wait for the reply to a setup; then another session is tried.
    pub(super) setup_timeout: Duration,
    /// Longest wait for an acknowledgement; then another session is tried.
    pub(super) ack_timeout: Duration,
}

impl WriterSettings {
    pub(super) fn new(blocks: BlockLimits) -> Self {
        Self {
            blocks,
            queued_submissions: 4096,
            setup_timeout: Duration::from_secs(10),
            // The store itself gives an append up after 60 s and closes the connection.
            ack_timeout: Duration::from_secs(75),
        }
    }
}

/// A handle on the only writer of a segment. The writer ends when the last handle is dropped, or when the segment is
/// sealed.
#[derive(Debug, Clone)]
pub(super) struct SegmentWriter {
    segment: SegmentName,
    submissions: mpsc::Sender<Submission>,
    stall: Arc<Stall>,
}

impl SegmentWriter {
    pub(super) fn new(
        segment: SegmentName,
        queued_submissions: usize,
        stall: Arc<Stall>,
    ) -> (Self, mpsc::Receiver<Submission>) {
        let (submissions, inbox) = mpsc::channel(queued_submissions);
        (Self { segment, submissions, stall }, inbox)
    }

    pub(super) fn segment(&self) -> &SegmentName {
        &self.segment
    }

    /// Whether the segment's store answers, or has not kept too much waiting for that.
    ///
    /// # Errors
    /// [`Error::Stalled`]
    pub(super) fn admit(&self, bytes: usize) -> Result<(), Error> {
        if self.stall.admit(bytes) { Ok(()) } else { Err(Error::Stalled(self.segment.clone())) }
    }

    /// Waits until [`admit`](Self::admit) succeeds: for events whose sender is slowed down rather than refused.
    ///
    /// # Cancel safety
    /// Awaits only time.
    pub(super) async fn admitted(&self, bytes: usize) {
        while !self.stall.admit(bytes) {
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    /// Whether the segment was found sealed or deleted.
    pub(super) fn is_closed(&self) -> bool {
        self.submissions.is_closed()
    }

    /// Makes room for one submission, which then cannot fail. `None` once the segment was found sealed or deleted.
    ///
    /// # Cancel safety
    /// Awaits only the queue's semaphore: dropped, it loses its place in line.
    pub(super) async fn reserve(&self) -> Option<mpsc::Permit<'_, Submission>> {
        self.submissions.reserve().await.ok()
    }
}
