//! `PUT /v1/events`: messages as they are on the wire.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio_util::codec::Decoder as _;

use super::append::media_type;
use super::body::{collect_whole, reject_content_encoding};
use super::deadline::Deadline;
use super::error::{ApiError, ErrorCode};
use super::exchange::joined;
use super::params::Params;
use super::status::status_of;
use super::wire_route::{Frames, check_direction, check_segment, converse, named_segment};
use crate::app::App;
use crate::stream::SegmentName;
use crate::wire::{CommandType, Direction, Frame, FrameCodec, FrameError, sniff};

const PARAMETERS: &[&str] = &["scope", "stream", "segment"];

/// The content type of a sequence of whole frames.
const SEQUENCE: &str = "application/vnd.pravega.wire";

const MESSAGE_TYPE: HeaderName = HeaderName::from_static("message-type");
const MESSAGE_NAME: HeaderName = HeaderName::from_static("message-name");
const MESSAGE_LENGTH: HeaderName = HeaderName::from_static("message-length");

/// Passes one message on, or a sequence of them.
pub(crate) async fn put(State(app): State<App>, deadline: Deadline, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    reject_content_encoding(&head.headers)?;
    let mut params = Params::parse(head.uri.query())?;
    let named = deadline.timeout(named_segment(&app, &mut params)).await??;
    params.finish(PARAMETERS)?;
    if media_type(&head.headers) == SEQUENCE {
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
    let limit = app.config().limits.raw_message.as_usize();
    let whole = collect_whole(body, limit, ErrorCode::MessageTooLarge, app.budget());
    let (payload, _permit) = deadline.timeout(whole).await??;
    if payload.len() != length {
        let detail = format!("header Message-Length is {length}, the body has {} bytes", payload.len());
        return Err(ApiError::new(ErrorCode::MessageLengthMismatch, detail));
    }
    let frames = [Frame { code, payload }];
    let route = route(app, &frames, named)?;
    let replies = converse(app, deadline, &route, &Frames(&frames)).await?;
    Ok(message_response(command, &replies))
}

async fn put_sequence(
    app: &App,
    deadline: Deadline,
    named: Option<SegmentName>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(name) = [MESSAGE_TYPE, MESSAGE_LENGTH].iter().find(|name| headers.contains_key(*name)) {
        let detail = format!("header {name} does not go with {SEQUENCE}, whose frames have their own headers");
        return Err(ApiError::new(ErrorCode::HeaderInvalid, detail));
    }
    let limit = app.config().limits.raw_sequence.as_usize();
    let whole = collect_whole(body, limit, ErrorCode::BodyTooLarge, app.budget());
    let (bytes, _permit) = deadline.timeout(whole).await??;
    let frames = parse_sequence(bytes)?;
    let route = route(app, &frames, named)?;
    let replies = converse(app, deadline, &route, &Frames(&frames)).await?;
    let requests: Vec<_> = frames.iter().filter_map(|frame| CommandType::from_code(frame.code)).collect();
    let status = first_error(requests.first().copied(), &replies);
    Ok((status, [(CONTENT_TYPE, HeaderValue::from_static(SEQUENCE))], joined(&replies)).into_response())
}

/// A decimal code, or a name of the table.
fn message_type(headers: &HeaderMap) -> Result<i32, ApiError> {
    let text = single(headers, &MESSAGE_TYPE)?;
    if let Ok(code) = text.parse() {
        return Ok(code);
    }
    CommandType::from_name(text).map(|command| command.info().code).ok_or_else(|| {
        let detail = format!("header Message-Type is {text:?}; it takes a decimal code or a name of docs/wire.md");
        ApiError::new(ErrorCode::MessageTypeUnknown, detail)
    })
}

fn message_length(headers: &HeaderMap, limit: usize) -> Result<usize, ApiError> {
    let text = single(headers, &MESSAGE_LENGTH)?;
    let length: u64 = text.parse().map_err(|_| {
        let detail = format!("header Message-Length is {text:?}; it takes the number of bytes of the body");
        ApiError::new(ErrorCode::HeaderInvalid, detail)
    })?;
    usize::try_from(length).ok().filter(|length| *length <= limit).ok_or_else(|| too_large(length, limit))
}

fn too_large(length: u64, limit: usize) -> ApiError {
    let detail = format!("the message has {length} bytes of payload; the limit is {limit}");
    ApiError::new(ErrorCode::MessageTooLarge, detail).member("limit", limit)
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
        let places = sniff(command, &frame.payload)
            .map_err(|error| ApiError::new(ErrorCode::BodyInvalid, format!("the message is malformed: {error}")))?;
        if let Some(segment) = places.segment {
            let parsed = SegmentName::parent_of(segment.as_str());
            if let Ok(segment) = &parsed {
                check_segment(app, segment)?;
            }
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
        (None, None) => {
            let detail = "the message names no segment: the parameters scope, stream and segment say whose store \
                          it goes to";
            Err(ApiError::new(ErrorCode::ParameterMissing, detail).member("parameter", "segment"))
        }
    }
}

fn first_error(request: Option<CommandType>, replies: &[Frame]) -> StatusCode {
    let statuses =
        replies.iter().filter_map(|reply| reply.to_command().ok()).map(|(reply, _)| status_of(request, &reply));
    statuses.into_iter().find(|status| *status != StatusCode::OK).unwrap_or(StatusCode::OK)
}

fn message_response(request: Option<CommandType>, replies: &[Frame]) -> Response {
    let status = first_error(request, replies);
    let Some(reply) = replies.last() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let mut response = (status, reply.payload.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(MESSAGE_TYPE, HeaderValue::from(reply.code));
    headers.insert(MESSAGE_LENGTH, HeaderValue::from(reply.payload.len()));
    if let Some(command) = CommandType::from_code(reply.code) {
        headers.insert(MESSAGE_NAME, HeaderValue::from_static(command.info().name));
    }
    response
}
