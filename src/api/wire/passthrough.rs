//! `PUT /v1/events`: messages as they are on the wire.

use std::convert::Infallible;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::{CommandType, Direction, Frame, FrameCodec, FrameError, Role, sniff};
use tokio_util::codec::Decoder as _;

use crate::api::edge::deadline::Deadline;
use crate::api::edge::header_limit;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::body::collect_in_time;
use crate::api::request::body_permit::hold;
use crate::api::request::content_encoding::ContentEncoding;
use crate::api::request::content_type::ContentType;
use crate::api::request::params::Params;
use crate::api::wire::exchange::{Replies, Reply};
use crate::api::wire::reply_status::{status_of, with_retry};
use crate::api::wire::rights::Rights;
use crate::api::wire::route::{
    FixedFrames, check_direction, check_name, check_sources, converse, default_segment, malformed, named_segment,
};
use crate::app::App;
use crate::budget::Permit;
use crate::telemetry::labels::Limit;

const PARAMETERS: &[&str] = &["scope", "stream", "segment"];

/// The content type of a sequence of whole frames.
const SEQUENCE: &str = "application/vnd.pravega.wire";

const MESSAGE_TYPE: HeaderName = HeaderName::from_static("message-type");
const MESSAGE_NAME: HeaderName = HeaderName::from_static("message-name");
const MESSAGE_LENGTH: HeaderName = HeaderName::from_static("message-length");

/// Passes one message on, or a sequence of them.
pub(crate) async fn put(app: App, deadline: Deadline, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    deadline.timeout(app.controller().admit()).await??;
    let body = ContentEncoding::of(&head.headers)?.undo(body, app.budget()).await?;
    let mut params = Params::parse(head.uri.query())?;
    let named = deadline.timeout(named_segment(&app, &mut params)).await??;
    params.finish(PARAMETERS)?;
    if ContentType::of(&head.headers)?.media_type() == SEQUENCE {
        put_sequence(&app, deadline, named, &head.headers, body).await
    } else {
        put_message(&app, deadline, named, &head.headers, body).await
    }
}

async fn put_message(
    app: &App,
    deadline: Deadline,
    named: Option<SegmentName>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let code = message_type(headers)?;
    let length = message_length(headers, app.config().limits.raw_message.as_usize())?;
    let command = CommandType::from_code(code);
    if let Some(command) = command {
        check_direction(command)?;
        check_alone(command)?;
    }
    let names_segment = command.is_some_and(names_segment);
    let named = if names_segment { named } else { Some(or_default(app, deadline, named).await?) };
    if let Some(announced) = body.size_hint().exact() {
        check_length(length, announced)?;
    }
    let limit = app.config().limits.raw_message.as_usize();
    let (payload, permit) = collect_in_time(deadline, body, limit, Limit::RawMessage, app.budget()).await?;
    check_length(length, payload.len() as u64)?;
    let replies = pass_on(app, deadline, named, [Frame { code, payload }], permit).await?;
    Ok(message_response(replies))
}

async fn put_sequence(
    app: &App,
    deadline: Deadline,
    named: Option<SegmentName>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(name) = [MESSAGE_TYPE, MESSAGE_LENGTH].iter().find(|name| headers.contains_key(*name)) {
        let detail = format!("header {name} cannot be used with {SEQUENCE}, whose frames have headers of their own");
        return Err(ApiError::new(ErrorCode::HeaderInvalid, detail));
    }
    let limit = app.config().limits.raw_sequence.as_usize();
    let (bytes, permit) = collect_in_time(deadline, body, limit, Limit::RawSequence, app.budget()).await?;
    let frames = parse_sequence(bytes)?;
    let names_segment = frames.iter().filter_map(|frame| CommandType::from_code(frame.code)).any(names_segment);
    let named = if names_segment { named } else { Some(or_default(app, deadline, named).await?) };
    let replies = pass_on(app, deadline, named, frames, permit).await?;
    Ok(sequence_response(replies))
}

/// Sends frames that the caller is allowed to send.
async fn pass_on(
    app: &App,
    deadline: Deadline,
    named: Option<SegmentName>,
    mut frames: impl AsMut<[Frame]> + AsRef<[Frame]>,
    mut permit: Permit,
) -> Result<Replies, ApiError> {
    let route = route(app, frames.as_ref(), named)?;
    let rights = deadline.timeout(Rights::show(app, &route, frames.as_ref())).await??;
    deadline.timeout(rights.fill_in(frames.as_mut(), &mut permit)).await??;
    converse(app, deadline, &rights, &route, &FixedFrames(frames.as_ref())).await
}

