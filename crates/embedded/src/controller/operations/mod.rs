//! What the controller does: one short look or one atomic step of the node per call.
//!
//! A step that refuses has changed nothing. Names come as they were sent, since what Pravega says of a bad one
//! depends on the call.

pub(crate) mod group;
mod records;
mod refusal;
pub(crate) mod retention;
pub(crate) mod scale;
pub(crate) mod scope;
mod segment;
pub(crate) mod segments;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod transaction;
pub(crate) mod writer;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;

pub(crate) use refusal::Refusal;
