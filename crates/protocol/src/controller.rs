//! The controller's gRPC interface, generated from `proto/controller.proto`: client and server.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    reason = "generated code follows its own style, and not every call is used"
)]

tonic::include_proto!("io.pravega.controller.stream.api.grpc.v1");
