//! What a stream consists of: names, segment ids, the key space, and which segment holds which part of it.
//!
//! ```text
//! routing key ─hash─▶ KeyPosition ──▶ StreamSegments ──▶ SegmentId
//!                                           ▲
//!                     KeyRange of each segment, from the controller
//! ```
//! Everything here is a value: no I/O, no clock. [`StreamSegments`] is built once from the controller's answer and
//! then answers the hot question, which segment takes this routing key, without asking again.

mod name;
mod segment_name;
mod text;

mod cut;
mod key_space;
mod murmur3;
mod segments;

pub use cut::{StreamCut, StreamCutError};
pub use key_space::{KeyPosition, KeyRange};
pub use name::{NameError, NameKind, Scope, ScopedStream, StreamName};
pub use segment_name::{SegmentId, SegmentName};
pub use segments::{SegmentsError, StreamSegments, Successor};
pub(crate) use text::serde_as_text;
