use std::sync::Arc;

use pravega_protocol::stream::{SegmentName, StreamSegments, Successor};

use super::callers::Callers;
use super::error::Error;
use super::router::StreamWriters;
use crate::controller::Controller;

/// Asks the controller what follows a segment. What it said before the segment was found closed does not count.
pub(super) async fn ask_successors(
    writers: &StreamWriters,
    callers: &Callers,
    segment: &SegmentName,
) -> Result<Vec<Successor>, Error> {
    writers.controller().forget_stream(&writers.stream);
    let ask = |controller: Controller| async move { controller.successors(segment).await };
    Ok(callers.ask(writers.controller(), ask).await?)
}

/// Asks for the stream's current segments, which take the part of one without successors: no segment follows the last
/// one of a sealed stream, but the stream may be recreated, and successors may be named late.
///
/// A segment that is current itself for the controller is among them, to be tried again after a pause.
///
/// # Errors
/// [`Error::SegmentSealed`] once it was tried often enough; [`Error::StreamSealed`], [`Error::Controller`].
pub(super) async fn ask_stand_ins(
    writers: &StreamWriters,
    callers: &Callers,
    segment: &SegmentName,
) -> Result<Arc<StreamSegments>, Error> {
    let segments = writers.current_segments(callers).await?;
    if segments.contains(segment.id) {
        let pause = writers.retried.next_pause(segment.id).ok_or_else(|| Error::SegmentSealed(segment.clone()))?;
        tracing::warn!(segment = %segment, "closed for its store, current for the controller: trying it again");
        tokio::time::sleep(pause).await;
    }
    Ok(segments)
}

/// Whether the controller answers, and may answer otherwise in a moment.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Controller(error) if error.is_retryable() && error.is_answer())
}