fn names_segment(command: CommandType) -> bool {
    command.info().field(Role::Segment).is_some()
}

/// What the parameters name, or a segment of the default stream, for messages that name none.
async fn or_default(app: &App, deadline: Deadline, named: Option<SegmentName>) -> Result<SegmentName, ApiError> {
    match named {
        Some(segment) => Ok(segment),
        None => deadline.timeout(default_segment(app)).await??.ok_or_else(no_segment),
    }
}

fn check_length(length: usize, actual: u64) -> Result<(), ApiError> {
    if length as u64 == actual {
        return Ok(());
    }
    let detail = format!("header Message-Length is {length}, the body has {actual} bytes");
    Err(ApiError::new(ErrorCode::MessageLengthMismatch, detail))
}

/// A decimal code, or a name of the table.
fn message_type(headers: &HeaderMap) -> Result<i32, ApiError> {
    let text = single(headers, &MESSAGE_TYPE)?;
    if let Some(code) = digits(text.strip_prefix('-').unwrap_or(text)).and_then(|_| text.parse().ok()) {
        return Ok(code);
    }
    CommandType::from_name(text).map(|command| command.info().code).ok_or_else(|| {
        let detail = format!("header Message-Type is {text:?}; expected a decimal code or a name from docs/wire.md");
        ApiError::new(ErrorCode::MessageTypeUnknown, detail)
    })
}

fn message_length(headers: &HeaderMap, limit: usize) -> Result<usize, ApiError> {
    let text = single(headers, &MESSAGE_LENGTH)?;
    let length: u64 = digits(text).and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail = format!("header Message-Length is {text:?}; expected the number of bytes in the body");
        ApiError::new(ErrorCode::HeaderInvalid, detail)
    })?;
    usize::try_from(length).ok().filter(|length| *length <= limit).ok_or_else(|| too_large(length, limit))
}

/// Decimal digits and nothing else: Rust's own parsing takes a plus.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn too_large(length: u64, limit: usize) -> ApiError {
    let detail = format!("the message has {length} bytes of payload; the limit is {limit}");
    header_limit::too_large(Limit::RawMessage, detail).member("limit", limit)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, ApiError> {
    let mut values = headers.get_all(name).iter();
    let invalid = |what| ApiError::new(ErrorCode::HeaderInvalid, format!("header {name} {what}"));
    let value = values.next().ok_or_else(|| invalid("is missing"))?;
    match values.next() {
        None => value.to_str().map(str::trim).map_err(|_| invalid("is not ASCII")),
        Some(_) => Err(invalid("is given more than once")),
    }
}

/// A message without a reply of its own would be waited for in vain.
fn check_alone(command: CommandType) -> Result<(), ApiError> {
    let info = command.info();
    if info.direction != Direction::Part {
        return Ok(());
    }
    let detail = format!(
        "{} has no reply of its own: send SetupAppend, AppendBlock and AppendBlockEnd as whole frames in one body \
         of type {SEQUENCE}",
        info.name
    );
    Err(ApiError::new(ErrorCode::MessageTypeUnknown, detail))
}

fn parse_sequence(bytes: Bytes) -> Result<Vec<Frame>, ApiError> {
    let total = bytes.len();
    let mut rest = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    let mut codec = FrameCodec::store();
    let mut frames = Vec::new();
    let mut block_is_open = false;
    while !rest.is_empty() {
        let at = total - rest.len();
        let frame = codec.decode_eof(&mut rest).map_err(|error| broken_frame(at, &error))?;
        let frame = frame.ok_or_else(|| broken(at, "the frame is cut off"))?;
        if let Some(command) = CommandType::from_code(frame.code) {
            check_direction(command)?;
            check_in_sequence(command, &mut block_is_open).map_err(|what| broken(at, &what))?;
        }
        frames.push(frame);
    }
    if frames.is_empty() {
        return Err(broken(0, "there is no frame"));
    }
    if block_is_open {
        return Err(broken(total, "an AppendBlock lacks its AppendBlockEnd"));
    }
    Ok(frames)
}

