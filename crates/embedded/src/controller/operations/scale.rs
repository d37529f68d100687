//! Scaling by hand.

use pravega_protocol::stream::SegmentId;

use super::OperationError;
use super::records::known;
use super::status::{ScaleError, ScaleProgress};
use super::stream::replace;
use crate::controller::catalog::{Epoch, Range, ScaleRefused, scale};
use crate::node::{State, Step};

/// The epoch before the scale, and the one after it.
pub(crate) struct Scaled {
    pub(crate) before: u32,
    pub(crate) next: Epoch,
}

pub(crate) fn start(
    step: &mut Step<'_>,
    scope: &str,
    stream: &str,
    sealed: &[SegmentId],
    ranges: &[Range],
) -> Result<Scaled, ScaleError> {
    let open = known(step.state(), scope, stream).filter(|stream| !stream.record.sealed);
    let mut stream = open.ok_or(ScaleError::Invalid)?;
    let active = stream.active(step.state());
    let least = usize::try_from(stream.record.config.scaling.min_segments).unwrap_or(0);
    let next = scale(&active, sealed, ranges, least, step.at()).map_err(|refused| match refused {
        ScaleRefused::Precondition => ScaleError::PreconditionFailed,
        ScaleRefused::Ranges => ScaleError::Invalid,
    })?;
    replace(step, &mut stream, &active, &next);
    stream.save(step);
    Ok(Scaled { before: active.number, next })
}

/// A scale happens at once, so one of an earlier epoch is done, and one of the active epoch has not begun, which
/// Pravega calls in progress.
pub(crate) fn check(state: &State, scope: &str, stream: &str, epoch: i32) -> Result<ScaleProgress, OperationError> {
    let epoch = u32::try_from(epoch).map_err(|_| OperationError::internal("the epoch is negative"))?;
    let Some(stream) = known(state, scope, stream) else { return Ok(ScaleProgress::UnknownEpoch) };
    let active = stream.active(state);
    Ok(if epoch > active.number {
        ScaleProgress::UnknownEpoch
    } else if epoch == active.number || epoch == active.reference {
        ScaleProgress::InProgress
    } else {
        ScaleProgress::Done
    })
}
