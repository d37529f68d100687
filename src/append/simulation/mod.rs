//! Runs the real writers against a simulated Pravega, on a clock that jumps from event to event.
//!
//! ```text
//! callers ─▶ StreamAppender ─▶ writers ─▶ SegmentStore, Controller ─▶ sessions, flows   all as in production
//!                                              │                          │
//!                                    SimulatedController          SimulatedNetwork     instead of gRPC and TCP
//!                                              └─────────▶ World ◀────────┘
//! ```
//!
//! A schedule follows from its seed: how the network delays, what breaks and when, how the stream scales. The world
//! commits late: AppendSetup reports what is committed, refusals overtake commits, bytes of a lost connection still
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
mod history;
mod network;
mod odds;
mod pipeline;
mod reader;
pub(super) mod recovery;
mod replies;
mod requests;
mod rules;
mod schedule;
mod segment;
mod single_cases;
mod tests;
mod trace;
mod witness;
mod world;
