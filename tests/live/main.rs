//! The gateway in front of a Pravega, alongside clients that do not know about it.
//!
//! The Pravega is the one named by `TEST_PRAVEGA`, `TEST_PRAVEGA_REST` and `TEST_PRAVEGA_STORE`, else the embedded one.
//! Tests that need a real one, or a program that is not part of the Rust toolchain (a JVM, Python, curl, bash), are
//! ignored by default: `scripts/test` installs and starts what they need and runs them.

#![cfg_attr(not(feature = "embedded"), allow(dead_code, reason = "tests of the embedded Pravega use the rest"))]

#[cfg(feature = "embedded")]
mod acceptance;
mod append_metrics;
mod appends_by_fields;
mod audit_webhook;
mod batches;
mod cluster;
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
mod neighbours;
mod raw_messages;
mod raw_sequence;
mod request_forms;
mod restart;
mod rights;
mod routing;
mod scaling;
mod segments;
mod slow_store;
mod store_metrics;
mod support;
mod termination;
mod tls;
mod tour;
#[cfg(feature = "embedded")]
mod upstream_tls;
mod waiting_reads;
mod webhooks;
