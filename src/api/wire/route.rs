//! Which store a wire message goes to, and what it may do there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::StatusCode;
use pravega_protocol::stream::{ScopedStream, SegmentId, SegmentName};
use pravega_protocol::wire::{CommandType, Direction, Frame, WireCommand};

use crate::api::edge::deadline::Deadline;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::params::Params;
use crate::api::request::target::{take_segment, take_stream};
use crate::api::wire::exchange::{Exchange, ExchangeError, Replies, Reply};
use crate::api::wire::reply_status::status_of;
use crate::api::wire::rights::Rights;
use crate::app::App;
use crate::budget::{Overloaded, Part};
use crate::controller::Access;
use crate::retry::Backoff;
use crate::segment_store::{self, LeaseKind, SegmentStore};
use crate::telemetry::labels::{Limit, StoreError};

/// Refuses what no client may send, and what only the admin port takes.
pub(crate) fn check_direction(command: CommandType) -> Result<(), ApiError> {
    let info = command.info();
    if info.is_admin_port_only() {
        let detail = format!("{} is accepted only on a store's admin port, which this gateway does not use", info.name);
        return Err(ApiError::new(ErrorCode::OperationUnsupported, detail));
    }
    if info.direction == Direction::Reply {
        let detail = format!("{} is a reply: stores send it, clients do not", info.name);
        return Err(ApiError::new(ErrorCode::MessageTypeUnknown, detail));
    }
    Ok(())
}

/// Refuses segments of Pravega's own scopes and streams unless a setting allows them; whatever the name looks like.
pub(crate) fn check_name(app: &App, segment: &str) -> Result<(), ApiError> {
    let is_internal = segment.split('/').take(2).any(|part| part.starts_with('_'));
    if is_internal && !app.config().segment_store.internal_streams {
        let detail = format!("segment {segment:?} is Pravega's own; segment-store.internal-streams = true allows it");
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    }
    Ok(())
}

/// Refuses them where a command names more segments than the one that routes it: what is merged is deleted.
pub(crate) fn check_sources(app: &App, frame: &Frame) -> Result<(), ApiError> {
    merged_sources(frame)?.iter().try_for_each(|source| check_name(app, source))
}

/// The segments that a message merges into another one.
///
/// # Errors
/// `400` if a merge cannot be decoded.
pub(crate) fn merged_sources(frame: &Frame) -> Result<Vec<String>, ApiError> {
    const MERGES: [CommandType; 2] = [CommandType::MergeSegments, CommandType::MergeSegmentsBatch];
    if !MERGES.iter().any(|merge| merge.info().code == frame.code) {
        return Ok(Vec::new());
    }
    match frame.to_command().map_err(|error| malformed(&error))?.0 {
        WireCommand::MergeSegments(merge) => Ok(vec![merge.source.as_str().to_owned()]),
        WireCommand::MergeSegmentsBatch(merge) => {
            Ok(merge.source_segment_ids.iter().map(|source| source.as_str().to_owned()).collect())
        }
        _ => Ok(Vec::new()),
    }
}

pub(crate) fn malformed(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::BodyInvalid, format!("the message is malformed: {error}"))
}

