//! Tables: keys with values and versions, as a segment store keeps them.
//!
//! A [`Table`] is a value: no I/O, no clock, no lock. It holds what is alive, and behaves as if every change had been
//! appended to a segment, because that is what clients see: a version is the offset of an entry's record, and the
//! length grows by every record, also by those that later ones make void.
//!
//! ```text
//! 0   1            5              9                17
//! ├ 0 ┼ key length ┼ value length ┼ i64::MIN ──────┼ key ┼ value ┤   a removal has value length -1 and no value
//! ```
//!
//! A change happens in two halves: `check_update` and `check_removal` judge a whole batch and yield a [`TableChange`],
//! [`Table::apply`] applies it and can't fail, now or when a log is replayed. Refusals are those of Pravega 0.13.0, in
//! its order of precedence. Where a real store does what no one can want, this one differs:
//!
//! - It takes no empty key; a real one does, and can't read its segment any more.
//! - It refuses a read whose reply no frame holds; a real one sends a frame that clients can't take.
//! - Deltas never mention a key that is gone; those of a real store do if the removal lies beyond the reply.
//! - A removed key with a version does not exist at once; in a real hash table it has a bad version until the removal
//!   is indexed.
//!
//! Source: `HashTableSegmentLayout.java`, `FixedKeyLengthTableSegmentLayout.java`, `PravegaRequestProcessor.java`.

mod change;
mod check;
mod continuation;
mod delta;
mod iterate;
mod key_hash;
mod keys;
mod read;
mod rejection;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use change::TableChange;
pub(crate) use keys::Keys;
pub(crate) use rejection::TableRejection;
pub(crate) use table::{ENTRY_OVERHEAD_BYTES, Table};
