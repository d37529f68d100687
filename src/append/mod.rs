//! Appends events: one shared writer per segment, every event answered by its own acknowledgement.
//!
//! ```text
//! Appenders ─▶ StreamAppender ── routing key ─▶ SegmentWriter (handle) ─ submissions ─▶ task ─ blocks ─▶ Session
//!                    ▲                                                                  │ Machine decides
//!                    └───────────── a sealed segment's unwritten events ────────────────┘
//! ```
//!
//! A block carries what has gathered while earlier blocks were in flight; with none in flight an event leaves at
//! once. What to send, to send again and to answer is decided by [`Machine`], which has neither socket nor clock.

mod appenders;
mod block;
mod error;
mod event;
mod machine;
mod published;
mod routing;
mod rules;
#[cfg(test)]
mod simulation;
mod stream;
mod task;
mod ticket;
mod writer;
mod writer_ids;

pub use appenders::Appenders;
pub use error::Error;
pub use event::{EVENT_OVERHEAD_BYTES, NewEvent, Target};
pub use machine::{Done, Item, Limits, Machine, Place, Violation};
pub use stream::{Batch, StreamAppender};
pub use ticket::{Outcome, Ticket, Written};
pub(crate) use writer_ids::BorrowedId;
pub use writer_ids::WriterIds;
