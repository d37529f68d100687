//! Reads events of one segment: bytes in replies of any size come in, whole events go out.
//!
//! ```text
//! SegmentReader ── state: head and tail
//!       ├─────── page ─▶ bytes ─▶ deframe ─▶ Page of whole events, up to the tail
//!       ├─────── stream: one event too large for a page, in pieces
//!       └─────── Tails: waits where the segment ends, one read for all that wait there
//! ```

mod error;
mod event_sizes;
mod page;
mod reader;
mod tail;

pub use error::Error;
pub use page::{Event, Page, PageLimits};
pub use reader::{MAX_READ_BYTES, SegmentReader, SegmentState};
pub use tail::{Tails, TooManyWaits};
