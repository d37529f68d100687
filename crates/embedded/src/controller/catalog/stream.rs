//! What is kept of a stream beside its epochs.

use pravega_protocol::stream::{ScopedStream, StreamName};
use serde::{Deserialize, Serialize};

use super::{Cut, StreamConfig};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    pub(crate) config: StreamConfig,
    pub(crate) sealed: bool,
    /// The epoch whose segments take appends, or did before the seal.
    pub(crate) active: u32,
    /// Where the stream was truncated; empty before the first time.
    pub(crate) head: Cut,
    /// Bytes that truncations took away.
    pub(crate) truncated: i64,
}

/// The stream that holds a stream's watermarks; `None` where no name is left for it.
pub(crate) fn mark_stream(stream: &ScopedStream) -> Option<ScopedStream> {
    let name = StreamName::new(&format!("_MARK{}", stream.stream)).ok()?;
    Some(ScopedStream::new(stream.scope.clone(), name))
}
