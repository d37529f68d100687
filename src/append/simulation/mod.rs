//! The real writers against a simulated Pravega, on a clock that stands still until something is to happen.
//!
//! ```text
//! callers ─▶ StreamAppender ─▶ writers ─▶ SegmentStore, Controller ─▶ sessions, flows   all of it as in production
//!                                              │                          │
//!                                    SimulatedController          SimulatedNetwork     in the place of gRPC and TCP
//!                                              └─────────▶ World ◀────────┘
//! ```
//!
//! A schedule follows from its seed: how the network delays, what breaks and when, how the stream scales. The world
//! commits late: SetupAppend tells what is committed, refusals overtake commits, bytes of a lost connection still
//! arrive, segments of one scale are sealed one by one, before or after their successors are named.
//!
//! Leaving out any one [rule of recovery](super::recovery) makes a schedule break a claim.
//!
//! `SIMULATION_SEED=7 cargo test --lib simulation` runs the schedule of one seed again and prints what happens.

mod callers;
mod claims;
mod connection;
mod controller;
mod dice;
mod faults;
mod network;
mod odds;
mod pipeline;
pub(super) mod recovery;
mod replies;
mod requests;
mod rules;
mod schedule;
mod segment;
mod stream;
mod tests;
mod trace;
mod world;
