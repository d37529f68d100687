use pravega_protocol::stream::SegmentName;
use tokio::sync::mpsc;

use super::event::Submission;

/// Submissions that may wait for a segment's task; their bytes are bounded by the budget that each holds.
#[cfg(not(test))]
const QUEUED_SUBMISSIONS: usize = 4096;

/// So few that the simulation fills the queue.
#[cfg(test)]
const QUEUED_SUBMISSIONS: usize = 4;

/// A handle on the one writer of a segment. The writer ends when the last handle is dropped, or when the segment is
/// sealed.
#[derive(Debug, Clone)]
pub(super) struct SegmentWriter {
    segment: SegmentName,
    submissions: mpsc::Sender<Submission>,
}

impl SegmentWriter {
    pub(super) fn new(segment: SegmentName) -> (Self, mpsc::Receiver<Submission>) {
        let (submissions, inbox) = mpsc::channel(QUEUED_SUBMISSIONS);
        (Self { segment, submissions }, inbox)
    }

    pub(super) fn segment(&self) -> &SegmentName {
        &self.segment
    }

    /// Whether the segment was found sealed or gone.
    pub(super) fn is_closed(&self) -> bool {
        self.submissions.is_closed()
    }

    /// Makes room for one submission; using it cannot fail. `None` once the segment was found sealed or gone.
    pub(super) async fn reserve(&self) -> Option<mpsc::Permit<'_, Submission>> {
        self.submissions.reserve().await.ok()
    }
}
