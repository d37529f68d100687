//! Why a connection stops a segment's writer, and what its store meant by that.

use std::sync::Arc;

use pravega_protocol::wire::{CommandType, ServerErrorCode, WireCommand};

use crate::segment_store;
use crate::telemetry::labels::StoreError;

/// Why a writer cannot go on with its connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another connection may do.
    Disconnected,
    /// Another connection may do, to the store that the controller names by then.
    Moved,
    /// The segment takes no more appends.
    Sealed,
    /// The segment does not exist.
    Gone,
    /// The store does not accept this writer's appends; the name of its reply.
    Refused(&'static str),
    /// The store cannot append for now; its message.
    Failed(Arc<str>),
    /// No store could be reached.
    Unreachable(segment_store::Error),
}

/// What a reply means that is not the expected one.
pub(super) fn failure_of(reply: &WireCommand) -> Failure {
    match reply {
        WireCommand::SegmentIsSealed(_) => Failure::Sealed,
        WireCommand::NoSuchSegment(_) => Failure::Gone,
        WireCommand::WrongHost(_) => Failure::Moved,
        // An append of an earlier connection was stored after all: the next setup reports its number.
        WireCommand::InvalidEventNumber(_) => Failure::Disconnected,
        WireCommand::ErrorMessage(error) if error.error_code != ServerErrorCode::ILLEGAL_ARGUMENT => {
            Failure::Failed(error.message.as_str().into())
        }
        other => Failure::Refused(other.command_type().info().name),
    }
}

impl Failure {
    /// Whether the caller was refused for whom it was tried: by the controller, or by a store that did not take the token.
    /// With another caller's it may succeed.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Unreachable(segment_store::Error::Controller(error)) => error.is_refusal(),
            Self::Refused(reply) => *reply == CommandType::AuthTokenCheckFailed.info().name,
            _ => false,
        }
    }

    /// The error to count against the store; `None` where it was counted already.
    pub(super) fn of_store(&self) -> Option<StoreError> {
        match self {
            Self::Disconnected => Some(StoreError::Lost),
            Self::Moved => Some(StoreError::Reply(CommandType::WrongHost)),
            Self::Sealed => Some(StoreError::Reply(CommandType::SegmentIsSealed)),
            Self::Gone => Some(StoreError::Reply(CommandType::NoSuchSegment)),
            Self::Refused(reply) => CommandType::from_name(reply).map(StoreError::Reply),
            Self::Failed(_) => Some(StoreError::Reply(CommandType::ErrorMessage)),
            Self::Unreachable(_) => None,
        }
    }
}
