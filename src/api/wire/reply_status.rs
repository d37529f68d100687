//! The status that a store's reply stands for.

use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use pravega_protocol::wire::{AuthErrorCode, CommandType, ServerErrorCode, WireCommand};

/// The status of a reply to a request; `200` for everything that is no error.
pub(crate) fn status_of(request: Option<CommandType>, reply: &WireCommand) -> StatusCode {
    match reply {
        WireCommand::SegmentIsSealed(_)
        | WireCommand::SegmentAlreadyExists(_)
        | WireCommand::InvalidEventNumber(_)
        | WireCommand::TableSegmentNotEmpty(_) => StatusCode::CONFLICT,
        WireCommand::NoSuchSegment(_) => StatusCode::NOT_FOUND,
        WireCommand::SegmentIsTruncated(_) => truncated(request),
        WireCommand::TableKeyDoesNotExist(_)
        | WireCommand::TableKeyBadVersion(_)
        | WireCommand::ConditionalCheckFailed(_) => StatusCode::PRECONDITION_FAILED,
        WireCommand::SegmentAttributeUpdated(updated) if !updated.success => StatusCode::PRECONDITION_FAILED,
        WireCommand::AuthTokenCheckFailed(failed) if failed.error_code == AuthErrorCode::TOKEN_EXPIRED => {
            StatusCode::UNAUTHORIZED
        }
        WireCommand::AuthTokenCheckFailed(_) => StatusCode::FORBIDDEN,
        WireCommand::OperationUnsupported(_) => StatusCode::NOT_IMPLEMENTED,
        WireCommand::ErrorMessage(error) if error.error_code == ServerErrorCode::ILLEGAL_ARGUMENT => {
            StatusCode::BAD_REQUEST
        }
        WireCommand::ErrorMessage(_) => StatusCode::BAD_GATEWAY,
        WireCommand::WrongHost(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    }
}

/// Says when to come back, where the status is one to come back from.
pub(crate) fn with_retry(mut response: Response) -> Response {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A read below the head, a truncation outside the segment, or a table of another length than expected.
fn truncated(request: Option<CommandType>) -> StatusCode {
    match request {
        Some(CommandType::TruncateSegment) => StatusCode::RANGE_NOT_SATISFIABLE,
        Some(CommandType::UpdateTableEntries | CommandType::RemoveTableKeys) => StatusCode::PRECONDITION_FAILED,
        _ => StatusCode::GONE,
    }
}
