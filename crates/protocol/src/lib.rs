//! Pravega's protocols as values: nothing here opens a socket or reads a clock.
//!
//! - [`wire`]: the segment store's wire commands, byte by byte.
//! - [`stream`]: names, segment ids, the key space, and which segment holds a routing key.
//! - [`controller`]: the controller's gRPC interface, client and server, generated from `proto/controller.proto`.

pub mod stream;

pub mod wire;

pub mod controller;
