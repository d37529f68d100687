use tokio::sync::mpsc;

use super::event::PendingEvent;
use crate::stream::SegmentName;

/// Events that may wait for a segment's task; their bytes are bounded by the budget that each holds.
const QUEUED_EVENTS: usize = 4096;

/// A handle on the one writer of a segment. The writer ends when the last handle is dropped, or when the segment is
/// sealed.
#[derive(Debug, Clone)]
pub(super) struct SegmentWriter {
    segment: SegmentName,
    submissions: mpsc::Sender<PendingEvent>,
}

impl SegmentWriter {
    pub(super) fn new(segment: SegmentName) -> (Self, mpsc::Receiver<PendingEvent>) {
        let (submissions, inbox) = mpsc::channel(QUEUED_EVENTS);
        (Self { segment, submissions }, inbox)
    }

    pub(super) fn segment(&self) -> &SegmentName {
        &self.segment
    }

    /// Whether the segment was found sealed or gone.
    pub(super) fn is_closed(&self) -> bool {
        self.submissions.is_closed()
    }

    /// Makes room for one event; using it cannot fail. `None` once the segment was found sealed or gone.
    pub(super) async fn reserve(&self) -> Option<mpsc::Permit<'_, PendingEvent>> {
        self.submissions.reserve().await.ok()
    }
}
