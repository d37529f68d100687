use std::sync::Arc;

use pravega_protocol::stream::{ScopedStream, SegmentId, SegmentName};

use crate::{controller, segment_store};

/// Why an event was not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The stream takes no more events.
    #[error("stream {0} is sealed")]
    StreamSealed(ScopedStream),
    /// The segment that the caller named takes no more events.
    #[error("segment {0} is sealed")]
    SegmentSealed(SegmentName),
    /// The stream has no such segment.
    #[error("stream {stream} has no segment {segment}")]
    SegmentNotFound {
        /// The stream.
        stream: ScopedStream,
        /// The segment that the caller named.
        segment: SegmentId,
    },
    /// The controller could not be asked, or knows no such stream.
    #[error(transparent)]
    Controller(#[from] controller::Error),
    /// The segment store could not be reached.
    #[error("{error}")]
    Store {
        /// Why.
        error: segment_store::Error,
        /// Whether the event had been sent before.
        may_have_been_written: bool,
    },
    /// The store refused to let this gateway write.
    #[error("segment store refused {segment}: {reason}")]
    Refused {
        /// The segment.
        segment: SegmentName,
        /// What it answered.
        reason: &'static str,
        /// Whether the event had been sent before.
        may_have_been_written: bool,
    },
    /// The store could not take the event for now, as one that is full.
    #[error("segment store could not append to {segment}: {message}")]
    Failed {
        /// The segment.
        segment: SegmentName,
        /// What the store said.
        message: Arc<str>,
        /// Whether the event had been sent before.
        may_have_been_written: bool,
    },
    /// The writer ended while the event was waiting.
    #[error("the gateway stopped writing")]
    Stopped {
        /// Whether the event had been sent before.
        may_have_been_written: bool,
    },
}

impl Error {
    /// Whether the event may be in the stream although it was not acknowledged.
    pub fn may_have_been_written(&self) -> bool {
        match self {
            Self::Store { may_have_been_written, .. }
            | Self::Refused { may_have_been_written, .. }
            | Self::Failed { may_have_been_written, .. }
            | Self::Stopped { may_have_been_written } => *may_have_been_written,
            Self::StreamSealed(_) | Self::SegmentSealed(_) | Self::SegmentNotFound { .. } | Self::Controller(_) => {
                false
            }
        }
    }
}
