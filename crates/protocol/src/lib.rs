//! Pravega's protocols as values: nothing here opens a socket or reads a clock.
//!
//! ```text
//! controller ──gRPC──▶ controller: its messages, as generated
//!                           │ names, segment ids, key ranges
//!                           ▼
//! routing key ───────▶ stream: which segment holds this key?
//!                           │ segment name
//!                           ▼
//! segment store ◀─TCP─ wire: which bytes?
//! ```

#[cfg(feature = "controller")]
pub mod controller;

pub mod stream;

pub mod wire;
