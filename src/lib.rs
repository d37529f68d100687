//! An HTTP gateway to [Pravega](https://pravega.io): any HTTP client appends events to a stream, reads them
//! back by segment offset, and speaks the segment store's wire protocol.
//!
//! ```text
//! curl ─▶ api ─▶ append, read ─▶ stream          which segment holds this routing key?   (segments come from controller, cached)
//!                      └───────▶ segment_store   which socket, which flow?  ─▶ wire   which bytes?  ─▶ Pravega
//! ```
//!
//! Modules stand in the order the data walks through them; arrows never point back. `wire` knows no socket,
//! `segment_store` knows no HTTP, and `stream` does no I/O at all.

pub mod api;
pub mod app;
pub mod append;
pub mod budget;
mod chance;
pub mod config;
pub mod controller;
pub mod embedded;
pub mod gateway;
pub mod read;
pub mod readiness;
pub mod retry;
pub mod segment_store;
pub mod shutdown;
pub mod stream;
pub mod telemetry;
mod tls;
pub mod wire;
