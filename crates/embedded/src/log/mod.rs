//! The record log under a node that outlives its process: opaque records, one after another, in files of a directory.
//!
//! ```text
//! DIR/LOCK                        held by the process that uses DIR
//! DIR/FORMAT                      version of all that lies in DIR, and the log's id
//! DIR/00000000000000000000.log    a file is named by the position of its first record
//! DIR/00000000000066941321.log    and begins where the one before it ends
//! DIR/spare.0                     filled with zeros, becomes the next file
//!
//! file:    magic 8 │ version 4 │ log id 16 │ first position 8 │ CRC 4 │ record │ record │ … │ zeros
//! record:  payload bytes 4 │ bytes since its group began 4 │ payload's CRC 4 │ header's CRC 4 │ payload
//! ```
//!
//! A position counts records with their headers through all files, so where one record ends the next one begins, and a
//! position less its file's first is a place in that file. Numbers are big-endian, and every CRC of a header covers the
//! log's id and the position too: what lies elsewhere, or is left from earlier, is no record.
//!
//! Records that gather while the disk is busy form a group, which is written and synced as one. A group is begun only
//! when all before it is durable. So a record that is whole proves, by the start of its group, what must be whole before
//! it: after a crash the last group may have holes and is cut at the first, any other hole is damage.
//!
//! All functions block on the disk except where they are `async`; [`Log::append`] never does.

mod directory;
mod disk;
mod error;
mod files;
mod layout;
mod log;
mod preallocate;
mod replay;
mod reserve;
mod scan;
mod shared;
mod tail;
mod write_buffer;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use error::{LogFailed, OpenError, ReplayError, ReserveError, UnsupportedVersion};
pub(crate) use files::FileSpan;
pub(crate) use log::{Log, Options};
pub(crate) use replay::Records;
pub(crate) use reserve::Reservation;
#[cfg(test)]
pub(crate) use tests::{Call, TestDisk};
