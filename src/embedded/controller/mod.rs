//! The embedded node's controller: gRPC and REST as Pravega 0.13 speaks them.

mod catalog;
