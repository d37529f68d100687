//! Reads events of one segment: bytes in replies of any size in, whole events out.

mod error;
mod page;
mod reader;
mod tail;

pub use error::Error;
pub use page::{Event, Page, PageLimits};
pub use reader::{MAX_READ_BYTES, SegmentReader, SegmentState};
pub use tail::{Tails, TooManyWaits};
