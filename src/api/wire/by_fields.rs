//! `POST /v1/wire/{Command}`: a request by its fields.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::Response;
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::{CommandType, Direction, JsonError, Role, WireCommand, WriterId};

use crate::api::edge::deadline::Deadline;
use crate::api::edge::header_limit::too_large;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::body::collect_in_time;
use crate::api::request::content_encoding::ContentEncoding;
use crate::api::request::params::invalid;
use crate::api::request::target::{parse_segment, stream_or_default};
use crate::api::wire::by_fields_append::append;
use crate::api::wire::exchange::Replies;
use crate::api::wire::field_values::{FieldSource, FieldValues};
use crate::api::wire::reply_fields::respond;
use crate::api::wire::rights::Rights;
use crate::api::wire::route::{FixedFrames, any_segment, check_direction, check_name, check_sources, converse};
use crate::app::App;
use crate::append::BorrowedId;
use crate::controller::Access;
use crate::telemetry::labels::Limit;

/// What a message's request id is where the caller gives none.
const DEFAULT_REQUEST_ID: i64 = 1;

/// Sends one command and answers with its reply.
pub(crate) async fn post(
    app: App,
    name: Result<Path<String>, PathRejection>,
    deadline: Deadline,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    deadline.timeout(app.controller().admit()).await??;
    let body = ContentEncoding::of(&head.headers)?.undo(body, app.budget()).await?;
    let Path(name) = name.map_err(|error| ApiError::new(ErrorCode::MessageTypeUnknown, error.to_string()))?;
    let command = named_command(&name)?;
    let values = FieldValues::gather(head.uri.query(), &head.headers)?;
    let replies = if is_append(command) {
        append_bytes(&app, deadline, command, values, body).await?
    } else {
        ask(&app, deadline, command, values, body).await?
    };
    Ok(respond(command, &head.headers, replies))
}

/// Appends the body. Where it goes is known, and checked, before it is read.
async fn append_bytes(
    app: &App,
    deadline: Deadline,
    command: CommandType,
    mut values: FieldValues,
    body: Body,
) -> Result<Replies, ApiError> {
    let segment = deadline.timeout(take_segment(app, command, &mut values)).await??;
    check_name(app, &segment.to_string())?;
    deadline.timeout(app.grant(&segment.stream, Access::ReadWrite)).await??;
    let limit = app.config().limits.raw_message.as_usize();
    let (bytes, _permit) = collect_in_time(deadline, body, limit, Limit::RawMessage, app.budget()).await?;
    append(app, deadline, command, &segment, values, bytes).await
}

/// Sends a command whose fields, the segment too, may stand in the body.
async fn ask(
    app: &App,
    deadline: Deadline,
    command: CommandType,
    mut values: FieldValues,
    body: Body,
) -> Result<Replies, ApiError> {
    let limits = &app.config().limits;
    let limit = limits.json_document.as_usize();
    let (document, mut permit) = collect_in_time(deadline, body, limit, Limit::JsonDocument, app.budget()).await?;
    values.take_document(command, &document)?;
    let segment = deadline.timeout(take_segment(app, command, &mut values)).await??;
    check_name(app, &segment.to_string())?;
    let borrowed = match command {
        CommandType::SetupAppend => {
            // No one keeps an id from others without the right to use it.
            deadline.timeout(app.grant(&segment.stream, Access::ReadWrite)).await??;
            Some(deadline.timeout(app.writer_ids().borrow(&segment)).await?)
        }
        _ => None,
    };
    let request = build(command, &segment, values, borrowed.as_ref().map(BorrowedId::id))?;
    check_sources(app, &request.frame())?;
    check_size(&request, limits.raw_message.as_usize())?;
    let mut frames = [request.frame()];
    let rights = deadline.timeout(Rights::show(app, &segment, &frames)).await??;
    deadline.timeout(rights.fill_in(&mut frames, &mut permit)).await??;
    converse(app, deadline, &rights, &segment, &FixedFrames(&frames)).await
}

fn named_command(name: &str) -> Result<CommandType, ApiError> {
    let command = CommandType::from_name(name).ok_or_else(|| {
        let detail = format!("no wire command is named {name:?}; docs/wire.md and `wire list` list all of them");
        ApiError::new(ErrorCode::MessageTypeUnknown, detail)
    })?;
    check_direction(command)?;
    if matches!(command, CommandType::PartialEvent | CommandType::Padding) {
        let detail = format!(
            "{name} is part of an AppendBlock: send SetupAppend, AppendBlock with it at its end, and AppendBlockEnd \
             as whole frames with PUT /v1/events and Content-Type: application/vnd.pravega.wire"
        );
        return Err(ApiError::new(ErrorCode::MessageTypeUnknown, detail));
    }
    Ok(command)
}

