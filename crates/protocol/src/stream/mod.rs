//! What a stream is made of: names, segment ids, the key space and who holds which part of it.
//!
//! Everything here is a value: no I/O, no clock. [`StreamSegments`] is built from what the controller says and then
//! answers the hot question, which segment takes this routing key, without asking anyone.

mod key_space;
mod murmur3;
mod name;
mod segment_name;
mod segments;
mod text;

pub use key_space::{KeyPosition, KeyRange};
pub use name::{NameError, NameKind, Scope, ScopedStream, StreamName};
pub use segment_name::{SegmentId, SegmentName};
pub use segments::{SegmentsError, StreamSegments, Successor};
pub(crate) use text::serde_as_text;
