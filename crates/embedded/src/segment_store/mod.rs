//! The segment store's server: wire commands on TCP connections, each turned into one step of the node.
//!
//! ```text
//! socket ─▶ connection ─▶ conversation ─▶ appends, reads, segments, merges, tables ─▶ node
//!    ▲                                                        │
//!    └──── outbox ◀─ (durable?) ─ replies ◀───────────────────┘
//! ```
//!
//! A connection has one task, which handles its commands one after the other, in the order they came. Their replies
//! leave in that order too, many in one write, once the log holds what they report. Clients rely on what a real store
//! does beside its replies: which mistakes it answers and which ones end the connection.

mod appends;
mod attributes;
mod close_reason;
mod command_result;
mod connection;
mod conversation;
mod merges;
mod reads;
mod replies;
mod room;
mod segments;
mod server;
mod tables;
mod transients;
mod writers;

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

pub(crate) use server::{StoreContext, serve};
