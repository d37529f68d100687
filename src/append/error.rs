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
    /// The controller could not be reached, or does not know the stream.
    #[error(transparent)]
    Controller(#[from] controller::Error),
    /// The segment store could not be reached.
    #[error("{error}")]
    Store {
        /// Why the store could not be reached.
        error: segment_store::Error,
        /// Whether the event was sent before.
        may_have_been_written: bool,
    },
    /// The store does not answer, and other events that wait for such stores hold all that they may.
    #[error("the segment store of {0} does not answer, and many events wait for it already")]
    Stalled(SegmentName),
    /// The store does not accept this gateway's appends.
    #[error("segment store refused appends to {segment}: {reason}")]
    Refused {
        /// The segment.
        segment: SegmentName,
        /// The store's reply.
        reason: &'static str,
        /// Whether the event was sent before.
        may_have_been_written: bool,
    },
    /// The store cannot append for now, for example because it is full.
    #[error("segment store could not append to {segment}: {message}")]
    Failed {
        /// The segment.
        segment: SegmentName,
        /// The store's message.
        message: Arc<str>,
        /// Whether the event was sent before.
        may_have_been_written: bool,
    },
    /// The writer ended before the event was answered.
    #[error("the gateway stopped writing")]
    Stopped {
        /// Whether the event was sent before.
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
            Self::StreamSealed(_)
            | Self::SegmentSealed(_)
            | Self::SegmentNotFound { .. }
            | Self::Controller(_)
            | Self::Stalled(_) => false,
        }
    }
}