/// Whether the gateway sets a writer up first.
fn is_append(command: CommandType) -> bool {
    command.info().direction == Direction::Part
        || matches!(command, CommandType::ConditionalAppend | CommandType::ConditionalBlockEnd)
}

/// Takes the segment by its field's own name, as `segment`, or by `scope`, `stream` and `segment`.
async fn take_segment(app: &App, command: CommandType, values: &mut FieldValues) -> Result<SegmentName, ApiError> {
    let own = command.info().field(Role::Segment).map_or("segment", |field| field.name);
    let segment = values.take_text(own)?;
    let aliased = if own == "segment" { None } else { values.take_text("segment")? };
    if segment.is_some() && aliased.is_some() {
        let detail = format!("the segment is given twice, as {own} and as segment");
        return Err(ApiError::new(ErrorCode::ParameterRepeated, detail).member("parameter", "segment"));
    }
    let (scope, stream) = (values.take_text("scope")?, values.take_text("stream")?);
    let given = segment.or(aliased);
    match (given, scope, stream) {
        (Some(name), None, None) if name.contains('/') => {
            values.set(own, &name);
            SegmentName::parent_of(&name).map_err(|error| invalid("segment", &name, error))
        }
        (segment, scope, stream) => {
            let segment = in_stream(app, command, segment, scope, stream).await?;
            values.set(own, &segment.to_string());
            Ok(segment)
        }
    }
}

async fn in_stream(
    app: &App,
    command: CommandType,
    segment: Option<String>,
    scope: Option<String>,
    stream: Option<String>,
) -> Result<SegmentName, ApiError> {
    let missing = |name: &'static str| {
        let detail = format!("{} needs a segment: a full name, or scope, stream and segment", command.info().name);
        ApiError::new(ErrorCode::ParameterMissing, detail).member("parameter", name)
    };
    let stream = stream_or_default(app, scope.as_deref(), stream.as_deref(), missing)?;
    let Some(segment) = segment else {
        return match command.info().field(Role::Segment) {
            None if !is_append(command) => any_segment(app, stream).await,
            _ => Err(missing("segment")),
        };
    };
    parse_segment(&segment)?.name(app, stream).await
}

/// Builds the command from what was given and what may be left out. A transient segment is named after its writer,
/// which leaves no attribute: only there an id may be drawn at random.
fn build(
    command: CommandType,
    segment: &SegmentName,
    mut values: FieldValues,
    writer_id: Option<WriterId>,
) -> Result<WireCommand, ApiError> {
    let writer_id = writer_id.map_or_else(uuid::Uuid::new_v4, |id| id.0);
    values.default_to("requestId", DEFAULT_REQUEST_ID);
    values.default_to("delegationToken", "");
    values.default_to("writerId", writer_id.to_string());
    if let Some(field) = command.info().field(Role::Segment) {
        values.default_to(field.name, segment.to_string());
    }
    values.build(command)
}

pub(crate) fn check_size(request: &WireCommand, limit: usize) -> Result<(), ApiError> {
    let length = request.payload().len();
    if length > limit {
        let detail = format!("the message has {length} bytes of payload; the limit is {limit}");
        return Err(too_large(Limit::RawMessage, detail).member("limit", limit));
    }
    Ok(())
}

/// A wrong field, blamed on where it was given.
pub(crate) fn field_error(error: &JsonError, source: Option<FieldSource>) -> ApiError {
    use pravega_protocol::wire::FieldProblem;
    let code = match (&error.problem, source) {
        (FieldProblem::Missing, _) => ErrorCode::ParameterMissing,
        (FieldProblem::Unknown, Some(FieldSource::Parameter) | None) => ErrorCode::ParameterUnknown,
        (_, Some(FieldSource::Parameter) | None) => ErrorCode::ParameterInvalid,
        (_, Some(FieldSource::Header)) => ErrorCode::HeaderInvalid,
        (_, Some(FieldSource::Body)) => ErrorCode::BodyInvalid,
    };
    ApiError::new(code, error.to_string()).member("field", error.field.as_str())
}
