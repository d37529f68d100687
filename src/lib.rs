//! An HTTP gateway to [Pravega](https://pravega.io): any HTTP client appends events to a stream, reads them
//! back by segment offset, and speaks the segment store's wire protocol.
//!
//! ```text
//! curl ─▶ api ─▶ append, read ─▶ protocol::stream   which segment holds this routing key? (segments come from controller)
//!                      └───────▶ segment_store      which socket, which flow?  ─▶ protocol::wire   which bytes?  ─▶ Pravega
//! ```
//!
//! Modules stand in the order the data walks through them; arrows never point back. Three libraries stand beside this
//! one: `http-server` serves connections and knows no gateway, `pravega-protocol` turns bytes into values and opens no
//! socket, and `pravega-embedded` is a Pravega of one node, which the gateway reaches over TCP like any other.

pub mod gateway;

pub mod api;

pub mod app;

pub mod budget;

pub mod append;
pub mod read;

pub mod controller;
pub mod segment_store;
pub mod upstream_tls;

pub mod embedded;
pub mod readiness;

mod random;
pub mod retry;

pub mod config;
pub mod telemetry;
