//! Connections to segment stores: which socket, which flow?
//!
//! A [`Session`] multiplexes many requests over one socket that a single task owns. A [`Pool`] keeps a few sessions
//! for each store, those for appends apart from those for reads, because a store that pushes back stops reading a
//! socket altogether. Passed-through messages get [`Lease`]s of connections of their own, since one protocol error
//! costs a connection with everything on it. Where the controller is reached through TLS, so are the stores. [`SegmentStore`] adds the controller's knowledge of what lies where.
//!
//! ```text
//! SegmentStore ── where is the segment? ─▶ Controller
//!      └─▶ Pool ── Session (handle) ─ messages ─▶ task ── socket
//!           └─── Lease (one caller, one socket)
//! ```

mod connect;
mod error;
mod exclusive;
mod flow;
mod handshake;
#[cfg(test)]
mod peer;
mod pool;
mod session;
mod store;
mod task;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

#[cfg(test)]
pub(crate) use connect::Connect;
pub use error::{ConnectError, ConnectProblem, Error, Lost, LostCause};
pub use exclusive::{ExclusivePool, Lease, LeaseKind};
pub use flow::{Flow, FlowStep};
#[cfg(test)]
pub(crate) use peer::Peer;
pub use pool::{Pool, Purpose};
pub use session::{Session, SessionTimes};
pub use store::{SegmentStore, wire_name};
