//! The events of one body, wherever they come from.

use std::time::Duration;

use futures::FutureExt as _;

use crate::api::append::batch::document::Document;
use crate::api::append::batch::item::{Item, Remaining};
use crate::api::append::batch::streamed_body::StreamedBody;
use crate::api::error::ApiError;

/// Longest pause in a short body during which its events wait for the rest of it.
const GATHER_FOR: Duration = Duration::from_millis(50);

/// Events of one body, in order.
pub(super) enum Source {
    Streamed(StreamedBody),
    Document(Document),
}

impl Source {
    /// The next event of what is there. `Ok(None)` says that nothing whole is there.
    ///
    /// # Errors
    /// What is wrong with the event of this index.
    pub(super) fn next(&mut self, index: u64) -> Result<Option<Item>, ApiError> {
        match self {
            Self::Streamed(body) => body.next().map_err(|broken| broken.at(index)),
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
            Self::Streamed(body) => body.read().await,
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
            Self::Streamed(body) => body.admit().await,
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
            Self::Streamed(body) if body.is_short => tokio::time::timeout(GATHER_FOR, body.read()).await.is_ok(),
            Self::Streamed(body) => body.read().now_or_never().is_some(),
            Self::Document(_) => true,
        }
    }

    /// Bytes of the budget that are held for events to come.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Streamed(body) => body.held_bytes(),
            Self::Document(_) => 0,
        }
    }

    /// Counts what was not taken, reading on as far as refused bodies are read.
    pub(super) async fn rest(self) -> Remaining {
        match self {
            Self::Streamed(body) => body.rest().await,
            Self::Document(document) => Remaining { events: document.count_rest(), is_whole: true },
        }
    }

    /// Counts what was not taken and is there already.
    pub(super) fn rest_so_far(self) -> Remaining {
        match self {
            Self::Streamed(mut body) => Remaining { events: body.count_buffered(), is_whole: false },
            Self::Document(document) => Remaining { events: document.count_rest(), is_whole: true },
        }
    }
}
