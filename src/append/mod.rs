//! Appends events: one shared writer per segment, each event answered by its own acknowledgement.
//!
//! ```text
//! Appenders ─▶ StreamAppender ─▶ StreamWriters ─ routing key ─▶ SegmentWriter ─ submissions ─▶ WriterTask ─▶ Session
//!                                      ▲                                                        │ BlockQueue decides
//!                                      └───────── Handover: a sealed segment's unwritten events ┘
//! ```
//!
//! A block carries what has gathered while earlier blocks were in flight; with none in flight, an event is sent at
//! once. What to send, to send again and to acknowledge is decided by `BlockQueue`, which has no sockets or clocks.
//! What must hold for nothing to be lost, doubled or reordered is listed in `recovery`.

mod appender;
mod batch;
mod callers;
mod router;
mod routing;

mod current_routing;
mod handover;
mod recovery;
mod retried_segments;
mod successors;

mod segment_writer;
mod writer_task;

mod block_queue;
mod failure;
mod setup;
mod stalls;

mod block;
mod error;
mod event;
mod reusable_ids;
mod ticket;
mod writer_ids;

#[cfg(test)]
mod simulation;

pub use appender::{Appenders, StreamAppender};
pub use batch::Batch;
pub use block_queue::EventPlace;
pub use error::Error;
pub use event::{EVENT_OVERHEAD_BYTES, NewEvent, Target};
pub use ticket::{AppendOutcome, Ticket, Written};
pub(crate) use writer_ids::BorrowedId;
pub use writer_ids::WriterIds;
