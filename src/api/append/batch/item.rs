//! What a body yields: its events, or why its bytes are not an event.

use bytes::Bytes;

use crate::api::edge::header_limit::too_large;
use crate::api::error::{ApiError, ErrorCode};
use crate::budget::Permit;
use crate::telemetry::labels::Limit;

/// An event that was cut out of a body.
#[derive(Debug)]
pub(super) struct CutEvent {
    pub(super) payload: Bytes,
    /// Bytes of the body that are gone with it.
    pub(super) taken: usize,
}

/// Why bytes of a body are not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MalformedEvent {
    /// It has more bytes than an event may have.
    #[error("has more than {max_event} bytes")]
    TooLarge { max_event: usize },
    /// There is no header of an event.
    #[error("does not begin with i32 0 and its length, but with {kind} and {length}")]
    NotAFrame { kind: i32, length: i32 },
    /// The body ends within it.
    #[error("is cut off by the end of the body")]
    CutOff,
}

impl MalformedEvent {
    pub(super) fn at(self, index: u64) -> ApiError {
        let detail = format!("event {index} of the batch {self}");
        match self {
            Self::TooLarge { .. } => too_large(Limit::Event, detail),
            Self::NotAFrame { .. } | Self::CutOff => ApiError::new(ErrorCode::BodyInvalid, detail),
        }
    }
}

/// An event as the body has it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) payload: Bytes,
    /// The event's own, where the body gives one.
    pub(super) key: Option<String>,
    /// Bytes of the payload that `permit` does not stand for yet.
    pub(super) own_bytes: usize,
    /// Stands for the payload.
    pub(super) permit: Permit,
}

/// The events that follow one that cannot be appended.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Remaining {
    pub(super) events: u64,
    /// Whether there are no more.
    pub(super) is_whole: bool,
}
