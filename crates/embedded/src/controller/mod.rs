//! The embedded node's controller: gRPC and REST as Pravega 0.13 speaks them.
//!
//! ```text
//! grpc, rest ─▶ access: may the caller? ─▶ operations: one step of the node ─▶ catalog: what follows?
//! background: time-outs of transactions, retention, watermarks ─▶ operations
//! ```

pub(crate) mod access;
mod background;
mod catalog;
mod controller;
mod grpc;
mod operations;
mod rest;

pub(crate) use controller::Controller;
