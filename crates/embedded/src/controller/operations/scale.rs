//! Scaling by hand.

use pravega_protocol::controller::{scale_response, scale_status_response};
use pravega_protocol::stream::SegmentId;

use super::Refusal;
use super::records::known;
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
) -> Result<Scaled, scale_response::ScaleStreamStatus> {
    use scale_response::ScaleStreamStatus as Status;
    let open = known(step, scope, stream).filter(|stream| !stream.record.sealed);
    let mut stream = open.ok_or(Status::Failure)?;
    let active = stream.active(step);
    let least = usize::try_from(stream.record.config.scaling.min_segments).unwrap_or(0);
    let next = scale(&active, sealed, ranges, least, step.at()).map_err(|refused| match refused {
        ScaleRefused::Precondition => Status::PreconditionFailed,
        ScaleRefused::Ranges => Status::Failure,
    })?;
    replace(step, &mut stream, &active, &next);
    stream.save(step);
    Ok(Scaled { before: active.number, next })
}

/// A scale happens at once, so one of an earlier epoch is done, and one of the active epoch has not begun, which
/// Pravega calls in progress.
pub(crate) fn check(
    state: &State,
    scope: &str,
    stream: &str,
    epoch: i32,
) -> Result<scale_status_response::ScaleStatus, Refusal> {
    use scale_status_response::ScaleStatus as Status;
    let epoch = u32::try_from(epoch).map_err(|_| Refusal::internal("the epoch is negative"))?;
    let Some(stream) = known(state, scope, stream) else { return Ok(Status::InvalidInput) };
    let active = stream.active(state);
    Ok(if epoch > active.number {
        Status::InvalidInput
    } else if epoch == active.number || epoch == active.reference {
        Status::InProgress
    } else {
        Status::Success
    })
}
