//! Bodies that hold several events, and the reports on them.
//!
//! ```text
//! body ─▶ Source ── events, one by one ─▶ Upload ── as many as a block takes ─▶ append
//!          ├ StreamedBody: Lines, Frames; as they arrive     │
//!          └ Document: elements of JSON; whole at first      └── outcomes ─▶ Tally ─▶ one answer, or a report per line
//! ```

mod document;
mod elements;
mod form;
mod frames;
mod item;
mod lines;
mod report;
mod report_stream;
mod source;
mod streamed_body;
mod upload;

pub(crate) use form::Form;
pub(crate) use upload::append;
