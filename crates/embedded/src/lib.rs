//! An embedded Pravega: one node that speaks the segment store's and the controller's real protocols on real TCP
//! ports, so that anything written for Pravega can use it. For development, tests and the edge; scale comes from a
//! real cluster.
//!
//! ```text
//! TCP ─▶ segment_store (wire commands) ─┐
//! TCP ─▶ controller (gRPC, REST) ───────┴─▶ node: one state, changed in atomic steps ─▶ log
//! ```
//!
//! Both servers turn a request into one step of the node. What a step changes is one record of the log; nothing is
//! sent to a client before that record is durable.

mod embedded;
mod settings;
mod start_error;

mod controller;
mod segment_store;
mod users;

mod table;

mod node;

mod checkpoint;
mod log;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod other_process;

pub use embedded::{Addresses, Embedded};
pub use settings::{Settings, TlsFiles};
pub use start_error::{DataError, StartError, UsersError};
pub use users::{EntryError, HashError, LineError, NoSuchPermission, UserLineError, user_line};
