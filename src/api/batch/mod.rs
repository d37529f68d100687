//! Bodies that hold several events, and what is told about each of them.
//!
//! ```text
//! body ─▶ Source ── events, one by one ─▶ Upload ── as many as a block takes ─▶ append
//!          ├ CutBody: Lines, Frames; as they arrive          │
//!          └ Document: elements of JSON; whole at first      └── outcomes ─▶ Tally ─▶ one answer, or a report per line
//! ```

mod cut_body;
mod document;
mod elements;
mod form;
mod frames;
mod lines;
mod reports;
mod source;
mod streamed;
mod upload;

pub(super) use form::{Form, media_type};
pub(super) use upload::append;
