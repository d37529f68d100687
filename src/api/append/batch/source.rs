use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;

use crate::api::append::batch::document::Document;
use crate::api::append::batch::streamed_body::CutBody;
use crate::api::edge::header_limit::too_large;
use crate::api::error::{ApiError, ErrorCode};
use crate::budget::Permit;
use crate::telemetry::labels::Limit;

/// Longest pause in a short body during which its events wait for the rest of it.
const GATHER_FOR: Duration = Duration::from_millis(50);

/// An event that was cut out of a body.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) payload: Bytes,
    /// Bytes of the body that are gone with it.
    pub(super) taken: usize,
}

/// Why bytes of a body are no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
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

impl Broken {
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
pub(super) struct Rest {
    pub(super) events: u64,
    /// Whether there are no more.
    pub(super) is_whole: bool,
}

/// Events of one body, in order.
pub(super) enum Source {
    Cut(CutBody),
    Document(Document),
}

impl Source {
    /// The next event of what is there. `Ok(None)` says that nothing whole is there.
    ///
    /// # Errors
    /// What is wrong with the event of this index.
    pub(super) fn next(&mut self, index: u64) -> Result<Option<Item>, ApiError> {
        match self {
            Self::Cut(body) => body.next().map_err(|broken| broken.at(index)),
            Self::Document(document) => document.next(index),
        }
    }

    /// Waits for more of the body; what it brings is there after [`admit`](Self::admit). `false` at the body's end.
    ///
    /// # Errors
    /// As reading a body fails.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn read(&mut self) -> Result<bool, ApiError> {
        match self {
            Self::Cut(body) => body.read().await,
            Self::Document(_) => Ok(false),
        }
    }

    /// Waits until there is room for what was read.
    ///
    /// # Errors
    /// `503 overloaded`
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn admit(&mut self) -> Result<(), ApiError> {
        match self {
            Self::Cut(body) => body.admit().await,
            Self::Document(_) => Ok(()),
        }
    }

    /// Whether there is more of the body, or its end. Of a short one it is worth waiting a moment for, so that all its
    /// events go out together.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn brings_more_soon(&mut self) -> bool {
        match self {
            Self::Cut(body) if body.is_short => tokio::time::timeout(GATHER_FOR, body.read()).await.is_ok(),
            Self::Cut(body) => body.read().now_or_never().is_some(),
            Self::Document(_) => true,
        }
    }

    /// Counts what was not taken, reading on as far as refused bodies are read.
    pub(super) async fn rest(self) -> Rest {
        match self {
            Self::Cut(body) => body.rest().await,
            Self::Document(document) => Rest { events: document.count_rest(), is_whole: true },
        }
    }

    /// Counts what was not taken and is there already.
    pub(super) fn rest_so_far(self) -> Rest {
        match self {
            Self::Cut(mut body) => Rest { events: body.count_buffered(), is_whole: false },
            Self::Document(document) => Rest { events: document.count_rest(), is_whole: true },
        }
    }
}
