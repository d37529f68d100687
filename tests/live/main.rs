//! The gateway's program in front of a Pravega, together with clients that know nothing of it.
//!
//! The Pravega is the one that `TEST_PRAVEGA`, `TEST_PRAVEGA_REST` and `TEST_PRAVEGA_STORE` name, else the embedded one. What
//! needs a real one, or a program that comes with no Rust toolchain (a JVM, Python, curl, bash), is ignored unless asked
//! for: `scripts/test` starts and installs all of that and asks for it.

#[cfg(feature = "embedded")]
mod acceptance;
mod append_metrics;
mod appends_by_fields;
mod audit_webhook;
mod batches;
mod dashboard;
mod dropped_connections;
#[cfg(feature = "embedded")]
mod embedded;
mod errors;
mod event_sizes;
mod faults;
mod faulty_network;
mod foreign_readers;
mod foreign_writers;
mod half_bodies;
mod kubernetes;
mod limits;
mod main_job;
mod many_clients;
mod raw_messages;
mod raw_sequence;
mod restart;
mod routing;
mod scaling;
mod segments;
mod slow_store;
mod store_metrics;
mod support;
mod termination;
mod tour;
mod waiting_reads;
mod webhooks;
