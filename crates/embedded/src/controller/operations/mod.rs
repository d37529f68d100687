//! What the controller does: one short look or one atomic step of the node per call.
//!
//! A step that rejects a call has changed nothing. Names come as they were sent, since what Pravega says of a bad one
//! depends on the call.

mod error;
pub(crate) mod group;
mod records;
pub(crate) mod retention;
pub(crate) mod scale;
pub(crate) mod scope;
mod segment;
pub(crate) mod segments;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod transaction;
pub(crate) mod writer;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;

pub(crate) use error::{ErrorKind, OperationError};