/// A segment of the configured default stream, for messages that name none; `None` if there is no default.
pub(crate) async fn default_segment(app: &App) -> Result<Option<SegmentName>, ApiError> {
    let config = app.config();
    match (&config.default_scope, &config.default_stream) {
        (Some(_), Some(_)) => {
            let stream = take_stream(app, &mut Params::default())?;
            any_segment(app, stream).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// The segment that `scope`, `stream` and `segment` name; `None` if none of them is given.
pub(crate) async fn named_segment(app: &App, params: &mut Params) -> Result<Option<SegmentName>, ApiError> {
    if !["scope", "stream", "segment"].iter().any(|name| params.has(name)) {
        return Ok(None);
    }
    let stream = take_stream(app, params)?;
    match take_segment(params)? {
        Some(segment) => segment.name(app, stream).await.map(Some),
        None => any_segment(app, stream).await.map(Some),
    }
}

/// Any segment will do to find a store of the stream.
pub(crate) async fn any_segment(app: &App, stream: ScopedStream) -> Result<SegmentName, ApiError> {
    app.grant(&stream, Access::Read).await?;
    let segments = app.controller().readable_segments(&stream).await?;
    let first = segments.first().copied().unwrap_or(SegmentId::new(0, 0));
    Ok(SegmentName::new(stream, first))
}

/// What is said on a leased connection.
pub(crate) trait Script: Sync {
    /// Whether an answer may take as long as a segment has nothing to read.
    fn may_wait(&self) -> bool {
        false
    }

    /// Says it and waits until all is answered.
    fn run(&self, exchange: &mut Exchange) -> impl Future<Output = Result<(), PlayError>> + Send;
}

/// Frames that do not depend on the replies.
pub(crate) struct FixedFrames<'a>(pub(crate) &'a [Frame]);

impl Script for FixedFrames<'_> {
    fn may_wait(&self) -> bool {
        self.0.iter().any(|frame| frame.code == CommandType::ReadSegment.info().code)
    }

    async fn run(&self, exchange: &mut Exchange) -> Result<(), PlayError> {
        Ok(exchange.play(self.0).await?)
    }
}

/// Plays a script on a connection of its own with the segment's store. While WrongHost is all that comes back, it is
/// played again where the controller then says that the segment is.
async fn play(
    app: &App,
    store: &SegmentStore,
    route: &SegmentName,
    script: &impl Script,
    exchange: &mut Option<Exchange>,
) -> Result<(), PlayError> {
    let mut backoff = Backoff::default();
    let kind = if script.may_wait() { LeaseKind::Patient } else { LeaseKind::Short };
    loop {
        *exchange = None;
        let lease = store.lease(route, kind).await?;
        let playing = exchange.insert(Exchange::new(lease, app.budget().nothing(Part::Pages)));
        let played = script.run(playing).await;
        if !playing.is_redirected() {
            return played;
        }
        store.forget_endpoint(route);
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// Plays a script, to which the caller has shown to have the `rights`, within the deadline and returns the replies.
///
/// Once bytes were sent, an end without all answers is `502 outcome_unknown`; that there is no room for the answers to
/// commands that only read is `503 overloaded`.
pub(crate) async fn converse(
    app: &App,
    deadline: Deadline,
    rights: &Rights,
    route: &SegmentName,
    script: &impl Script,
) -> Result<Replies, ApiError> {
    let mut exchange = None;
    let store = app.store().with_grant(rights.route());
    let played = deadline.timeout(play(app, &store, route, script, &mut exchange)).await;
    let cause = match played {
        Ok(Ok(())) => {
            let replies = exchange.expect("a script is played on one").finish();
            count_refusals(app, &replies.list);
            if replies.list.iter().any(|reply| reply.frame.code == CommandType::AuthTokenCheckFailed.info().code) {
                rights.doubt_tokens();
            }
            return Ok(replies);
        }
        Ok(Err(PlayError::Connect(error))) => return Err(error.into()),
        Ok(Err(PlayError::Refused(error))) => return Err(error),
        Ok(Err(PlayError::Exchange(ExchangeError::Overloaded(overloaded)))) => {
            if !exchange.as_ref().is_some_and(Exchange::may_have_changed_something) {
                return Err(no_room(&overloaded));
            }
            format!("there is no room for the replies: {overloaded}")
        }
        Ok(Err(PlayError::Exchange(error))) => {
            app.metrics().store_failed(StoreError::Lost);
            error.to_string()
        }
        Err(elapsed) => match exchange.take() {
            Some(moved) if moved.is_redirected() => return Ok(moved.finish()),
            Some(unanswered) if unanswered.has_sent() => {
                app.metrics().store_failed(StoreError::TimedOut);
                exchange = Some(unanswered);
                format!("the segment store did not answer in time: {elapsed}")
            }
            _ => return Err(elapsed.into()),
        },
    };
    Err(outcome_unknown(&cause, exchange.as_ref().map_or(&[], Exchange::replies)))
}

/// Nothing was changed, but what was read finds no room.
fn no_room(overloaded: &Overloaded) -> ApiError {
    let error = ApiError::new(ErrorCode::Overloaded, format!("there is no room for the replies: {overloaded}"));
    error.retryable(!matches!(overloaded, Overloaded::TooLarge { .. })).over(Limit::BytesInFlight)
}

fn count_refusals(app: &App, replies: &[Reply]) {
    for reply in replies {
        if let Ok((command, _)) = reply.frame.to_command()
            && status_of(reply.request, &command) != StatusCode::OK
        {
            app.metrics().store_failed(StoreError::Reply(command.command_type()));
        }
    }
}

/// What was sent may have been carried out; replies that came before are returned.
fn outcome_unknown(cause: &str, replies: &[Reply]) -> ApiError {
    let replies: Vec<_> = replies.iter().map(|reply| BASE64.encode(reply.frame.to_bytes())).collect();
    let detail = format!("{cause}; the message may or may not have been carried out");
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
