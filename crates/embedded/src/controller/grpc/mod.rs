//! The controller's gRPC interface.

mod convert;
mod groups;
mod lists;
mod scopes;
mod segments;
mod service;
mod status;
mod streams;
mod tables;
mod transactions;
mod writers;

pub(crate) use pravega_protocol::controller::controller_service_server::ControllerServiceServer;
