//! The gateway's program in front of a real Pravega, together with clients that know nothing of it.
//!
//! `scripts/test` starts Pravega and tells by TEST_… variables where it is; without them every test here fails.

mod acceptance;
mod append_metrics;
mod appends_by_fields;
mod audit_webhook;
mod batches;
mod dashboard;
mod dropped_connections;
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
