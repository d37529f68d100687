use std::sync::Arc;
use std::time::Duration;

use pravega_protocol::stream::{SegmentName, StreamSegments, Successor};

use super::error::Error;
use super::router::StreamWriters;

/// Pause before a segment is tried again that its store calls closed and the controller calls current.
const RETRY_CURRENT: Duration = Duration::from_millis(200);

/// Asks the controller what follows a segment. What it said before the segment was found closed does not count.
pub(super) async fn ask_successors(writers: &StreamWriters, segment: &SegmentName) -> Result<Vec<Successor>, Error> {
    writers.controller().forget_stream(&writers.stream);
    Ok(writers.controller().successors(segment).await?)
}

/// Asks for the stream's current segments, which take the part of one without successors: no segment follows the last
/// one of a sealed stream, but the stream may be recreated, and successors may be named late.
///
/// A segment that is current itself for the controller is among them, to be tried again after a pause.
pub(super) async fn ask_stand_ins(
    writers: &StreamWriters,
    segment: &SegmentName,
) -> Result<Arc<StreamSegments>, Error> {
    let segments = writers.current_segments().await?;
    if segments.contains(segment.id) {
        tracing::warn!(segment = %segment, "closed for its store, current for the controller: trying it again");
        tokio::time::sleep(RETRY_CURRENT).await;
    }
    Ok(segments)
}

/// Whether asking the controller again may help.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Controller(error) if error.is_retryable())
}
