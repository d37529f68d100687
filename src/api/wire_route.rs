//! Which store a wire message goes to, and what it may do there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::address::{SegmentRef, check_internal, take_segment};
use super::deadline::Deadline;
use super::error::{ApiError, ErrorCode};
use super::exchange::{Exchange, ExchangeError, joined};
use super::params::Params;
use crate::app::App;
use crate::retry::Backoff;
use crate::segment_store;
use crate::stream::{ScopedStream, SegmentId, SegmentName};
use crate::wire::{CommandType, Direction, Frame, WireCommand};

/// Refuses what no client may send, and what only the admin port takes.
pub(crate) fn check_direction(command: CommandType) -> Result<(), ApiError> {
    let info = command.info();
    if info.is_admin_port_only() {
        let detail = format!("{} is only for a store's admin port, which this gateway does not reach", info.name);
        return Err(ApiError::new(ErrorCode::OperationUnsupported, detail));
    }
    if info.direction == Direction::Reply {
        let detail = format!("{} is a reply: stores send it, clients do not", info.name);
        return Err(ApiError::new(ErrorCode::MessageTypeUnknown, detail));
    }
    Ok(())
}

/// Refuses segments of Pravega's own streams unless a setting allows them.
pub(crate) fn check_segment(app: &App, segment: &SegmentName) -> Result<(), ApiError> {
    check_internal(app, &segment.stream)
}

/// The segment that `scope`, `stream` and `segment` name; `None` if none of them is given.
pub(crate) async fn named_segment(app: &App, params: &mut Params) -> Result<Option<SegmentName>, ApiError> {
    if !["scope", "stream", "segment"].iter().any(|name| params.has(name)) {
        return Ok(None);
    }
    let stream = super::address::take_stream(app, params)?;
    match take_segment(params)? {
        Some(SegmentRef::Id(id)) => Ok(Some(SegmentName::new(stream, id))),
        Some(number) => {
            let id = number.resolve(app, &stream).await?;
            Ok(Some(SegmentName::new(stream, id)))
        }
        None => any_segment(stream).map(Some),
    }
}

/// Any segment will do to find a store of the stream.
fn any_segment(stream: ScopedStream) -> Result<SegmentName, ApiError> {
    Ok(SegmentName::new(stream, SegmentId::new(0, 0)))
}

/// What is said on a leased connection.
pub(crate) trait Script: Sync {
    /// Says it and waits until all is answered.
    fn run(&self, exchange: &mut Exchange) -> impl Future<Output = Result<(), PlayError>> + Send;
}

/// Frames that do not depend on what is answered.
pub(crate) struct Frames<'a>(pub(crate) &'a [Frame]);

impl Script for Frames<'_> {
    async fn run(&self, exchange: &mut Exchange) -> Result<(), PlayError> {
        Ok(exchange.play(self.0).await?)
    }
}

/// Plays a script on a connection of its own with the segment's store. A WrongHost as the first reply sends it to the
/// place that the controller then names.
async fn play(
    app: &App,
    route: &SegmentName,
    script: &impl Script,
    exchange: &mut Option<Exchange>,
) -> Result<(), PlayError> {
    let mut backoff = Backoff::default();
    loop {
        *exchange = None;
        let lease = app.store().lease(route).await?;
        let playing = exchange.insert(Exchange::new(lease));
        let played = script.run(playing).await;
        if !begins_with_wrong_host(playing.replies()) {
            return played;
        }
        app.store().moved(route);
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// Plays a script within the deadline and returns the replies.
///
/// Once bytes were sent, an end without all answers is `502 outcome_unknown`.
pub(crate) async fn converse(
    app: &App,
    deadline: Deadline,
    route: &SegmentName,
    script: &impl Script,
) -> Result<Vec<Frame>, ApiError> {
    let mut exchange = None;
    let played = deadline.timeout(play(app, route, script, &mut exchange)).await;
    let cause = match played {
        Ok(Ok(())) => return Ok(exchange.map(Exchange::finish).unwrap_or_default()),
        Ok(Err(PlayError::Connect(error))) => return Err(error.into()),
        Ok(Err(PlayError::Refused(error))) => return Err(error),
        Ok(Err(PlayError::Exchange(error))) => error.to_string(),
        Err(elapsed) => match &exchange {
            Some(exchange) if begins_with_wrong_host(exchange.replies()) => return Ok(exchange.replies().to_vec()),
            Some(exchange) if exchange.has_sent() => format!("the segment store did not answer in time: {elapsed}"),
            _ => return Err(elapsed.into()),
        },
    };
    Err(outcome_unknown(&cause, exchange.as_ref().map_or(&[], Exchange::replies)))
}

/// What was sent may have been carried out; replies that came before are told.
fn outcome_unknown(cause: &str, replies: &[Frame]) -> ApiError {
    let replies: Vec<_> = replies.iter().map(|reply| BASE64.encode(joined(std::slice::from_ref(reply)))).collect();
    let detail = format!("{cause}; whether the message was carried out is not known");
    let error = ApiError::new(ErrorCode::OutcomeUnknown, detail).possible();
    if replies.is_empty() { error } else { error.member("replies", replies) }
}

/// Why a script was not played to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    /// Nothing was sent.
    #[error(transparent)]
    Connect(#[from] segment_store::Error),
    /// Something was.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// What the caller asked for does not go with what was answered; it was not sent.
    #[error(transparent)]
    Refused(#[from] ApiError),
}

fn begins_with_wrong_host(replies: &[Frame]) -> bool {
    replies.first().is_some_and(|reply| matches!(reply.to_command(), Ok((WireCommand::WrongHost(_), _))))
}