/// Refuses what makes a store close the connection whatever else it holds.
fn check_in_sequence(command: CommandType, block_is_open: &mut bool) -> Result<(), String> {
    let name = command.info().name;
    match command {
        CommandType::Event | CommandType::PartialEvent => {
            return Err(format!("{name} lies inside an AppendBlock, it is no frame of its own"));
        }
        CommandType::AppendBlockEnd => *block_is_open = false,
        CommandType::AppendBlock
        | CommandType::SetupAppend
        | CommandType::ConditionalAppend
        | CommandType::ConditionalBlockEnd
        | CommandType::Padding
            if *block_is_open =>
        {
            return Err(format!("{name} stands between an AppendBlock and its AppendBlockEnd"));
        }
        CommandType::AppendBlock => *block_is_open = true,
        _ => {}
    }
    Ok(())
}

fn broken_frame(at: usize, error: &FrameError) -> ApiError {
    match error {
        FrameError::TooLarge { length, limit, .. } => too_large(*length as u64, *limit).member("at", at),
        other => broken(at, &other.to_string()),
    }
}

fn broken(at: usize, what: &str) -> ApiError {
    ApiError::new(ErrorCode::BodyInvalid, format!("at byte {at} of the sequence: {what}")).member("at", at)
}

/// The first segment that a message names, else the one that the parameters name.
fn route(app: &App, frames: &[Frame], named: Option<SegmentName>) -> Result<SegmentName, ApiError> {
    let mut first = None;
    for frame in frames {
        let Some(command) = CommandType::from_code(frame.code) else {
            continue;
        };
        let places = sniff(command, &frame.payload).map_err(|error| malformed(&error))?;
        check_sources(app, frame)?;
        if let Some(segment) = places.segment {
            check_name(app, segment.as_str())?;
            let parsed = SegmentName::parent_of(segment.as_str());
            first = first.or(Some((segment, parsed)));
        }
    }
    match (first, named) {
        (Some((_, Ok(segment))), _) | (_, Some(segment)) => Ok(segment),
        (Some((text, Err(error))), None) => {
            let detail = format!(
                "the message's segment {:?} is not a stream's ({error}); the parameters scope, stream and segment \
                 name a store for it",
                text.as_str()
            );
            Err(ApiError::new(ErrorCode::BodyInvalid, detail))
        }
        (None, None) => Err(no_segment()),
    }
}

fn no_segment() -> ApiError {
    let detail = "the message names no segment: the parameters scope, stream and segment say whose store it goes to";
    ApiError::new(ErrorCode::ParameterMissing, detail).member("parameter", "segment")
}

/// The status of the first reply that is an error, each mapped by the request it answers.
fn status_of_all(replies: &[Reply]) -> StatusCode {
    let statuses = replies.iter().filter_map(|reply| {
        let (command, _) = reply.frame.to_command().ok()?;
        Some(status_of(reply.request, &command))
    });
    statuses.into_iter().find(|status| *status != StatusCode::OK).unwrap_or(StatusCode::OK)
}

/// The replies as whole frames, passed on piece by piece.
fn sequence_response(replies: Replies) -> Response {
    let Replies { list, permit } = replies;
    let status = status_of_all(&list);
    let length: usize = list.iter().map(|reply| reply.frame.encoded_len()).sum();
    let frames = stream::iter(list.into_iter().map(|reply| Ok::<_, Infallible>(reply.frame.to_bytes())));
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(SEQUENCE)), (CONTENT_LENGTH, HeaderValue::from(length))];
    with_retry((status, headers, hold(Body::from_stream(frames), permit)).into_response())
}

fn message_response(replies: Replies) -> Response {
    let Replies { list, permit } = replies;
    let status = status_of_all(&list);
    let Some(Reply { frame, .. }) = list.into_iter().last() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let length = frame.payload.len();
    let mut response = (status, hold(Body::from(frame.payload), permit)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(MESSAGE_TYPE, HeaderValue::from(frame.code));
    headers.insert(MESSAGE_LENGTH, HeaderValue::from(length));
    if let Some(command) = CommandType::from_code(frame.code) {
        headers.insert(MESSAGE_NAME, HeaderValue::from_static(command.info().name));
    }
    with_retry(response)
}
